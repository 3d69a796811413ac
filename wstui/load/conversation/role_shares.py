"""Which clients have which role."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from wstui.load.rng import spread


class RoleShares:
    """The first clients have the roles with a fixed number, the rest is dealt by weight."""

    def __init__(self, clients: Sequence[int], weights: Sequence[float]) -> None:
        """`clients` are the fixed numbers, 0 where there is a weight; `weights` are 0 where there is a number."""
        self._fixed = list(accumulate(clients))
        total = sum(weights)
        self._bounds = [round(end / total * 2**64) for end in accumulate(weights)] if total else []

    def index_of(self, number: int) -> int:
        """Return the index of a client's role."""
        fixed = self._fixed[-1]
        if number < fixed or not self._bounds:
            return bisect_right(self._fixed, number % fixed)
        return min(bisect_right(self._bounds, spread(number, 0)), len(self._fixed) - 1)
