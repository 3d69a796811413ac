"""A metric over many runs, and the runs at which it changed.

Change points are found by binary segmentation with Pettitt's statistic (Applied Statistics 28, 1979), which assumes
nothing about the distribution. Its p value comes from permutations (Phipson and Smyth, 2010: never 0), since its
approximation is poor for a few dozen runs, and is corrected for the number of splits tried (Bonferroni).
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from wstui.execution.run.result_figures import figure
from wstui.report.analysis.significance import ALPHA, ranks_of
from wstui.report.store.store import Store, StoredRun
from wstui.scenario.errors import BadValue
from wstui.scenario.threshold import parse_metric

FEWEST = 5
"""Runs on each side of a change: with fewer, chance alone looks like a change more often than `ALPHA`."""
_PERMUTATIONS = 1999
_CONDITION = re.compile(r"\s*change\s*([<>])\s*([+-]?\d+(?:\.\d+)?)\s*%\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Point:
    """The metric in one run; `value` is None if it was not measured."""

    run: int
    started: str
    value: float | None
    tags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """The first run after a change; `before` and `after` are the medians of the intervals beside it."""

    run: int
    before: float
    after: float
    p_value: float

    @property
    def ratio(self) -> float | None:
        """Return by what share of before it changed, None where before is 0."""
        return (self.after - self.before) / abs(self.before) if self.before else None


@dataclass(frozen=True, slots=True)
class Trend:
    """A metric over the runs of a preset, oldest first, and where it changed."""

    preset: str
    metric: str
    unit: str
    points: tuple[Point, ...]
    changes: tuple[ChangePoint, ...]

    @classmethod
    def of(cls, preset: str, metric: str, points: Sequence[Point]) -> Trend:
        """Return the trend of these points. Raises BadValue if the metric is unknown."""
        return cls(preset, metric, parse_metric(metric).unit, tuple(points), tuple(change_points(points)))

    @property
    def levels(self) -> list[float]:
        """Return for each run the median between the two changes that it is between; none if nothing is known."""
        measured = [point.value for point in self.points if point.value is not None]
        if not measured:
            return []
        level = self.changes[0].before if self.changes else median(measured)
        levels = []
        for point in self.points:
            if change := self.change_at(point):
                level = change.after
            levels.append(level)
        return levels

    def change_at(self, point: Point) -> ChangePoint | None:
        return next((change for change in self.changes if change.run == point.run), None)


def stored_trend(store: Store, preset: str, metric: str, last: int) -> Trend:
    """Return the trend over the last finished runs of a preset. Raises BadValue if the metric is unknown."""
    found = [run for run in store.runs(name=preset) if run.state == "finished"][:last]
    return Trend.of(
        preset,
        metric,
        [
            Point(run.id, run.started, _figure(store, run, metric), run.tags, tuple(store.notes(run.id)))
            for run in reversed(found)
        ],
    )


def _figure(store: Store, run: StoredRun, metric: str) -> float | None:
    """Return the figure of a run; those that need a whole distribution are read from the whole result."""
    value = figure(run.summary, metric)
    return value if value is not None else figure(store.result(run.id), metric)


def change_points(points: Sequence[Point]) -> list[ChangePoint]:
    """Return where the metric changed, in the order of the runs."""
    measured = [(point.run, point.value) for point in points if point.value is not None]
    values = [value for _, value in measured]
    splits: dict[int, float] = {}
    _split(values, 0, len(values), splits)
    edges = [0, *sorted(splits), len(values)]
    middles = [median(values[start:end]) for start, end in pairwise(edges)] if values else []
    return [
        ChangePoint(measured[at][0], before, after, splits[at])
        for at, (before, after) in zip(edges[1:-1], pairwise(middles), strict=True)
        if before != after  # of counts that are mostly 0, a few more are no other median
    ]


def _split(values: Sequence[float], start: int, end: int, found: dict[int, float]) -> None:
    if end - start < 2 * FEWEST:
        return
    ranks, _ = ranks_of(values[start:end])
    at, strength = _strongest(ranks)
    shuffled, draw = list(ranks), random.Random(0)
    beaten = 0
    for _ in range(_PERMUTATIONS):
        draw.shuffle(shuffled)
        beaten += _strongest(shuffled)[1] >= strength
    p_value = (beaten + 1) / (_PERMUTATIONS + 1) * (2 * len(found) + 1)
    if p_value < ALPHA:
        found[start + at] = p_value
        _split(values, start, start + at, found)
        _split(values, start + at, end, found)


def _strongest(ranks: Sequence[float]) -> tuple[int, float]:
    """Return where the ranks before and after differ most, and by how much: max |2 Σ rank − t (n + 1)|."""
    best, strength, total = FEWEST, 0.0, 0.0
    for at, rank in enumerate(ranks, 1):
        total += rank
        if FEWEST <= at <= len(ranks) - FEWEST and abs(2 * total - at * (len(ranks) + 1)) > strength:
            best, strength = at, abs(2 * total - at * (len(ranks) + 1))
    return best, strength


@dataclass(frozen=True, slots=True)
class TrendCondition:
    """A latest change that is not accepted, as "change > 10%"; of a metric that is a share itself, in points."""

    text: str
    above: bool
    amount: float

    def matching_change(self, trend: Trend) -> ChangePoint | None:
        """Return the latest change if it is of that kind; from 0 to something is beyond any percentage."""
        latest = trend.changes[-1] if trend.changes else None
        if latest is None:
            return None
        if trend.unit == "%":
            percent = latest.after - latest.before
        elif latest.ratio is None:
            percent = math.inf if latest.after > 0 else -math.inf
        else:
            percent = latest.ratio * 100
        return latest if (percent > self.amount if self.above else percent < self.amount) else None


def parse_condition(text: str) -> TrendCondition:
    """Return the condition in "change > 10%". Raises BadValue."""
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise BadValue('is not a condition: write "change > 10%" or "change < -5%"')
    return TrendCondition(text.strip(), match[1] == ">", float(match[2]))
