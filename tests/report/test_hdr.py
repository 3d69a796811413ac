from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.measure.test_histogram import recorded
from wstui.measure.histogram import RELATIVE_ERROR, RESOLUTION_NS, Distribution, decode_hdr, encode_hdr

DURATIONS = st.lists(st.integers(0, (1 << 43) - 1), max_size=60)


@given(DURATIONS)
def test_every_count_survives_the_encoding(durations: list[int]) -> None:
    before = recorded(durations)
    after = decode_hdr(encode_hdr(before))
    assert after.counts == before.counts and after.count == before.count
    if durations:
        assert after.low <= before.low and after.high >= before.high
        error = max(before.total * RELATIVE_ERROR, RESOLUTION_NS * before.count)
        assert abs(after.total - before.total) <= error


def test_other_tools_read_the_same_percentiles() -> None:
    from hdrh.histogram import HdrHistogram

    before = recorded(list(range(1_000_000, 100_000_000, 9_973)))
    theirs = HdrHistogram.decode(encode_hdr(before))
    assert theirs.get_total_count() == before.count
    for percentile in (50, 90, 99, 99.9):
        ours = before.quantile(percentile / 100)
        assert theirs.get_value_at_percentile(percentile) == pytest.approx(ours, rel=2 * RELATIVE_ERROR)


@given(DURATIONS)
def test_the_library_reads_ours_and_we_read_the_librarys(durations: list[int]) -> None:
    from hdrh.histogram import HdrHistogram

    before = recorded(durations)
    theirs = HdrHistogram.decode(encode_hdr(before))
    last = before.first + len(before.counts)
    assert list(theirs.counts[before.first : last]) == before.counts and theirs.get_total_count() == before.count
    assert decode_hdr(theirs.encode().decode()).counts == before.counts


@pytest.mark.parametrize("text", ["", "not base64 !", "SElTVA==", encode_hdr(Distribution())[:20]])
def test_what_is_no_histogram_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="HdrHistogram"):
        decode_hdr(text)


def test_a_histogram_with_other_buckets_is_refused() -> None:
    from hdrh.histogram import HdrHistogram

    other = HdrHistogram(1, 3_600_000_000, 3)
    other.record_value(1000)
    with pytest.raises(ValueError, match="other bounds"):
        decode_hdr(other.encode().decode())
