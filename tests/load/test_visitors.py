"""The open model: so many arrivals as planned whatever the workers, each stays its time, and leaves politely."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.execution.running import finish
from tests.load.leading import MS, S, led, saying
from tests.servers.failing_handshake import Refusing
from tests.servers.server import Connection, Server, until
from tests.servers.talk import ClosingEarly
from wstui.execution.run.commands import SkipStage
from wstui.execution.run.load_controller import Plan
from wstui.execution.run.run import Run
from wstui.load.arrivals import ARRIVALS_FROM
from wstui.load.protocol import Arrive, Pause, Ramp, Resume
from wstui.load.ramp import ArrivalLine, share
from wstui.scenario.load_profile import arrivals, clients_at, peak
from wstui.scenario.model import Messages, Scenario, Stage, Target

RATE = st.integers(1, 10**14)
SPAN = st.integers(0, 10**13)


@given(RATE, SPAN, st.lists(st.integers(0, 2 * 10**13), max_size=20))
def test_arrivals_only_grow_and_end_at_rate_times_time(rate: int, over: int, moments: list[int]) -> None:
    line = ArrivalLine(5, rate, over)
    counts = [line.arrived(5 + moment) for moment in sorted(moments)]
    assert counts == sorted(counts) and line.arrived(5) == 0 == line.arrived(0)
    assert line.arrived(5 + over) == line.arrived(10**15) == rate * over // 10**18
    assert line.done(5 + over) and (not over or not line.done(4 + over))


@given(RATE, SPAN, st.integers(1, 16), st.integers(0, 10**13))
def test_the_shares_of_all_workers_add_up_at_every_moment(rate: int, over: int, workers: int, at: int) -> None:
    arrived = ArrivalLine(0, rate, over).arrived(at)
    assert sum(share(arrived, worker, workers) for worker in range(workers)) == arrived


@given(RATE, SPAN, st.integers(0, 10**13))
def test_arrivals_that_are_cut_stay_at_what_they_were(rate: int, over: int, at: int) -> None:
    line = ArrivalLine(0, rate, over)
    assert line.cut(at).arrived(10**15) == line.arrived(at)


def stage(name: str = "all", **keys: float) -> Stage:
    return Stage(name=name, **{"over": 10.0, **keys})  # type: ignore[arg-type]


def test_the_plan_knows_how_many_are_there_at_a_time() -> None:
    stages = [stage(arrive=5.0, stay=4.0), stage("rest")]
    assert [clients_at(stages, at) for at in (0, 1, 4, 8, 10, 12, 14, 15)] == [0, 5, 20, 20, 20, 10, 0, 0]
    assert (arrivals(stages[0]), peak(stages)) == (50, 20)
    both = [stage(clients=100, arrive=5.0, stay=100.0), stage("more", arrive=1.0, stay=1.0)]
    assert [Plan(both).clients(index) for index in (0, 1)] == [150, 151]
    assert peak(both) == 151
    assert peak([stage(clients=7), stage("down", clients=0)]) == 7


@given(st.floats(0.01, 1000), st.floats(0.001, 100), st.floats(0.001, 100), st.floats(0, 300))
def test_never_more_visitors_are_planned_than_can_have_come(rate: float, over: float, stay: float, at: float) -> None:
    stages = [stage(arrive=rate, stay=stay, over=over)]
    there = clients_at(stages, at)
    assert 0 <= there <= rate * min(stay, over) + 1
    assert peak(stages) >= there - 1


@pytest.mark.parametrize("workers", [1, 3])
async def test_exactly_as_many_arrive_as_the_rate_says_and_each_leaves_with_1000(workers: int) -> None:
    async with Server() as server, led(saying(server.url), workers, clients=0) as running:
        running.handle(Arrive(0, 100 * S, 500 * MS, 200 * MS))
        await until(lambda: running.c.closed == 50)
        c = running.c
        assert (c.attempted, c.ready, c.dropped, c.open) == (50, 50, 0, 0)
        await until(lambda: server.ends == {"close 1000": 50})
        assert c.matched == c.sent > 0


async def test_visitors_have_numbers_of_their_own_over_all_stages_and_workers() -> None:
    seen: set[int] = set()

    async with Server() as server, led(saying(server.url), 2, clients=4) as running:
        running.handle(Arrive(0, 50 * S, 200 * MS, 5 * S))
        running.handle(Arrive(11, 50 * S, 200 * MS, 5 * S))
        await until(lambda: running.c.open == 24)
        for worker in running.all:
            seen.update(worker._live)
        await running.drained()
    assert seen == {
        *range(4),
        *range(ARRIVALS_FROM, ARRIVALS_FROM + 10),
        *range(ARRIVALS_FROM + 11, ARRIVALS_FROM + 21),
    }


async def test_the_places_of_those_who_left_are_taken_again() -> None:
    async with Server() as server, led(saying(server.url), clients=0) as running:
        running.handle(Arrive(0, 100 * S, 1 * S, 50 * MS))
        await until(lambda: running.c.attempted == 100 and running.c.open == 0)
        assert running.all[0]._pool._slots._made < 60
        await running.drained()


async def test_a_pause_holds_arrivals_and_departures() -> None:
    async with Server() as server, led(saying(server.url), clients=0) as running:
        running.handle(Arrive(0, 100 * S, 300 * MS, 1 * S))
        await until(lambda: running.c.open >= 5)
        running.handle(Pause())
        await until(lambda: running.c.opening == 0)
        held = (running.c.attempted, running.c.closed)
        await asyncio.sleep(0.3)
        assert (running.c.attempted, running.c.closed) == held
        running.handle(Resume())
        await until(lambda: running.c.closed == 30)
        await running.drained()


async def test_arrivals_that_are_cut_end_and_others_go_on_to_their_end() -> None:
    async with Server() as server, led(saying(server.url), clients=0) as running:
        running.handle(Arrive(0, 100 * S, 200 * MS, 100 * MS))
        running.handle(Arrive(50, 100 * S, 60 * S, 100 * MS))
        await until(lambda: running.c.attempted >= 25)
        running.handle(Arrive(9999, 0, 0, 0, cut=True))
        held = running.c.attempted
        await until(lambda: running.c.open == 0 and running.c.opening == 0)
        assert running.c.attempted <= held + 1 and running.c.wanted == 0
        running.handle(Arrive(10_000, 100 * S, 100 * MS, 100 * MS))
        running.handle(Arrive(10_050, 100 * S, 100 * MS, 100 * MS))
        await until(lambda: running.c.attempted == held + 20)
        await running.drained()


async def test_visitors_who_are_turned_away_are_attempts_like_any_other() -> None:
    async with Refusing() as server, led(saying(server.url), clients=0) as running:
        running.handle(Arrive(0, 100 * S, 200 * MS, 100 * MS))
        await until(lambda: running.c.refused == 20)
        assert running.c.attempted == 20 and not running.all[0]._pool._slots._leaving
        await running.drained()


async def test_visitors_come_on_top_of_the_ramp_and_leave_it_alone() -> None:
    async with Server() as server, led(saying(server.url), clients=10) as running:
        running.handle(Arrive(0, 50 * S, 200 * MS, 100 * MS))
        await until(lambda: running.c.wanted > 10)
        await until(lambda: running.c.closed == 10)
        assert running.c.open == 10 == running.c.wanted
        running.handle(Ramp(3, 0))
        await until(lambda: running.c.open == 3)
        assert running.c.wanted == 3
        await running.drained()


async def test_a_run_with_arrivals_keeps_its_books() -> None:
    async with Server() as server:
        scenario = Scenario(
            target=Target(url=server.url, health="off", close_timeout=1.0),
            stages=[
                Stage(name="come", over=0.6, arrive=50.0, stay=0.3, clients=5),
                Stage(name="rush", over=0.5, arrive=100.0, stay=0.2),
                Stage(name="leave", over=1.5, clients=0),
            ],
            messages=Messages(every=0.1, timeout=10.0),
        )
        scenario = scenario.model_copy(update={"fleet": scenario.fleet.model_copy(update={"workers": 2})})
        finished = await finish(Run(scenario))
    assert finished.result.connections.attempted == 30 + 50 + 5
    assert finished.result.connections.dropped == 0
    assert any("50/s arrive" in text for _, text in finished.marks)


async def test_a_stage_that_is_skipped_lets_nobody_come_any_more() -> None:
    async with Server() as server:
        scenario = Scenario(
            target=Target(url=server.url, health="off", close_timeout=1.0),
            stages=[
                Stage(name="come", over=60.0, arrive=50.0, stay=0.2),
                Stage(name="rest", over=0.5),
            ],
            messages=Messages(every=0.1, timeout=10.0),
        )
        run = Run(scenario)
        running = asyncio.create_task(finish(run))
        await until(lambda: run.status.counters.ready >= 10)
        run.send(SkipStage())
        finished = await running
    assert finished.result.connections.attempted < 200
    assert finished.counters.closed == finished.counters.ready


async def test_visitors_who_are_dropped_come_back_for_the_rest_of_their_stay() -> None:
    class Once(ClosingEarly):
        """Closes the first connections only."""

        async def opened(self, client: Connection) -> None:
            self.after_s = 0.2 if client.number < 5 else 60.0
            await super().opened(client)

    async with Once() as server:
        scenario = saying(server.url)
        target = scenario.target.model_copy(update={"reconnect": "at once"})
        async with led(scenario.model_copy(update={"target": target}), clients=0) as running:
            running.handle(Arrive(0, 1000 * S, 5 * MS, 1500 * MS))
            await until(lambda: running.c.reconnects == 5)
            await until(lambda: running.c.closed == 5)
            c = running.c
            assert (c.attempted, c.ready, c.dropped, c.reconnecting) == (10, 10, 5, 0)
            await running.drained()
