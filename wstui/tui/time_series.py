"""The timeline in columns, fed row by row: what charts and sparklines draw, at a cost that long runs do not raise."""

from __future__ import annotations

import math
from collections.abc import Sequence

from wstui.measure.append_log import AppendLog, new_since
from wstui.measure.timeline import TimelineRow

FIELDS = (
    "at_s",
    "open",
    "failures_per_s",
    "sent_per_s",
    "received_per_s",
    "response_p50_ms",
    "response_p95_ms",
    "response_p99_ms",
    "response_mean_ms",
    "response_max_ms",
    "connect_p95_ms",
    "delivery_p50_ms",
    "delivery_p99_ms",
    "spread_p99_ms",
    "cpu",
)
"""The fields of a row that are drawn."""

_FIXED = frozenset(FIELDS)
_BUCKETS = 1024
_Extremes = list[tuple[float, float]]


class TimeSeries:
    """Columns of the timeline, as floats; NaN where nothing was measured."""

    def __init__(self) -> None:
        self._run: object = None
        self._begin()

    def _begin(self) -> None:
        self._columns: dict[str, list[float]] = {name: [] for name in FIELDS}
        self._folded: dict[tuple[str, int], _Extremes] = {}
        self._position = self._folds = 0

    def __len__(self) -> int:
        return len(self._columns["at_s"])

    def feed(self, rows: Sequence[TimelineRow], run: object = None) -> bool:
        """Take over the rows not seen yet; whether there were any.

        Starts over when `run` changes (the next run of a suite), and when old rows were folded into minutes.
        """
        folds = rows.folds if isinstance(rows, AppendLog) else 0
        if run != self._run or folds != self._folds or len(rows) < len(self):
            self._begin()
            self._run, self._folds = run, folds
        fresh, self._position = new_since(rows, self._position)
        if not fresh:
            return False
        past = len(self)
        for name in FIELDS:
            self._columns[name] += [_number(getattr(row, name)) for row in fresh]
        for name in dict.fromkeys([*self._columns, *(name for row in fresh for name in row.steps)]):
            if name not in _FIXED:  # of a step
                column = self._columns.setdefault(name, [math.nan] * past)
                column += [_number(row.steps.get(name)) for row in fresh]
        return True

    def column(self, name: str) -> list[float]:
        """One field of every row, or a column of a step. Not to be changed."""
        return self._columns.get(name) or [math.nan] * len(self)

    def latest(self, name: str) -> float | None:
        """The newest value of a field, or None when there is none."""
        column = self.column(name)
        return column[-1] if column and math.isfinite(column[-1]) else None

    def highs(self, name: str) -> list[float]:
        """The highest value of each interval of equal length from sample 0 on; few enough to draw."""
        column = self._columns[name]
        step = _step(len(column), _BUCKETS)
        return column if step == 1 else [high for _, high in self._fold(name, step)]

    def curve(self, name: str, since_s: float, points: int) -> tuple[list[float], list[float]]:
        """Times and values from `since_s` on. Of more than `points` rows, each interval gives its extremes.

        So neither a spike nor a dip is ever averaged away; intervals start at sample 0 and do not move.
        """
        times, values = self._columns["at_s"], self.column(name)
        first = _first_after(times, since_s)
        step = _step(len(values) - first, max(1, points))
        if step == 1:
            return times[first:], values[first:]
        xs: list[float] = []
        ys: list[float] = []
        folded = self._fold(name, step)
        for index in range(first // step, len(folded)):
            at = times[min(index * step + step // 2, len(times) - 1)]
            low, high = folded[index]
            xs.append(at)
            ys.append(low)
            if high != low:
                xs.append(at)
                ys.append(high)
        return xs, ys

    def _fold(self, name: str, step: int) -> _Extremes:
        column = self.column(name)
        folded = self._folded.setdefault((name, step), [])
        if folded:
            folded.pop()  # the last interval may have been incomplete
        for start in range(len(folded) * step, len(column), step):
            interval = [value for value in column[start : start + step] if math.isfinite(value)]
            folded.append((min(interval), max(interval)) if interval else (math.nan, math.nan))
        return folded


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _step(count: int, buckets: int) -> int:
    step = 1
    while count > step * buckets:
        step *= 2
    return step


def _first_after(times: list[float], since_s: float) -> int:
    low, high = 0, len(times)
    while low < high:
        middle = (low + high) // 2
        if times[middle] < since_s:
            low = middle + 1
        else:
            high = middle
    return low
