from __future__ import annotations

import math

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from wstui.measure.histogram import (
    RELATIVE_ERROR,
    RESOLUTION_NS,
    Distribution,
    Histogram,
    add_all,
    bucket_bounds,
    bucket_of,
)

LONGEST_NS = bucket_bounds(bucket_of(1 << 62))[1] - 1
DURATION = st.one_of(
    st.integers(0, 20_000),  # around the finest buckets
    st.integers(0, LONGEST_NS),
    st.integers(0, 36).flatmap(lambda bits: st.integers(max(0, (1 << bits) - 2), (1 << bits) + 2)),
)
DURATIONS = st.lists(DURATION, min_size=1, max_size=200)
SHARE = st.one_of(st.floats(0, 1), st.sampled_from([0.5, 0.55, 0.9, 0.95, 0.99, 0.999, 1.0]))


def recorded(durations: list[int]) -> Distribution:
    histogram = Histogram()
    for ns in durations:
        histogram.record(ns)
    return histogram.data()


def precision(ns: int) -> float:
    return max(ns * RELATIVE_ERROR, RESOLUTION_NS)


@given(DURATION)
def test_a_duration_lies_within_the_bounds_of_its_bucket(ns: int) -> None:
    low, high = bucket_bounds(bucket_of(ns))
    assert low <= ns < high
    assert high - low <= precision(low)


@given(st.integers(0, 30 * 128))
def test_buckets_follow_one_another_without_gap_or_overlap(index: int) -> None:
    assert bucket_bounds(index)[1] == bucket_bounds(index + 1)[0]
    assert bucket_of(bucket_bounds(index)[0]) == index


@given(DURATIONS, SHARE)
def test_a_quantile_is_the_value_of_its_rank_within_the_stated_precision(durations: list[int], share: float) -> None:
    ordered = sorted(durations)
    true = ordered[max(1, math.ceil(round(share * len(ordered), 9))) - 1]
    found = recorded(durations).quantile(share)
    assert found is not None
    assert abs(found - true) <= precision(true)


@given(DURATIONS, st.lists(SHARE, min_size=1, max_size=8))
def test_quantiles_rise_with_their_share_and_stay_within_the_extremes(
    durations: list[int], shares: list[float]
) -> None:
    histogram = recorded(durations)
    shares = sorted(shares)
    found = histogram.quantiles(shares)
    assert found == [histogram.quantile(share) for share in shares]
    values = [min(durations), *(q for q in found if q is not None), max(durations)]
    assert len(values) == len(shares) + 2
    assert values == sorted(values)


def test_a_percentile_of_round_numbers_has_the_rank_that_a_person_would_count() -> None:
    histogram = recorded([n * 1_000_000 for n in range(1, 101)])
    for percent in range(1, 101):
        found = histogram.quantile(percent / 100)
        assert found is not None
        assert abs(found - percent * 1_000_000) <= precision(percent * 1_000_000)


@given(DURATIONS)
def test_the_mean_is_exact_and_lies_between_the_extremes(durations: list[int]) -> None:
    histogram = recorded(durations)
    mean = histogram.mean()
    assert mean is not None
    assert math.isclose(mean, sum(durations) / len(durations))
    assert histogram.low == min(durations) <= mean <= max(durations) == histogram.high


def test_an_empty_histogram_has_no_figures() -> None:
    empty = Histogram().data()
    assert empty.mean() is None
    assert empty.quantile(0.5) is None
    assert empty.quantiles((0.1, 0.9)) == [None, None]
    assert empty == Distribution()
    assert empty.above(0) == 0


@given(st.lists(DURATIONS | st.just([]), max_size=5))
def test_histograms_add_up_to_the_histogram_of_everything(parts: list[list[int]]) -> None:
    everything = recorded([ns for part in parts for ns in part])
    assert add_all(map(recorded, parts)) == sum(map(recorded, parts), Distribution()) == everything


@given(DURATIONS | st.just([]))
def test_a_histogram_comes_back_from_the_wire_as_it_was(durations: list[int]) -> None:
    histogram = recorded(durations)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(histogram), type=Distribution) == histogram


@given(DURATIONS | st.just([]), DURATIONS | st.just([]))
def test_what_was_counted_since_an_older_state_is_what_was_recorded_since(before: list[int], after: list[int]) -> None:
    older, expected = recorded(before), recorded(after)
    interval = recorded(before + after) - older
    assert (interval.first, interval.counts) == (expected.first, expected.counts)
    assert (interval.count, interval.total) == (expected.count, expected.total)
    assert older == recorded(before), "an older state does not change"
    mean = interval.mean()
    if not after:
        assert mean is None
        return
    assert mean is not None
    assert interval.low <= min(after) <= max(after) <= interval.high
    assert interval.high - max(after) <= precision(max(after)) and min(after) - interval.low <= precision(min(after))
    assert interval.low <= mean <= interval.high


@given(DURATIONS, DURATION)
def test_the_number_above_a_bound_is_right_to_the_precision_of_a_bucket(durations: list[int], bound: int) -> None:
    low, high = bucket_bounds(bucket_of(bound))
    above = recorded(durations).above(bound)
    assert sum(ns >= high for ns in durations) == above
    assert sum(ns > low for ns in durations) >= above


@given(st.integers(-(10**12), -1))
def test_a_clock_that_goes_backwards_counts_as_no_time_at_all(ns: int) -> None:
    histogram = recorded([ns])
    assert (histogram.low, histogram.high, histogram.total, histogram.quantile(1)) == (0, 0, 0, 0)


def test_what_is_below_the_resolution_is_zero() -> None:
    assert recorded([0, RESOLUTION_NS - 1, 1000]).quantile(0.5) == 0
    assert recorded([0, RESOLUTION_NS, 1000]).quantile(0.5) == 96
    within = Distribution(0, [3, 0, 1], 200, 0, 191, 4)  # as of an interval, whose extremes are not known
    assert within.quantile(0.5) == 0


def test_a_duration_beyond_the_last_bucket_is_still_counted() -> None:
    histogram = recorded([1, 1 << 60])
    assert histogram.count == 2
    assert histogram.high == 1 << 60


@given(st.lists(st.sampled_from([0, 1, 63, 64, 10**9, 3600 * 10**9, 1 << 43, 1 << 62]), min_size=1, max_size=60))
def test_a_sum_beyond_what_the_wire_can_carry_does_not_end_the_worker(durations: list[int]) -> None:
    histogram = recorded(durations)
    back = msgspec.msgpack.decode(msgspec.msgpack.encode(histogram), type=Distribution)
    assert (back.counts, back.count, back.low, back.high) == (
        histogram.counts, histogram.count, histogram.low, histogram.high
    )  # fmt: skip
    assert math.isclose(back.total, histogram.total, rel_tol=1e-15)
    mean = back.mean()
    assert mean is not None and back.low <= mean <= back.high


def test_durations_up_to_two_hours_keep_their_precision() -> None:
    assert 2.4 < bucket_bounds(bucket_of(1 << 62))[1] / 3.6e12 < 2.5
    two_hours = 7200 * 10**9
    assert abs((recorded([0, two_hours, 3 * two_hours]).quantile(0.5) or 0) - two_hours) <= precision(two_hours)
