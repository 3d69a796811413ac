"""A latency histogram in the manner of HdrHistogram: constant relative error, constant cost to record."""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Iterable
from operator import sub

import msgspec

# A value is counted in units of 64 ns; each power of two above 128 units is cut into 128 buckets, so a bucket
# is never wider than 1/128 of its value.
UNIT_SHIFT = 6
_MANTISSA_BITS = 7
_SIZE = (30 << _MANTISSA_BITS) + (1 << _MANTISSA_BITS)
_LAST = _SIZE - 1
_WIRE_LIMIT = 1 << 63

RELATIVE_ERROR = 1 / 128
"""A quantile differs from the true one by at most this share of it, or by `RESOLUTION_NS` if that is more."""
RESOLUTION_NS = 1 << UNIT_SHIFT
"""The width of the smallest bucket, in nanoseconds."""


def bucket_of(ns: int) -> int:
    """The index of the bucket that holds a duration of `ns` nanoseconds; negative durations count as 0."""
    units = ns >> UNIT_SHIFT
    if units < 256:
        return units if units > 0 else 0
    exponent = units.bit_length() - 8
    index = (exponent << _MANTISSA_BITS) + (units >> exponent)
    return index if index < _SIZE else _LAST


def bucket_bounds(index: int) -> tuple[int, int]:
    """The half-open range of nanoseconds [low, high) that bucket `index` holds."""
    if index < 256:
        return index << UNIT_SHIFT, (index + 1) << UNIT_SHIFT
    exponent = (index >> _MANTISSA_BITS) - 1
    mantissa = index - (exponent << _MANTISSA_BITS)
    return (mantissa << exponent) << UNIT_SHIFT, ((mantissa + 1) << exponent) << UNIT_SHIFT


class Distribution(msgspec.Struct, array_like=True, frozen=True):
    """An immutable histogram, as it travels: the counts between the first and the last bucket in use.

    `total` is the exact sum, `low` and `high` the exact smallest and largest value, all in nanoseconds. A sum
    beyond 2⁶³ (ten days without an answer to 1000 messages a second, with a timeout of 10 s) travels as a float.
    """

    first: int = 0
    counts: list[int] = []
    total: int | float = 0
    low: int = 0
    high: int = 0
    count: int = 0

    def __add__(self, other: Distribution) -> Distribution:
        return add_all((self, other))

    def __sub__(self, earlier: Distribution) -> Distribution:
        """Return what was counted after `earlier`, an older state of the same histogram.

        The extremes of an interval are not known exactly: they are taken from the bounds of its outer buckets,
        within the overall extremes.
        """
        count = self.count - earlier.count
        if count <= 0 or not earlier.count:
            return self if count > 0 else Distribution()
        counts = self.counts.copy()
        at = earlier.first - self.first
        part = slice(at, at + len(earlier.counts))
        counts[part] = map(sub, counts[part], earlier.counts)
        used = next(i for i, n in enumerate(counts) if n)
        end = next(i for i in range(len(counts), 0, -1) if counts[i - 1])
        first, last = self.first + used, self.first + end - 1
        low, high = max(bucket_bounds(first)[0], self.low), min(bucket_bounds(last)[1] - 1, self.high)
        return Distribution(first, counts[used:end], self.total - earlier.total, low, high, count)

    def mean(self) -> float | None:
        """Return the exact mean in nanoseconds, or None when nothing was counted."""
        if not self.count:
            return None
        return min(max(self.total / self.count, self.low), self.high)

    def quantile(self, q: float) -> int | None:
        """Return the duration in nanoseconds that a share `q` (0…1) of the values does not exceed, or None when empty.

        It is the middle of the bucket that holds the value of rank ceil(q·count), kept within the exact extremes; what
        is below the resolution is 0.
        """
        return self.quantiles((q,))[0]

    def quantiles(self, shares: Iterable[float]) -> list[int | None]:
        """`quantile` for several shares in ascending order, in one pass over the buckets."""
        wanted = list(shares)
        if not self.count:
            return [None] * len(wanted)
        found: list[int | None] = []
        seen, index, counts = 0, -1, self.counts
        for share in wanted:
            # 0.07 · 100 is a little more than 7 in binary, and still means the seventh.
            rank = min(max(math.ceil(share * self.count * (1 - 1e-15)), 1), self.count)
            while seen < rank:
                index += 1
                seen += counts[index]
            low, high = bucket_bounds(self.first + index)
            found.append(min(max((low + high) >> 1 if low else 0, self.low), self.high))
        return found

    def above(self, ns: int) -> int:
        """Return how many values lie above `ns`, to the precision of a bucket."""
        return sum(self.counts[max(0, bucket_of(ns) + 1 - self.first) :])


def add_all(distributions: Iterable[Distribution]) -> Distribution:
    """Return the sum of many distributions; in one pass over the buckets, which halves the time that pairs take."""
    parts = [each for each in distributions if each.count]
    if len(parts) < 2:
        return parts[0] if parts else Distribution()
    first, end = min(each.first for each in parts), max(each.first + len(each.counts) for each in parts)
    padded = ([0] * (each.first - first) + each.counts + [0] * (end - each.first - len(each.counts)) for each in parts)
    counts = list(map(sum, zip(*padded, strict=True)))
    low, high = min(each.low for each in parts), max(each.high for each in parts)
    return Distribution(first, counts, sum(each.total for each in parts), low, high, sum(each.count for each in parts))


