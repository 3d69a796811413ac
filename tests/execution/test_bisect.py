"""The search finds the limit of any target that breaks from some load on, and ends whatever it is told."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from wstui.execution.search.bisect import PROOFS, Bisection

factors = st.floats(1.1, 10)
precisions = st.floats(0.01, 0.5)
loads = st.integers(1, 100_000)


def tried(search: Bisection, limit: int) -> list[int]:
    """Every load that the search tries against a target that carries `limit`."""
    found = []
    while (load := search.next()) is not None:
        found.append(load)
        assert len(found) < 400, "it never ends"
        if load <= limit:
            search.held(load)
        else:
            search.broke(load)
    return found


@given(loads, loads, loads, factors, precisions)
def test_the_limit_of_any_target_is_found_within_the_precision(
    limit: int, start: int, most: int, factor: float, precision: float
) -> None:
    assume(start <= most)
    search = Bisection(start, most, factor, precision)
    steps = tried(search, limit)
    assert all(1 <= load <= most for load in steps)
    if limit >= most:
        assert (search.low, search.high) == (most, None)
        return
    assert search.high is not None and search.high > limit >= (search.low or 0)
    assert search.high - (search.low or 0) <= max(1, precision * (search.low or 0))
    assert steps.count(search.high) == PROOFS


@given(loads, loads, factors, precisions, st.data())
def test_it_ends_whatever_it_is_told(
    start: int, most: int, factor: float, precision: float, data: st.DataObject
) -> None:
    assume(start <= most)
    search = Bisection(start, most, factor, precision)
    held: list[int] = []
    for _ in range(600):
        load = search.next()
        if load is None:
            break
        assert 1 <= load <= most and load > (search.low or 0)
        assert search.left >= 0
        if data.draw(st.booleans()):
            search.held(load)
            held.append(load)
        else:
            search.broke(load)
    assert search.next() is None
    assert search.low == max(held, default=None)


def test_a_hiccup_does_not_cost_the_answer() -> None:
    search = Bisection(100, 100_000, 2, 0.1)
    hiccups = {400}
    while (load := search.next()) is not None:
        if load in hiccups:
            hiccups.discard(load)
            search.broke(load)
        elif load <= 3333:
            search.held(load)
        else:
            search.broke(load)
    assert search.low is not None and search.high is not None
    assert 3000 < search.low <= 3333 < search.high < 3700


def test_loads_are_numbers_that_people_would_choose() -> None:
    assert tried(Bisection(100, 20_000, 2, 0.1), 3_456) == [
        100,
        200,
        400,
        800,
        1600,
        3200,
        6400,
        4800,
        4000,
        3600,
        3400,
        3600,
    ]


def test_a_search_that_starts_too_high_goes_down() -> None:
    search = Bisection(1000, 20_000, 2, 0.1)
    tried(search, 7)
    assert (search.low, search.high) == (7, 8)
    search = Bisection(1000, 20_000, 2, 0.1)
    tried(search, 0)
    assert (search.low, search.high) == (None, 1)


def test_what_is_left_to_try_is_never_far_off() -> None:
    search = Bisection(100, 25_600, 2, 0.1)
    assert search.left == 9
    for load in (100, 200, 400):
        search.held(load)
    assert search.left == 6
    search.broke(800)
    assert search.left == 5
