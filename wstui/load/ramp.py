"""How many clients are wanted at a time. A pure function, so that a late tick catches up instead of drifting."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class RampLine:
    """A straight line from `origin` clients at `start_ns` to `to` clients at `start_ns + over_ns`."""

    start_ns: int
    origin: int
    to: int
    over_ns: int

    def wanted(self, at_ns: int) -> int:
        """Return the clients wanted at `at_ns`: `origin` before the line begins, `to` after it ends."""
        elapsed = at_ns - self.start_ns
        if elapsed >= self.over_ns:
            return self.to
        if elapsed < 0:
            return self.origin
        # Client k of n begins at (k-1)/n of the line: the first at once, none only at the end.
        step = abs(self.to - self.origin) * elapsed // self.over_ns
        return min(self.origin + step + 1, self.to) if self.to >= self.origin else self.origin - step

    def done(self, at_ns: int) -> bool:
        return at_ns >= self.start_ns + self.over_ns


@dataclass(frozen=True, slots=True)
class ArrivalLine:
    """Clients that arrive one by one, `per_second` in billionths, from `start_ns` on for `over_ns`."""

    start_ns: int
    per_second: int
    over_ns: int

    def arrived(self, at_ns: int) -> int:
        """Return how many have arrived by `at_ns`. In whole numbers, so that no fraction of an arrival is ever lost."""
        return self.per_second * min(max(at_ns - self.start_ns, 0), self.over_ns) // 10**18

    def done(self, at_ns: int) -> bool:
        return at_ns >= self.start_ns + self.over_ns

    def cut(self, at_ns: int) -> ArrivalLine:
        """Return this line ended at `at_ns`."""
        return replace(self, over_ns=min(self.over_ns, max(at_ns - self.start_ns, 0)))


def share(total: int, worker: int, workers: int) -> int:
    """Return how many of the clients 0 … total-1 belong to a worker that owns every `workers`-th number from `worker`.

    The shares of all workers add up to `total`.
    """
    return max(0, (total - worker + workers - 1) // workers)
