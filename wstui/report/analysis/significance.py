"""Is a difference between two runs more than noise? Rank and proportion tests, in plain Python.

Neighbouring seconds of a run resemble each other, so single seconds are not independent observations. They are
averaged in batches first (the method of batch means: Law, "Simulation Modeling and Analysis", ch. 9), and the batches
are compared with the Wilcoxon–Mann–Whitney rank test (Mann & Whitney, Ann. Math. Statist. 18, 1947), which asks
nothing of the shape of a latency distribution; what resemblance is left between batches widens its variance.
Shares are compared with Fisher's exact test where counts are small, else with the pooled z test. Testing many metrics
at once is corrected with Holm's method (Scand. J. Statist. 6, 1979).

What none of this can see is the noise between runs: a server that was restarted, a neighbour on the machine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean

ALPHA = 0.01
"""A difference that noise alone would show less often than this is taken for a change."""
BATCHES = 30
FEWEST_BATCHES = 8
_BATCH_AT_LEAST = 3
FEWEST_SECONDS = FEWEST_BATCHES * _BATCH_AT_LEAST
"""A run with less steady load is not tested: simulated, noise would pass for a change in one of twenty cases."""


def batch_means(values: Sequence[float]) -> list[float]:
    """Means of neighbouring values in at most `BATCHES` batches of at least three; a remainder is left out."""
    size = max(len(values) // BATCHES, _BATCH_AT_LEAST)
    whole = len(values) // size * size
    return [fmean(values[start : start + size]) for start in range(0, whole, size)]


def rank_test(first: Sequence[float], second: Sequence[float]) -> float | None:
    """The two-sided p value of the Mann–Whitney test, by the normal approximation, corrected for ties and continuity.

    Values are in the order of time, and the resemblance of neighbours is allowed for.

    None when either side has fewer than `FEWEST_BATCHES` values: the approximation, and any conclusion, would be weak.
    """
    n, m = len(first), len(second)
    if min(n, m) < FEWEST_BATCHES:
        return None
    ranks, tied = ranks_of([*first, *second])
    rank_sum = sum(ranks[:n])
    u = rank_sum - n * (n + 1) / 2
    total = n + m
    variance = n * m / 12 * (total + 1 - tied / (total * (total - 1)))
    variance *= _inflation(ranks[:n], ranks[n:])
    if variance <= 0:
        return 1.0
    z = max(abs(u - n * m / 2) - 0.5, 0.0) / math.sqrt(variance)
    return math.erfc(z / math.sqrt(2))


def ranks_of(values: Sequence[float]) -> tuple[list[float], int]:
    """Return the rank of each value, ties in the middle, and the sum of t³ − t over all groups of t equal values."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    tied = start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for index in order[start:end]:
            ranks[index] = (start + 1 + end) / 2
        tied += (end - start) ** 3 - (end - start)
        start = end
    return ranks, tied


def _inflation(*series: Sequence[float]) -> float:
    """By how much neighbours that resemble each other widen the variance of a mean: (1 + ρ) ÷ (1 − ρ).

    ρ is the lag-1 autocorrelation over both runs, each about its own straight line (a trend is not noise), corrected
    for the bias of short series (Kendall, Biometrika 41, 1954). Simulated for series of 30 to 300 seconds with an
    autocorrelation of up to 0.9, noise then passes for a change in 0 to 5 % of the cases at p < 0.01, mostly near 1 %.
    """
    length = fmean(len(values) for values in series)
    together = spread = 0.0
    for values in series:
        off = _residuals(values)
        together += sum(one * following for one, following in pairwise(off))
        spread += sum(one * one for one in off)
    if not spread:
        return 1.0
    rho = (length * together / spread + 2) / (length - 5)
    rho = min(max(rho, 0.0), 0.95)
    return (1 + rho) / (1 - rho)


def _residuals(values: Sequence[float]) -> list[float]:
    middle, centre = fmean(values), (len(values) - 1) / 2
    slope = sum((index - centre) * (value - middle) for index, value in enumerate(values))
    slope /= sum((index - centre) ** 2 for index in range(len(values)))
    return [value - middle - slope * (index - centre) for index, value in enumerate(values)]


def share_test(hits: int, of: int, other_hits: int, other_of: int) -> float | None:
    """The two-sided p value for two shares being the same; None when either side has no trials."""
    if not of or not other_of:
        return None
    total, found = of + other_of, hits + other_hits
    if found in (0, total):
        return 1.0
    smallest = min(of, other_of) * min(found, total - found) / total
    if smallest < 10:
        return _fisher(hits, of, other_hits, other_of)
    share = found / total
    z = (hits / of - other_hits / other_of) / math.sqrt(share * (1 - share) * (1 / of + 1 / other_of))
    return math.erfc(abs(z) / math.sqrt(2))


def _fisher(hits: int, of: int, other_hits: int, other_of: int) -> float:
    found, total = hits + other_hits, of + other_of

    def log_choose(n: int, k: int) -> float:
        return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)

    def log_chance(count: int) -> float:
        return log_choose(of, count) + log_choose(other_of, found - count) - log_choose(total, found)

    seen = log_chance(hits)
    possible = range(max(0, found - other_of), min(of, found) + 1)
    # As likely as what was seen, or less; the slack absorbs rounding.
    return min(1.0, sum(math.exp(chance) for chance in map(log_chance, possible) if chance <= seen + 1e-7))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """The p values corrected for how many they are; None stays None."""
    order = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, index) in enumerate(order):
        highest = max(highest, min(1.0, p * (len(order) - rank)))
        corrected[index] = highest
    return corrected
