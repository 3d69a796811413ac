"""Repeatable random numbers: each is a pure function of the seed, the client, and its purpose."""

from __future__ import annotations

_MASK = (1 << 64) - 1
# Odd numbers without structure, one for each argument of a draw (fractions of the golden ratio and of square roots of
# small primes).
_GOLDEN = 0x9E3779B97F4A7C15
_BY_SEED = 0xBB67AE8584CAA73B
_BY_TURN = 0x3C6EF372FE94F82B
_BY_LANE = 0xA54FF53A5F1D36F1


def draw(seed: int, number: int, turn: int, lane: int = 0) -> int:
    """Return 64 random bits for client `number` at its `turn`; another `lane` gives further ones for the same turn.

    The finalizer of SplitMix64 (Steele, Lea, Flood, 2014) over a sum that differs for all small arguments.
    """
    z = (seed * _BY_SEED + number * _GOLDEN + turn * _BY_TURN + lane * _BY_LANE + _GOLDEN) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


def fraction(bits: int) -> float:
    """Turn a draw into a number in [0, 1)."""
    return (bits >> 11) * 2.0**-53


def below(bits: int, limit: int) -> int:
    """Turn a draw into a whole number from 0 to `limit` - 1, all equally likely."""
    return (bits * limit) >> 64


def spread(number: int, turn: int) -> int:
    """Return 64 bits that fill their range evenly over the turns of a client, and over the clients of a turn.

    They are multiples of the golden ratio (Weyl): of any stretch, a share p lies below p, not only in the long run.
    """
    return (number * _BY_LANE + turn * _GOLDEN) & _MASK
