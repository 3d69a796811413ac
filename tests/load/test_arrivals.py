"""When messages are due, drawn at random: the same again with the same seed, the right mean, and no drift."""

from __future__ import annotations

import itertools
import statistics
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.load.leading import MS, led, saying
from tests.servers.server import Server, until
from wstui.load.client import LoadClient
from wstui.load.rng import below, draw, fraction, spread
from wstui.load.schedule import jittered, poisson_gap

EVERY = st.integers(1, 10**12)
NUMBER = st.integers(0, 10_000_000)
TURN = st.integers(0, 10**6)
SEED = st.integers(0, (1 << 63) - 1)
SECOND = 1_000_000_000


@given(SEED, NUMBER, TURN, TURN)
def test_draws_are_64_bits_that_repeat(seed: int, number: int, turn: int, lane: int) -> None:
    bits = draw(seed, number, turn, lane)
    assert 0 <= bits < 1 << 64
    assert bits == draw(seed, number, turn, lane)
    assert 0 <= fraction(bits) < 1
    assert 0 <= below(bits, turn + 1) <= turn


def test_draws_that_differ_in_anything_differ() -> None:
    drawn = [draw(*place) for place in itertools.product(range(8), repeat=4)]
    assert len(set(drawn)) == len(drawn)
    ones = statistics.mean(bits.bit_count() for bits in drawn)
    assert ones == pytest.approx(32, abs=0.3)


@given(NUMBER, TURN, st.integers(1, 99))
def test_shares_hold_for_any_stretch_of_turns(number: int, first: int, percent: int) -> None:
    turns = 300
    found = sum(spread(number, first + turn) < percent * (1 << 64) // 100 for turn in range(turns))
    assert found == pytest.approx(turns * percent / 100, abs=4)


@given(st.integers(0, 10**18), NUMBER, TURN, EVERY, st.floats(0, 1), SEED)
def test_jitter_keeps_each_send_within_its_interval_and_all_in_order(
    grid: int, number: int, turn: int, every: int, share: float, seed: int
) -> None:
    due = jittered(grid, number, turn, every, share, seed)
    assert 0 <= due - grid <= share * every
    assert due == jittered(grid, number, turn, every, share, seed)
    assert due <= jittered(grid + every, number, turn + 1, every, share, seed)


@given(NUMBER, SEED, st.floats(0.1, 1))
def test_jitter_never_drifts(number: int, seed: int, share: float) -> None:
    dues = [jittered(turn * SECOND, number, turn, SECOND, share, seed) for turn in range(2000)]
    assert dues[-1] - dues[0] == pytest.approx(1999 * SECOND, abs=SECOND)
    moved = [due - turn * SECOND for turn, due in enumerate(dues)]
    assert statistics.mean(moved) == pytest.approx(share * SECOND / 2, rel=0.1)


@given(st.integers(0, 10_000), SEED)
def test_poisson_gaps_have_the_mean_and_the_spread_of_an_exponential_distribution(number: int, seed: int) -> None:
    gaps = [poisson_gap(number, turn, SECOND, seed) for turn in range(3000)]
    assert min(gaps) >= 0
    assert gaps == [poisson_gap(number, turn, SECOND, seed) for turn in range(3000)]
    assert statistics.mean(gaps) == pytest.approx(SECOND, rel=0.12)
    assert statistics.pstdev(gaps) == pytest.approx(SECOND, rel=0.25)
    assert sum(gap > SECOND for gap in gaps) / len(gaps) == pytest.approx(0.368, abs=0.05)


def test_poisson_sends_of_many_clients_are_a_poisson_process_together() -> None:
    sends = []
    for number in range(100):
        due = 0
        for turn in range(60):
            due += poisson_gap(number, turn, SECOND, 0)
            sends.append(due)
    a_tenth = [sum(1 for due in sends if n * SECOND // 10 <= due < (n + 1) * SECOND // 10) for n in range(300)]
    # The count in an interval has its mean as its variance; a fixed schedule has next to none.
    assert statistics.mean(a_tenth) == pytest.approx(10, rel=0.05)
    assert statistics.pvariance(a_tenth) == pytest.approx(10, rel=0.3)


@pytest.mark.parametrize("arrivals", ["fixed", "jitter", "poisson"])
async def test_a_loop_that_stood_still_shifts_no_schedule(arrivals: str) -> None:
    every = 0.02

    def origin(client: LoadClient) -> int:
        """When the schedule began, by what is due next and how often there was something due."""
        if arrivals == "poisson":
            return client.next_ns - sum(poisson_gap(client.number, n, 20 * MS, 7) for n in range(1, client.turn + 1))
        return client.next_ns % (20 * MS)

    async with Server(welcome=False) as server:
        scenario = saying(server.url, exchange="ping", clients=5, every=every, arrivals=arrivals, seed=7)
        async with led(scenario) as workers:
            await until(lambda: workers.c.open == 5 and workers.c.sent > 20)
            clients = list(workers.all[0]._live.values())
            before = [origin(client) for client in clients]
            time.sleep(0.1)  # noqa: ASYNC251 - this is the standstill
            sent = workers.c.sent
            await until(lambda: workers.c.sent > sent + 50)
            assert [origin(client) for client in clients] == before
            await workers.drained()


@pytest.mark.parametrize("arrivals", ["fixed", "jitter", "poisson"])
async def test_each_kind_of_schedule_sends_as_often_as_asked(arrivals: str) -> None:
    every = 0.05
    async with Server(welcome=False) as server:
        scenario = saying(server.url, exchange="ping", clients=20, every=every, arrivals=arrivals, jitter=1.0)
        async with led(scenario) as workers:
            await until(lambda: workers.c.open == 20)
            worker = workers.all[0]
            begin_ns, before = worker._pacer.clock(), workers.c.sent
            await until(lambda: workers.c.sent >= before + 400)
            seconds = (worker._pacer.clock() - begin_ns) / SECOND
            rate = (workers.c.sent - before) / seconds
            assert rate == pytest.approx(20 / every, rel=0.4)
            c = await workers.drained()
            assert c.matched == c.sent
