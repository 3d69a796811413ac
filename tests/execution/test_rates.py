"""The classic figures where naive testers are wrong: rates belong to stages."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from tests.execution.running import finish, scenario
from tests.servers.server import Server, until
from wstui.execution.run.commands import CompletePlan, RampTo
from wstui.execution.run.run import Run
from wstui.execution.run.timeline_recorder import TimelineRecorder
from wstui.measure.fanout import FanOut
from wstui.measure.snapshot import Counters, Totals
from wstui.report.model.labels import peak_clients
from wstui.scenario.model import Stage


async def test_rates_leave_the_ramp_of_connects_and_the_cooldown_of_messages_in_their_place() -> None:
    stages = [
        Stage(name="ramp", over=1.5, clients=60),
        Stage(name="hold", over=1.0),
        Stage(name="cooldown", over=1.5),
    ]
    async with Server() as server:
        finished = await finish(scenario(server.url, stages=stages, every=0.05))
    result = finished.result
    ramp, hold, cooldown = result.stages
    seconds = [stage.active_s or 0.0 for stage in result.stages]
    assert result.connections.per_second == pytest.approx(ramp.connections.ready / seconds[0], rel=0.01)
    assert (result.connections.per_second or 0) > ramp.connections.ready / sum(seconds), "not that of the whole run"
    assert cooldown.messages.sent > 100, "clients go on in a cooldown"
    counted = ramp.messages.sent + hold.messages.sent
    assert result.messages.sent == counted + cooldown.messages.sent
    assert result.messages.sent_per_second == pytest.approx(counted / sum(seconds[:2]), rel=0.01)
    assert hold.messages.sent_per_second == pytest.approx(hold.messages.sent / seconds[1], rel=0.01)


@pytest.mark.parametrize("settle_s", [0.0, 0.5, 1.0, 3.0])
def test_clients_that_have_to_settle_count_in_the_stage_in_which_they_connected(settle_s: float) -> None:
    recorder = TimelineRecorder(FanOut(), settle_s)

    def totals(at_s: float) -> Totals:  # 20/s for 2 s, then 5/s for 4 s
        since_s = max(0.0, at_s - settle_s)
        return Totals(round(at_s * 1e9), Counters(ready=round(20 * min(since_s, 2) + 5 * min(max(since_s - 2, 0), 4))))

    def check(active_s: float) -> None:
        for index, per_second in zip(range(len(recorder.stages)), (20, 5), strict=False):
            came, seconds = recorder.came(index, active_s)
            assert came == pytest.approx(per_second * seconds, abs=1)

    recorder.begin_stage("ramp", False, 0.0, Totals(), 0.0)
    for tenth in range(1, 61):
        at_s = tenth / 10
        if at_s == 2.0:
            recorder.begin_stage("slow ramp", False, 2.0, totals(2.0), 2.0)
        if recorder.settles_s is not None and recorder.settles_s <= at_s:
            recorder.settled(totals(at_s).counters.ready)
        recorder.latest = totals(at_s)
        if not tenth % 10:
            check(at_s)
    recorder.end_stage(6.0, totals(6.0 + settle_s), 6.0)  # those that are connected may still settle in the drain
    check(6.0)
    assert [recorder.came(index, 6.0) for index in (0, 1)] == [(40, 2.0), (20, 4.0)]


def test_clients_that_settle_in_the_drain_count_over_the_whole_of_their_stage() -> None:
    recorder = TimelineRecorder(FanOut(), 1.0)
    recorder.begin_stage("ramp", False, 0.0, Totals(), 0.0)
    recorder.begin_stage("hold", False, 2.0, Totals(2 * 10**9, Counters(ready=20)), 2.0)
    recorder.end_stage(2.5, Totals(3 * 10**9, Counters(ready=40)), 2.5)
    assert recorder.came(0, 2.5) == (40, 2.0)


async def test_the_list_of_runs_knows_the_clients_to_which_the_operator_steered() -> None:
    async with Server() as server:
        run = Run(scenario(server.url, clients=3, hold=60, every=0.2))
        running = asyncio.create_task(finish(run))
        await until(lambda: run.status.counters.open == 3)
        run.send(RampTo(9, 0.0))
        await until(lambda: run.status.result.clients_max == 9)
        run.send(RampTo(2, 0.0))
        await until(lambda: run.status.counters.open == 2)
        run.send(CompletePlan())
        result = (await running).result
    listed = msgspec.structs.replace(result, timeline=[])  # as the store keeps it
    assert (result.clients_max, peak_clients(listed)) == (9, 9)