class Histogram:
    """Records durations in nanoseconds, from 0 to 2.4 hours (2⁴³ ns); longer ones land in the last bucket."""

    __slots__ = ("count", "counts", "high", "low", "total")

    def __init__(self) -> None:
        self.counts = [0] * _SIZE
        self.count = 0
        self.total = 0
        self.low = 1 << 62
        self.high = 0

    def record(self, ns: int) -> None:
        """Count one duration of `ns` nanoseconds. The hot path: `bucket_of` is written out here."""
        if ns < 0:
            ns = 0
        units = ns >> 6
        if units < 256:
            self.counts[units] += 1
        else:
            exponent = units.bit_length() - 8
            index = (exponent << 7) + (units >> exponent)
            self.counts[index if index < _SIZE else _LAST] += 1
        self.count += 1
        self.total += ns
        if ns < self.low:
            self.low = ns
        if ns > self.high:
            self.high = ns

    def data(self) -> Distribution:
        """Return the distribution so far: cheap to make, because only the buckets in use are copied."""
        if not self.count:
            return Distribution()
        first = bucket_of(self.low)
        total = self.total if self.total < _WIRE_LIMIT else float(self.total)
        counts = self.counts[first : bucket_of(self.high) + 1]
        return Distribution(first, counts, total, self.low, self.high, self.count)


BUCKETS = len(Histogram().counts)
_BOUNDS = (2, RESOLUTION_NS, (1 << 43) - 1)
"""Significant digits, lowest and highest value."""
_COOKIE, _COMPRESSED_COOKIE = 0x1C849313, 0x1C849314
_HEADER = struct.Struct(">4I2Qd")  # cookie, bytes of counts, index offset, bounds, conversion ratio
_COMPRESSED_HEADER = struct.Struct(">2I")  # cookie, bytes that follow
_SHORT = tuple(bytes([2 * count]) for count in range(64))
_MOST_BYTES = _HEADER.size + 9 * BUCKETS


def encode_hdr(data: Distribution) -> str:
    """Return a distribution as base64 text; about 1 KB."""
    # ZigZag makes n of 2n, and of the negative number that skips empty buckets 2n - 1
    skipped = varint(2 * data.first - 1) if data.first else b""
    body = skipped + b"".join([_SHORT[count] if count < 64 else varint(2 * count) for count in data.counts])
    packed = zlib.compress(_HEADER.pack(_COOKIE, len(body), 0, *_BOUNDS, 1.0) + body)
    return base64.b64encode(_COMPRESSED_HEADER.pack(_COMPRESSED_COOKIE, len(packed)) + packed).decode("ascii")


def decode_hdr(text: str) -> Distribution:
    """Return the distribution that `encode` wrote. Raises ValueError when `text` is not one, or has other buckets."""
    try:
        raw = base64.b64decode(text, validate=True)
        outer, length = _COMPRESSED_HEADER.unpack_from(raw)
        data = zlib.decompressobj().decompress(raw[_COMPRESSED_HEADER.size :], _MOST_BYTES)
        inner, size, _, *bounds, _ = _HEADER.unpack_from(data)
    except (ValueError, struct.error, zlib.error) as error:
        raise ValueError(f"not an HdrHistogram: {error}") from None
    body = data[_HEADER.size :]
    if (outer, length, inner) != (_COMPRESSED_COOKIE, len(raw) - _COMPRESSED_HEADER.size, _COOKIE) or size > len(body):
        raise ValueError("not an HdrHistogram of version 2, or cut short")
    if tuple(bounds) != _BOUNDS:
        raise ValueError("an HdrHistogram with other bounds or another precision than ours")
    counts = _counts(body[:size])
    if not counts:
        return Distribution()
    first, last = min(counts), max(counts)
    low, high = bucket_bounds(first)[0], bucket_bounds(last)[1] - 1
    total = sum(count * (sum(bucket_bounds(index)) >> 1) for index, count in counts.items())
    between = [counts.get(index, 0) for index in range(first, last + 1)]
    return Distribution(first, between, total, low, high, sum(counts.values()))


def _counts(body: bytes) -> dict[int, int]:
    """Return the count of each bucket in use: the numbers are ZigZag LEB128, negative ones skip empty buckets."""
    counts: dict[int, int] = {}
    index = value = shift = 0
    for byte in body:
        value |= (byte if shift == 56 else byte & 0x7F) << shift  # the ninth byte has eight bits
        if byte & 0x80 and shift < 56:
            shift += 7
            continue
        if value & 1:
            index += (value >> 1) + 1
        else:
            counts[index] = value >> 1
            index += 1
        value = shift = 0
    if index > BUCKETS:
        raise ValueError("not an HdrHistogram: it has more buckets than its bounds allow")
    return {index: count for index, count in counts.items() if count}


def varint(number: int) -> bytes:
    """Return a number ≥ 0 as LEB128: seven bits a byte, the lowest first."""
    data = bytearray()
    while number > 0x7F:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    data.append(number)
    return bytes(data)
