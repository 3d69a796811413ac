"""The next load to try in a search. Pure: what held and what broke goes in, a load comes out."""

from __future__ import annotations

import math

PROOFS = 2
"""A load is believed to break when it has broken this often: one hiccup must not cost half of the answer."""


class Bisection:
    """Steps up from `start` by `factor` until a load breaks, then halves the gap until it is as small as `precision`.

    Loads are whole numbers from 1 to `most`. `precision` is the largest gap between the largest load that held and
    the smallest that broke, as a share of the former. A load that held is never doubted again: the measurement makes
    sure of it.
    """

    def __init__(self, start: int, most: int, factor: float, precision: float) -> None:
        self._start = start
        self._most = most
        self._factor = factor
        self._precision = precision
        self._broke: dict[int, int] = {}
        self.low: int | None = None
        """The largest load that held; None when none has."""

    @property
    def high(self) -> int | None:
        """The smallest load that broke, above all that held; None when none has."""
        return min(self._broke, default=None)

    def next(self) -> int | None:
        """The load to try next; None when the answer is known."""
        low, high = self.low or 0, self.high
        if high is None:
            if not low:
                return min(self._start, self._most)
            if low >= self._most:
                return None
            further = self._rounded(low * self._factor)
            return min(self._most, further if further > low else math.ceil(low * self._factor))
        if high - low <= max(1, self._precision * low):
            return high if self._broke[high] < PROOFS else None
        middle = self._rounded((low + high) / 2)
        return middle if low < middle < high else (low + high) // 2

    def held(self, load: int) -> None:
        """A load held. What had broken below it, or there, was bad luck."""
        self.low = max(load, self.low or 0)
        self._broke = {broken: times for broken, times in self._broke.items() if broken > load}

    def broke(self, load: int) -> None:
        self._broke = {**self._broke, load: self._broke.get(load, 0) + 1}

    @property
    def left(self) -> int:
        """Return how many loads are still to be tried, about, if none breaks that has not broken so far."""
        low, high = self.low or 0, self.high
        ups = 0
        if high is None:
            at = max(low, 1) if low else min(self._start, self._most)
            ups = math.ceil(math.log(self._most / at, self._factor)) if at < self._most else 0
            return ups + (0 if low else 1)
        gap = (high - low) / max(1.0, self._precision * max(low, high / 2))
        return (math.ceil(math.log2(gap)) if gap > 1 else 0) + max(0, PROOFS - self._broke[high])

    def _rounded(self, load: float) -> int:
        """To a number that people would choose, within a small part of the precision."""
        grain: int = 10 ** math.floor(math.log10(max(1.0, load * self._precision / 2)))
        return round(load / grain) * grain
