"""A histogram in HdrHistogram's own encoding (V2, compressed, base64), which tools in other languages read.

An HdrHistogram of 2 significant digits with 64 ns as its lowest value has the very buckets of `Histogram`, so no
precision is lost. Exact sum and extremes do not travel: they come back to the precision of a bucket. The encoding is
small, and its package for Python is one more compiled extension with a build tool as a dependency: tests read with it.
"""

from __future__ import annotations

import base64
import struct
import zlib

from wstui.measure.histogram import RESOLUTION_NS, Distribution, Histogram, bucket_bounds

BUCKETS = len(Histogram().counts)
_BOUNDS = (2, RESOLUTION_NS, (1 << 43) - 1)
"""Significant digits, lowest and highest value."""
_COOKIE, _COMPRESSED_COOKIE = 0x1C849313, 0x1C849314
_HEADER = struct.Struct(">4I2Qd")  # cookie, bytes of counts, index offset, bounds, conversion ratio
_COMPRESSED_HEADER = struct.Struct(">2I")  # cookie, bytes that follow
_SHORT = tuple(bytes([2 * count]) for count in range(64))
_MOST_BYTES = _HEADER.size + 9 * BUCKETS


def encode(data: Distribution) -> str:
    """Return a distribution as base64 text; about 1 KB."""
    # ZigZag makes n of 2n, and of the negative number that skips empty buckets 2n - 1
    skipped = varint(2 * data.first - 1) if data.first else b""
    body = skipped + b"".join([_SHORT[count] if count < 64 else varint(2 * count) for count in data.counts])
    packed = zlib.compress(_HEADER.pack(_COOKIE, len(body), 0, *_BOUNDS, 1.0) + body)
    return base64.b64encode(_COMPRESSED_HEADER.pack(_COMPRESSED_COOKIE, len(packed)) + packed).decode("ascii")


def decode(text: str) -> Distribution:
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
