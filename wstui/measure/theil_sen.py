"""How fast a noisy figure grows: the slope that a few wild samples do not change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

_Z95 = 1.96
POINTS_MOST = 100
"""More points are taken together: 100 make 4 950 pairs, some milliseconds of work."""


@dataclass(frozen=True, slots=True)
class Slope:
    """How fast y grows with x, and between which bounds that lies with 95 % confidence."""

    value: float
    low: float
    high: float

    @property
    def uncertainty(self) -> float:
        """The farther of the bounds: the slope is known to ± this."""
        return max(self.value - self.low, self.high - self.value)


def theil_sen(points: Sequence[tuple[float, float]]) -> Slope | None:
    """The median of the slopes of all pairs of points (x, y); None where no two points differ in x.

    Up to 29 % of the points may be arbitrarily wrong (Theil 1950; Sen 1968), which least squares does not bear: a
    garbage collection at the end of a run would turn its line around. The bounds are Sen's, from the ranks of the
    slopes.
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
