"""A timer wheel: buckets of half a millisecond, so that adding and taking cost the same for any number of entries."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Generic, TypeVar

TICK_BITS = 19
TICK_NS = 1 << TICK_BITS
"""The width of a bucket, 524 µs. The end of its bucket is the intended time of a send, so the grid never counts as
lateness."""

T = TypeVar("T")


class TimerWheel(Generic[T]):
    """Entries by the tick in which they are due."""

    __slots__ = ("_buckets", "_ticks")

    def __init__(self) -> None:
        self._buckets: dict[int, list[T]] = {}
        self._ticks: list[int] = []

    def add(self, at_ns: int, entry: T) -> None:
        """Make `entry` due at the first tick that is not before `at_ns`."""
        tick = -(-at_ns >> TICK_BITS)
        bucket = self._buckets.get(tick)
        if bucket is None:
            self._buckets[tick] = [entry]
            heappush(self._ticks, tick)
        else:
            bucket.append(entry)

    def next_ns(self) -> int | None:
        """Return when the earliest bucket is due, or None."""
        return self._ticks[0] << TICK_BITS if self._ticks else None

    def take(self, now_ns: int) -> tuple[int, list[T]] | None:
        """Remove and return the earliest bucket if it is due by `now_ns`: its intended time and its entries."""
        ticks = self._ticks
        if not ticks or ticks[0] << TICK_BITS > now_ns:
            return None
        tick = heappop(ticks)
        return tick << TICK_BITS, self._buckets.pop(tick)

    def clear(self) -> None:
        self._buckets.clear()
        self._ticks.clear()
