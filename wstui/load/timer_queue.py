"""What is due at which time, by an exact timer: a few entries per pass of the loop, on a clock that can stand still."""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
import sys
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from wstui.load.timer_wheel import TimerWheel

SENDS_A_PASS = 4
"""After this many sends the loop reads its sockets: bursts are the largest error that a generator makes itself."""
BEHIND_NS = 1_000_000
SENDS_BEHIND, MOST_SENDS = 16, 64
"""This far behind the schedule, lateness is the larger error, and reading less often saves CPU: so many sends in a pass
for each such delay, and at most."""
IN_A_ROW = 4
"""A client that is behind by more than its interval sends so many of its overdue messages in a row, while its memory is
in the caches: from 2 000 clients on that is worth a third of the messages that a worker can send."""

T = TypeVar("T")

_now = time.monotonic_ns

_TFD_NONBLOCK = 0o4000
_TFD_CLOEXEC = 0o2000000
_TFD_TIMER_ABSTIME = 1
_SPEC = struct.Struct("qqqq")


def sends_a_pass(late_ns: int) -> int:
    """Return how many sends to make before the loop reads its sockets, this late."""
    return SENDS_A_PASS if late_ns <= BEHIND_NS else min(SENDS_BEHIND * (late_ns // BEHIND_NS), MOST_SENDS)


def library_with_timerfd() -> ctypes.CDLL | None:
    """Return the C library if it has timerfd, as that of Linux."""
    if sys.platform == "win32":
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    return libc if hasattr(libc, "timerfd_create") else None


class PreciseTimer:
    """Calls `callback` at an exact time: by a timerfd on Linux, by the loop's timer elsewhere.

    The loops' own timers count in milliseconds, which is longer than a reply takes.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        self._loop = loop
        self._callback = callback
        self._fd = -1
        self._handle: asyncio.TimerHandle | None = None
        if (libc := library_with_timerfd()) is not None:
            fd = libc.timerfd_create(time.CLOCK_MONOTONIC, _TFD_NONBLOCK | _TFD_CLOEXEC)
            if fd >= 0:
                self._fd = fd
                self._settime = libc.timerfd_settime
                loop.add_reader(fd, self._expired)

    def at(self, ns: int) -> None:
        """Call back at `ns` on time.monotonic_ns(), at once if that is past; this replaces an earlier time."""
        if self._fd >= 0:
            # A zero time would disarm the timer.
            when = _SPEC.pack(0, 0, *divmod(ns if ns > 0 else 1, 1_000_000_000))
            self._settime(self._fd, _TFD_TIMER_ABSTIME, when, None)
            return
        if self._handle is not None:
            self._handle.cancel()
        delay = (ns - time.monotonic_ns()) / 1e9
        self._handle = self._loop.call_later(delay if delay > 0 else 0, self._callback)

    def _expired(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return
        self._callback()

    def close(self) -> None:
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
        if self._handle is not None:
            self._handle.cancel()


class TimerQueue(Generic[T]):
    """Entries by the time at which they are due. A pause stops the clock and so shifts all of them.

    A subclass handles what is due in `_fire`, up to `sends_a_pass` entries in a pass: its loop is written out there,
    because one more call for each entry would be felt in every round trip.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._wheel: TimerWheel[T] = TimerWheel()
        self._timer = PreciseTimer(loop, self._fire)
        self._armed_ns = 0
        self._bucket: list[T] = []  # due at `_due_ns`, and handled up to `_index`
        self._index = 0
        self._due_ns = 0
        self._busy = False
        self._offset_ns = 0  # monotonic minus the queue's clock
        self._paused_ns: int | None = None

    def clock(self) -> int:
        """Return the queue's time in nanoseconds: monotonic time less all pauses."""
        return (_now() if self._paused_ns is None else self._paused_ns) - self._offset_ns

    @property
    def is_behind(self) -> bool:
        """Whether entries are handled late."""
        return self._late_ns > BEHIND_NS

    @property
    def _late_ns(self) -> int:
        """How long ago what comes next was due; negative before that, 0 if nothing will come."""
        due = self._due_ns if self._index < len(self._bucket) else self._wheel.next_ns()
        return 0 if due is None else self.clock() - due

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
                # The pause interrupted a burst: its rest is due now.
                self._busy = True
                self._loop.call_soon(self._fire)
            self._arm()

    def clear(self) -> None:
        """Forget all entries."""
        self._wheel.clear()
        self._bucket, self._index = [], 0

    def close(self) -> None:
        """Give the timer back."""
        self.clear()
        self._timer.close()

    def _arm(self) -> None:
        due = self._wheel.next_ns()
        if due is None or self._busy or self._paused_ns is not None:
            return
        due += self._offset_ns
        if due != self._armed_ns:
            self._armed_ns = due
            self._timer.at(due)

    def _fire(self) -> None:
        raise NotImplementedError
