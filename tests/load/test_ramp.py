from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wstui.load.ramp import RampLine, share

CLIENTS = st.integers(0, 1_000_000)
MOMENT = st.integers(-(10**12), 10**15)
DURATION = st.integers(0, 10**15)
LINE = st.builds(RampLine, MOMENT, CLIENTS, CLIENTS, DURATION)


@given(LINE)
def test_a_ramp_begins_and_ends_exactly_where_it_should(line: RampLine) -> None:
    end = line.start_ns + line.over_ns
    assert line.wanted(line.start_ns - 1) == line.origin or line.over_ns == 0
    assert line.wanted(end) == line.wanted(end + 1) == line.to
    assert line.done(end) and (line.over_ns == 0 or not line.done(end - 1))


@given(LINE, st.lists(st.floats(-0.1, 1.1), min_size=2, max_size=20))
def test_a_ramp_never_turns_back_and_never_leaves_its_ends(line: RampLine, places: list[float]) -> None:
    moments = sorted(line.start_ns + round(place * line.over_ns) for place in places)
    wanted = [line.wanted(at) for at in moments]
    assert wanted == sorted(wanted, reverse=line.to < line.origin)
    assert min(line.origin, line.to) <= min(wanted) <= max(wanted) <= max(line.origin, line.to)


@given(LINE, st.floats(0, 1))
def test_a_ramp_is_straight_to_less_than_a_client(line: RampLine, place: float) -> None:
    at = line.start_ns + round(place * line.over_ns)
    if line.over_ns:
        exact = line.origin + (line.to - line.origin) * (at - line.start_ns) / line.over_ns
        assert abs(line.wanted(at) - exact) <= 1.001


@given(CLIENTS, st.integers(1, 64))
def test_the_shares_of_all_workers_add_up_to_the_whole(total: int, workers: int) -> None:
    shares = [share(total, worker, workers) for worker in range(workers)]
    assert sum(shares) == total
    assert max(shares) - min(shares) <= 1


@given(st.integers(0, 300), st.integers(1, 9))
def test_the_workers_own_each_client_exactly_once(total: int, workers: int) -> None:
    owned = [worker + place * workers for worker in range(workers) for place in range(share(total, worker, workers))]
    assert sorted(owned) == list(range(total))


@given(LINE, MOMENT, st.integers(1, 9))
def test_the_workers_are_together_at_the_wanted_number_at_any_moment(line: RampLine, at: int, workers: int) -> None:
    wanted = line.wanted(at)
    assert sum(share(wanted, worker, workers) for worker in range(workers)) == wanted
