"""A histogram in HdrHistogram's own encoding (V2, compressed, base64), which tools in other languages read.

An HdrHistogram of 2 significant digits with 64 ns as its lowest value has the very buckets of `Histogram`, so no
precision is lost. Exact sum and extremes do not travel: they come back to the precision of a bucket.
"""

from __future__ import annotations

import binascii
import zlib
from typing import Any

from wstui.measure.histogram import RESOLUTION_NS, Distribution, Histogram, bucket_bounds, bucket_of

_HIGHEST_NS = (1 << 43) - 1
_DIGITS = 2


def encode(data: Distribution) -> str:
    """Return a distribution as base64 text; about 1 KB, 0.2 ms."""
    from hdrh.histogram import HdrHistogram  # 25 ms to load, and few commands need it

    made: Any = HdrHistogram(RESOLUTION_NS, _HIGHEST_NS, _DIGITS)
    made.counts[data.first : data.first + len(data.counts)] = data.counts
    if data.counts:
        made.set_internal_tacking_values(bucket_of(data.low), bucket_of(data.high), data.count)
    text: bytes = made.encode()
    return text.decode("ascii")


def hdr_histogram(text: str) -> Any:
    """Return what `encode` wrote as the library's own object; without text an empty one. Raises ValueError."""
    from hdrh.codec import HdrCookieException, HdrLengthException
    from hdrh.histogram import HdrHistogram

    try:
        return HdrHistogram.decode(text) if text else HdrHistogram(RESOLUTION_NS, _HIGHEST_NS, _DIGITS)
    except (binascii.Error, zlib.error, HdrCookieException, HdrLengthException, ValueError, IndexError) as error:
        raise ValueError(f"not an HdrHistogram: {error}") from None


def decode(text: str) -> Distribution:
    """Return the distribution that `encode` wrote. Raises ValueError when `text` is not one, or has other buckets."""
    if not text:
        raise ValueError("not an HdrHistogram: it is empty")
    read = hdr_histogram(text)
    own = (RESOLUTION_NS, _DIGITS, len(Histogram().counts))
    if (read.lowest_trackable_value, read.significant_figures, read.counts_len) != own:
        raise ValueError("an HdrHistogram with other bounds or another precision than ours")
    counts = list(read.counts[:])
    used = [index for index, n in enumerate(counts) if n]
    if not used:
        return Distribution()
    first, last = used[0], used[-1]
    low, high = bucket_bounds(first)[0], bucket_bounds(last)[1] - 1
    total = sum(counts[index] * (sum(bucket_bounds(index)) >> 1) for index in used)
    return Distribution(first, counts[first : last + 1], total, low, high, sum(counts))
