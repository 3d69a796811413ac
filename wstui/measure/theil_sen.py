"""Theil–Sen: the slope of a noisy figure, robust against outliers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

_Z95 = 1.96
POINTS_MOST = 100
"""More points are grouped: 100 make 4 950 pairs, some milliseconds of work."""


@dataclass(frozen=True, slots=True)
class Slope:
    """The slope of y over x, and its 95 % confidence bounds."""

    value: float
    low: float
    high: float

    @property
    def uncertainty(self) -> float:
        """Return the distance of the farther bound."""
        return max(self.value - self.low, self.high - self.value)


def theil_sen(points: Sequence[tuple[float, float]]) -> Slope | None:
    """Return the median slope of all pairs of points (x, y); None if no two points differ in x.

    Up to 29 % of the points may be arbitrarily wrong (Theil 1950; Sen 1968). Least squares does not tolerate that: a
    garbage collection at the end of a run would reverse its line. The bounds are Sen's, from the ranks of slopes.
    """
    points = _together(points)
    slopes = sorted((y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(points, 2) if x2 != x1)
    if not slopes:
        return None
    n = len(points)
    spread = _Z95 * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    low = max(0, round((len(slopes) - spread) / 2) - 1)
    high = min(len(slopes) - 1, round((len(slopes) + spread) / 2))
    return Slope(median(slopes), slopes[low], slopes[high])


def _together(points: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    size = -(-len(points) // POINTS_MOST)
    if size <= 1:
        return points
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [(median(x for x, _ in group), median(y for _, y in group)) for group in groups]
