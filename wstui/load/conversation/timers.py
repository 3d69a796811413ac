"""Wakes conversations at their time: a few a pass, so that the loop stays responsive."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from wstui.load.pacer import PreciseTimer, sends_a_pass
from wstui.load.timer_wheel import TICK_BITS, TimerWheel

_now = time.monotonic_ns


class Sleeper(Protocol):
    """What can be woken."""

    def wake(self, due_ns: int, late_from_ns: int) -> None:
        """It is due: at `due_ns` of the timers' clock, which is `late_from_ns` on the monotonic one."""


class Timers:
    """A wheel with a clock that can stand still: a pause shifts everything that is due."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._wheel: TimerWheel[Sleeper] = TimerWheel()
        self._alarm = PreciseTimer(loop, self._fire)
        self._armed_ns = 0
        self._bucket: list[Sleeper] = []
        self._index = 0
        self._due_ns = 0
        self._busy = False
        self._offset_ns = 0  # monotonic minus the clock
        self._paused_ns: int | None = None

    def clock(self) -> int:
        """Return monotonic time less all pauses, in nanoseconds."""
        return (_now() if self._paused_ns is None else self._paused_ns) - self._offset_ns

    def add(self, at_ns: int, sleeper: Sleeper) -> int:
        """Wake `sleeper` at `at_ns` of the clock; return when exactly, on the grid of the wheel."""
        self._wheel.add(at_ns, sleeper)
        self._arm()
        return -(-at_ns >> TICK_BITS) << TICK_BITS

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
                self._busy = True
                self._loop.call_soon(self._fire)
            self._arm()

    def clear(self) -> None:
        """Forget every client that is asleep now."""
        self._wheel.clear()
        self._bucket, self._index = [], 0

    def close(self) -> None:
        """Give the timer back."""
        self.clear()
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
        if self._paused_ns is not None:
            return
        late_ns = self.clock() - self._due_ns if self._index < len(self._bucket) else 0
        for _ in range(sends_a_pass(late_ns)):
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
