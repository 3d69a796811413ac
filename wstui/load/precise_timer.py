"""Wakes the loop at an exact time. The loops' own timers count in milliseconds, which is longer than a reply takes."""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
import sys
import time
from collections.abc import Callable

_TFD_NONBLOCK = 0o4000
_TFD_CLOEXEC = 0o2000000
_TFD_TIMER_ABSTIME = 1
_SPEC = struct.Struct("qqqq")


class PreciseTimer:
    """Calls `ring` soon after the monotonic time last given to `at`. Linux: a timerfd; elsewhere the loop's timer."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._fd = -1
        self._handle: asyncio.TimerHandle | None = None
        if sys.platform == "linux":
            libc = ctypes.CDLL(None, use_errno=True)
            fd = libc.timerfd_create(time.CLOCK_MONOTONIC, _TFD_NONBLOCK | _TFD_CLOEXEC)
            if fd >= 0:
                self._fd = fd
                self._settime = libc.timerfd_settime
                loop.add_reader(fd, self._expired)

    def at(self, ns: int) -> None:
        """Ring at `ns` on time.monotonic_ns(), at once when that is past; replaces an earlier time."""
        if self._fd >= 0:
            # A zero time would disarm the timer.
            self._settime(
                self._fd,
                _TFD_TIMER_ABSTIME,
                _SPEC.pack(0, 0, *divmod(ns if ns > 0 else 1, 1_000_000_000)),
                None,
            )
            return
        if self._handle is not None:
            self._handle.cancel()
        delay = (ns - time.monotonic_ns()) / 1e9
        self._handle = self._loop.call_later(delay if delay > 0 else 0, self._ring)

    def _expired(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return
        self._ring()

    def close(self) -> None:
        """Ring no more."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
        if self._handle is not None:
            self._handle.cancel()
