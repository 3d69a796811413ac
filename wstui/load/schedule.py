"""When a client sends: absolute, spread evenly, and never in step with the others. Pure functions of time."""

from __future__ import annotations

# The golden ratio's fraction in 64 bits: multiples of it fill an interval evenly for any number of clients
# (Weyl's equidistribution; Knuth, TAOCP 6.4), also while their number still grows.
_GOLDEN = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1


def phase(number: int, every_ns: int) -> int:
    """The place of a client's sends within the interval, 0 ≤ phase < every_ns."""
    return ((number * _GOLDEN & _MASK) * every_ns) >> 64


def first_send(ready_ns: int, number: int, every_ns: int) -> int:
    """The first intended send at or after `ready_ns`, at most one interval later.

    Sends of client `number` lie at phase(number) + k·every_ns on the shard's clock, so a herd that became
    ready together does not send together.
    """
    if every_ns <= 0:
        return ready_ns
    offset = (phase(number, every_ns) - ready_ns) % every_ns
    return ready_ns + offset


def next_send(intended_ns: int, every_ns: int) -> int:
    """The intended send after `intended_ns`. It ignores when the last one really went out: lateness never adds up."""
    return intended_ns + every_ns
