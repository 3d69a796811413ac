"""Lets each client send at its time: an absolute schedule, a few sends a pass, so that the loop stays responsive."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from wstui.load.client_state import READY
from wstui.load.precise_timer import PreciseTimer
from wstui.load.schedule import first_send, jittered, poisson_gap
from wstui.load.timer_wheel import TimerWheel

if TYPE_CHECKING:
    from wstui.load.client import Client

SENDS_A_PASS = 4
"""A burst is the largest error that a generator makes itself: after this many sends the loop looks at its sockets."""
BEHIND_NS = 1_000_000
SENDS_BEHIND = 16
"""Whoever is this far behind the schedule makes a larger error by being late: looking less often saves a tenth."""

_now = time.monotonic_ns


class Pacer:
    """The schedule of one worker. Its clock stands still while paused: a pause shifts the schedule as a whole."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        every_ns: int,
        arrivals: str = "fixed",
        jitter: float = 0.0,
        seed: int = 0,
    ) -> None:
        """`arrivals`: "fixed", "jitter" (by up to a share of `jitter` of the interval) or "poisson"."""
        self.every_ns = every_ns
        self._fixed = arrivals == "fixed"
        self._poisson = arrivals == "poisson"
        self._jitter = jitter
        self._seed = seed
        self._loop = loop
        self._wheel: TimerWheel[Client] = TimerWheel()
        self._alarm = PreciseTimer(loop, self._fire)
        self._armed_ns = 0
        self._bucket: list[Client] = []
        self._index = 0
        self._due_ns = 0
        self._busy = False
        self._offset_ns = 0  # monotonic minus the schedule's clock
        self._paused_ns: int | None = None
        self._stopped = False

    def clock(self) -> int:
        """The schedule's clock, in nanoseconds: monotonic time less all pauses."""
        return (_now() if self._paused_ns is None else self._paused_ns) - self._offset_ns

    def add(self, client: Client) -> None:
        """Let `client` send from now on, beginning at its own phase of the interval."""
        if self._stopped:
            return
        if self._poisson:
            client.next_ns = self.clock()
            self._wheel.add(self._drawn(client), client)
        else:
            client.next_ns = first_send(self.clock(), client.number, self.every_ns)
            self._wheel.add(client.next_ns if self._fixed else self._moved(client), client)
        self._arm()

    def _drawn(self, client: Client) -> int:
        """A Poisson process has no memory: from any time on the next gap is as long as any other."""
        client.turn += 1
        client.next_ns += poisson_gap(client.number, client.turn, self.every_ns, self._seed)
        return client.next_ns

    def _moved(self, client: Client) -> int:
        """Where the jitter puts the send that the grid has at `client.next_ns`."""
        client.turn += 1
        return jittered(client.next_ns, client.number, client.turn, self.every_ns, self._jitter, self._seed)

    def pace(self, every_ns: int, clients: Iterable[Client]) -> None:
        """Change the interval: every client gets its place in the new one."""
        self.every_ns = every_ns
        self._wheel.clear()
        self._bucket, self._index = [], 0
        if every_ns:
            for client in clients:
                self.add(client)

    def pause(self) -> None:
        """Stop the clock."""
        if self._paused_ns is None:
            self._paused_ns = _now()

    def resume(self) -> None:
        """Let the clock go on from where it stopped."""
        if self._paused_ns is not None:
            self._offset_ns += _now() - self._paused_ns
            self._paused_ns = None
            self._armed_ns = 0
            if self._index < len(self._bucket) and not self._busy:
                # The pause came in the middle of a burst: its rest is due now.
                self._busy = True
                self._loop.call_soon(self._fire)
            self._arm()

    def stop(self) -> None:
        """No more sends, for good."""
        self._stopped = True
        self._wheel.clear()
        self._bucket, self._index = [], 0

    def close(self) -> None:
        """Give the timer back."""
        self.stop()
        self._alarm.close()

    def _arm(self) -> None:
        due = self._wheel.next_ns()
        if due is None or self._busy or self._paused_ns is not None:
            return
        due += self._offset_ns
        if due != self._armed_ns:
            self._armed_ns = due
            self._alarm.at(due)

    def _fire(self) -> None:
        self._busy = False
        self._armed_ns = 0
        if self._paused_ns is not None or self._stopped:
            return
        every = self.every_ns
        fixed = self._fixed
        wheel = self._wheel
        behind = self._index < len(self._bucket) and self.clock() - self._due_ns > BEHIND_NS
        for _ in range(SENDS_BEHIND if behind else SENDS_A_PASS):
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
