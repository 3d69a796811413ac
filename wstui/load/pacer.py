"""Lets each client send at its time: an absolute schedule, a few sends per pass of the loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from wstui.load.client import LoadClient
from wstui.load.context import READY
from wstui.load.protocol import SendSpec
from wstui.load.schedule import first_send, jittered, poisson_gap
from wstui.load.timer_queue import IN_A_ROW, TimerQueue, sends_a_pass
from wstui.load.timer_wheel import TICK_BITS

_now = time.monotonic_ns


class Pacer(TimerQueue[LoadClient]):
    """The schedule of one worker. A pause shifts it as a whole."""

    def __init__(self, loop: asyncio.AbstractEventLoop, spec: SendSpec, seed: int) -> None:
        super().__init__(loop)
        self.every_ns = spec.every_ns
        self._fixed = spec.arrivals == "fixed"
        self._poisson = spec.arrivals == "poisson"
        self._jitter = spec.jitter
        self._seed = seed
        self._stopped = False

    def add(self, client: LoadClient) -> None:
        """Let `client` send from now on, first at its own phase of the interval."""
        if self._stopped:
            return
        if self._poisson:  # it has no memory, so it may begin at any time
            client.next_ns = self.clock()
            at = self._next(client)
        else:
            client.next_ns = first_send(self.clock(), client.number, self.every_ns)
            at = client.next_ns if self._fixed else self._moved(client)
        self._wheel.add(at, client)
        self._arm()

    def _next(self, client: LoadClient) -> int:
        """Return when `client` sends next: an interval later, with its jitter, or as a Poisson process has it."""
        if self._poisson:
            client.turn += 1
            client.next_ns += poisson_gap(client.number, client.turn, self.every_ns, self._seed)
            return client.next_ns
        client.next_ns += self.every_ns
        return client.next_ns if self._fixed else self._moved(client)

    def _moved(self, client: LoadClient) -> int:
        """Return the time that jitter gives the send that is at `client.next_ns` on the grid."""
        client.turn += 1
        return jittered(client.next_ns, client.number, client.turn, self.every_ns, self._jitter, self._seed)

    def pace(self, every_ns: int, clients: Iterable[LoadClient]) -> None:
        """Change the interval and give every client its phase in the new one."""
        self.every_ns = every_ns
        self.clear()
        if every_ns:
            for client in clients:
                self.add(client)

    def stop(self) -> None:
        """Send no more, for good."""
        self._stopped = True
        self.clear()

    def _fire(self) -> None:
        self._busy = False
        self._armed_ns = 0
        if self._paused_ns is not None or self._stopped:
            return
        every = self.every_ns
        fixed = self._fixed
        wheel = self._wheel
        late = self._late_ns
        sends = sends_a_pass(late)
        overdue_ns = 0
        if 0 < every < late:
            overdue_ns = self.clock() >> TICK_BITS << TICK_BITS
            sends //= IN_A_ROW
        for _ in range(sends):
            if self._index >= len(self._bucket):
                taken = wheel.take(_now() - self._offset_ns)
                if taken is None:
                    self._bucket, self._index = [], 0
                    self._arm()
                    return
                self._due_ns, self._bucket = taken
                self._index = 0
            client = self._bucket[self._index]
            self._index += 1
            if client.step is not READY:
                continue
            client.send(self._due_ns + self._offset_ns)
            if not every:
                continue
            if fixed:
                at = client.next_ns = client.next_ns + every
            else:
                at = self._next(client)
            if at <= overdue_ns:
                at = self._send_overdue(client, at, overdue_ns)
            wheel.add(at, client)
        self._busy = True
        self._loop.call_soon(self._fire)

    def _send_overdue(self, client: LoadClient, at: int, overdue_ns: int) -> int:
        """Send more of what `client` should have sent by `overdue_ns`, first that of `at`. Return its next time."""
        for _ in range(IN_A_ROW - 1):
            if at > overdue_ns or client.step is not READY:
                break
            client.send((-(-at >> TICK_BITS) << TICK_BITS) + self._offset_ns)
            at = self._next(client)
        return at
