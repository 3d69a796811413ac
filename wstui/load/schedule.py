"""When a client sends: absolute, spread evenly, and never in step with the others. Pure functions of time.

Random draws depend on the seed, the client and the turn alone, so that a run can be repeated.
"""

from __future__ import annotations

import math

from wstui.load.rng import draw, fraction

# The golden ratio's fraction in 64 bits: multiples of it fill an interval evenly for any number of clients
# (Weyl's equidistribution; Knuth, TAOCP 6.4), also while their number still grows.
_GOLDEN = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1
_JITTER, _GAP = 1 << 40, 1 << 41  # lanes of their own among all that is drawn


def phase(number: int, every_ns: int) -> int:
    """Return the offset of a client's sends within the interval, 0 ≤ phase < every_ns."""
    return ((number * _GOLDEN & _MASK) * every_ns) >> 64


def first_send(ready_ns: int, number: int, every_ns: int) -> int:
    """Return the first intended send at or after `ready_ns`, at most one interval later.

    Sends of client `number` lie at phase(number) + k·every_ns on the worker's clock, so a herd that became
    ready together does not send together.
    """
    if every_ns <= 0:
        return ready_ns
    offset = (phase(number, every_ns) - ready_ns) % every_ns
    return ready_ns + offset


def jittered(grid_ns: int, number: int, turn: int, every_ns: int, share: float, seed: int) -> int:
    """Return the intended send that is at `grid_ns` on the grid, delayed by up to `share` of the interval.

    The delay is evenly distributed. The grid itself stays: with 0 ≤ share ≤ 1 the order is kept, and the mean interval
    is `every_ns`.
    """
    return grid_ns + int(fraction(draw(seed, number, turn, _JITTER)) * share * every_ns)


def poisson_gap(number: int, turn: int, every_ns: int, seed: int) -> int:
    """Return the nanoseconds from one intended send to the next in a Poisson process of one per `every_ns`.

    They are exponentially distributed, so that all clients together are a Poisson process too, like independent people.
    Count them from the intended send before, never from the real one.
    """
    return int(-math.log(1.0 - fraction(draw(seed, number, turn, _GAP))) * every_ns)
