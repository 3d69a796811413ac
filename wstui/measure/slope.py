"""How fast a noisy figure grows: the slope that a few wild samples do not change."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from statistics import median

POINTS_MOST = 100
"""More points are taken together: 100 make 4 950 pairs, some milliseconds of work."""


def theil_sen(points: Sequence[tuple[float, float]]) -> float | None:
    """The median of the slopes of all pairs of points (x, y); None where no two points differ in x.

    Up to 29 % of the points may be arbitrarily wrong (Theil 1950; Sen 1968), which least squares does not bear: a
    garbage collection at the end of a run would turn its line around.
    """
    points = _together(points)
    slopes = [(y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(points, 2) if x2 != x1]
    return median(slopes) if slopes else None


def _together(points: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    size = -(-len(points) // POINTS_MOST)
    if size <= 1:
        return points
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [(median(x for x, _ in group), median(y for _, y in group)) for group in groups]
