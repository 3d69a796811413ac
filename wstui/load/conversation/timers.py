"""Wakes conversations at their time: a few a pass, so that the loop stays responsive."""

from __future__ import annotations

import time
from typing import Protocol

from wstui.load.timer_queue import TimerQueue, sends_a_pass
from wstui.load.timer_wheel import TICK_BITS

_now = time.monotonic_ns


class Sleeper(Protocol):
    """What can be woken."""

    def wake(self, due_ns: int, late_from_ns: int) -> None:
        """It is due: at `due_ns` of the timers' clock, which is `late_from_ns` on the monotonic one."""


class Timers(TimerQueue[Sleeper]):
    """Wakes what is due."""

    def add(self, at_ns: int, sleeper: Sleeper) -> int:
        """Wake `sleeper` at `at_ns` of the clock; return when exactly, on the grid of the wheel."""
        self._wheel.add(at_ns, sleeper)
        self._arm()
        return -(-at_ns >> TICK_BITS) << TICK_BITS

    def _fire(self) -> None:
        self._busy = False
        self._armed_ns = 0
        if self._paused_ns is not None:
            return
        for _ in range(sends_a_pass(self._late_ns)):
            if self._index >= len(self._bucket):
                taken = self._wheel.take(_now() - self._offset_ns)
                if taken is None:
                    self._bucket, self._index = [], 0
                    self._arm()
                    return
                self._due_ns, self._bucket = taken
                self._index = 0
            sleeper = self._bucket[self._index]
            self._index += 1
            sleeper.wake(self._due_ns, self._due_ns + self._offset_ns)
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._fire)
