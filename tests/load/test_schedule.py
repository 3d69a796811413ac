from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wstui.load.schedule import first_send, phase

EVERY = st.integers(1, 10**13)
NUMBER = st.integers(0, 10_000_000)
MOMENT = st.integers(0, 10**18)


@given(NUMBER, EVERY)
def test_a_phase_lies_within_the_interval(number: int, every: int) -> None:
    assert 0 <= phase(number, every) < every


@given(MOMENT, NUMBER, EVERY)
def test_the_first_send_comes_at_most_one_interval_after_the_client_is_ready(
    ready: int, number: int, every: int
) -> None:
    first = first_send(ready, number, every)
    assert ready <= first < ready + every
    assert (first - phase(number, every)) % every == 0


@given(MOMENT)
def test_a_closed_loop_sends_at_once(ready: int) -> None:
    assert first_send(ready, 3, 0) == ready


@given(MOMENT, NUMBER, EVERY, st.integers(1, 1000), st.floats(0, 1, exclude_max=True))
def test_a_schedule_never_drifts(ready: int, number: int, every: int, sends: int, late: float) -> None:
    """A client that becomes ready later, at any time before a send, keeps the same grid."""
    due = first_send(ready, number, every) + sends * every
    assert first_send(due - int(late * (every - 1)), number, every) == due


@given(st.integers(2, 3000), st.integers(0, 5000))
def test_clients_that_become_ready_together_send_evenly_spread(clients: int, first: int) -> None:
    every = 1_000_000_000
    phases = sorted(phase(number, every) for number in range(first, first + clients))
    gaps = [b - a for a, b in zip(phases, [*phases[1:], phases[0] + every], strict=True)]
    fair = every / clients
    # Three-distance theorem: multiples of the golden ratio leave gaps of at most three sizes, near the fair one.
    assert max(gaps) < 3 * fair
    assert min(gaps) > fair / 4


@given(st.integers(1, 8), st.integers(50, 2000))
def test_the_clients_of_one_worker_are_spread_evenly_too(workers: int, clients: int) -> None:
    every = 1_000_000_000
    phases = sorted(phase(number, every) for number in range(0, clients * workers, workers))
    tenths = [sum(1 for p in phases if n * every // 10 <= p < (n + 1) * every // 10) for n in range(10)]
    assert max(tenths) - min(tenths) <= max(4, clients // 10)
