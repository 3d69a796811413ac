"""Lets each client send at its time: an absolute schedule, a few sends per pass of the loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from wstui.load.client import LoadClient
from wstui.load.context import READY
from wstui.load.protocol import SendSpec
from wstui.load.schedule import first_send, jittered, poisson_gap
from wstui.load.timer_queue import TimerQueue, sends_a_pass

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
        if self._poisson:
            client.next_ns = self.clock()
            self._wheel.add(self._drawn(client), client)
        else:
            client.next_ns = first_send(self.clock(), client.number, self.every_ns)
            self._wheel.add(client.next_ns if self._fixed else self._moved(client), client)
        self._arm()

    def _drawn(self, client: LoadClient) -> int:
        """Return the next send of a Poisson process, which has no memory: it may begin at any time."""
        client.turn += 1
        client.next_ns += poisson_gap(client.number, client.turn, self.every_ns, self._seed)
        return client.next_ns

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
        for _ in range(sends_a_pass(self._late_ns)):
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
                client.next_ns += every
                wheel.add(client.next_ns, client)
            elif self._poisson:
                wheel.add(self._drawn(client), client)
            else:
                client.next_ns += every
                wheel.add(self._moved(client), client)
        self._busy = True
        self._loop.call_soon(self._fire)
