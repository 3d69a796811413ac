"""Random numbers that repeat: each is a pure function of the seed, the client, and what it is drawn for."""

from __future__ import annotations

_MASK = (1 << 64) - 1
# Odd numbers without structure, one for each thing that a draw depends on (from the fractions of the golden ratio
# and of the roots of small primes).
_GOLDEN = 0x9E3779B97F4A7C15
_BY_SEED = 0xBB67AE8584CAA73B
_BY_TURN = 0x3C6EF372FE94F82B
_BY_LANE = 0xA54FF53A5F1D36F1


def draw(seed: int, number: int, turn: int, lane: int = 0) -> int:
    """64 random bits for client `number` at its `turn`; another `lane` gives further ones for the same turn.

    The finalizer of SplitMix64 (Steele, Lea, Flood, 2014) over a sum that no two small arguments share.
    """
    z = (seed * _BY_SEED + number * _GOLDEN + turn * _BY_TURN + lane * _BY_LANE + _GOLDEN) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


def fraction(bits: int) -> float:
    """What `draw` gave as a number from 0 up to, not including, 1."""
    return (bits >> 11) * 2.0**-53


def below(bits: int, limit: int) -> int:
    """What `draw` gave as a whole number from 0 to `limit` - 1, each as likely as the others."""
    return (bits * limit) >> 64


def spread(number: int, turn: int) -> int:
    """64 bits that fill their range evenly over the turns of any one client, and over the clients of any one turn.

    Multiples of the golden ratio (Weyl): a share p of any stretch lies below p, not only in the long run.
    """
    return (number * _BY_LANE + turn * _GOLDEN) & _MASK
