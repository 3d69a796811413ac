"""What an operator did to the load becomes a scenario that does it again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.execution.test_steering import steered
from tests.servers.server import Server, until
from wstui.execution.run.commands import PauseRun, RampTo, ResumeRun, SetInterval, SkipStage
from wstui.execution.run.recorded_scenario import to_scenario, was_steered
from wstui.execution.run.state import State
from wstui.execution.run.status import RampEvent, StageStatus, Status
from wstui.scenario.checks import check
from wstui.scenario.file import load, save
from wstui.scenario.model import Scenario, Stage, Target, Threshold

PLAN = Scenario(
    name="found",
    target=Target(url="ws://127.0.0.1:1/ws"),
    stages=[
        Stage(name="ramp", over=10.0, clients=100),
        Stage(name="hold", over=30.0),
        Stage(name="cooldown", over=5.0, clients=0),
    ],
    thresholds=[Threshold(metric="response.p99", limit="< 1s", stage="cooldown")],
)
RAMP = RampEvent(0.0, 0, 0, 100, 10.0)
HOLD = RampEvent(10.0, 1, 100, 100, 0.0)


def status(*turns: RampEvent, plan_s: float, state: State = State.RUNNING) -> Status:
    """A run of PLAN that was led along these turns, `plan_s` after its beginning."""
    begins = [0.0, 10.0, 40.0]
    stages = tuple(
        StageStatus(
            stage.name,
            stage.over,
            min(stage.over, max(0.0, plan_s - begin)),
            done=plan_s >= begin + stage.over,
            current=begin <= plan_s < begin + stage.over,
        )
        for stage, begin in zip(PLAN.stages, begins, strict=True)
    )
    return Status(state, PLAN, "", "", plan_s=plan_s, stages=stages, turns=turns)


def shape(scenario: Scenario) -> list[tuple[str, float, int | None]]:
    return [(stage.name, stage.over, stage.clients) for stage in scenario.stages]


def test_a_run_that_was_left_alone_is_the_scenario_itself() -> None:
    left_alone = status(RAMP, HOLD, plan_s=22.0)
    assert not was_steered(left_alone)
    assert to_scenario(left_alone) is PLAN


def test_ramps_by_hand_become_stages_and_the_rest_of_the_plan_follows() -> None:
    driven = to_scenario(status(RAMP, HOLD, RampEvent(20.0, 1, 100, 400, 6.0, True), plan_s=30.0))
    assert shape(driven) == [
        ("ramp", 10.0, 100), ("hold", 10.0, None), ("hold 2", 6.0, 400), ("hold 3", 14.0, None), ("cooldown", 5.0, 0),
    ]  # fmt: skip
    assert check(driven).thresholds == PLAN.thresholds


def test_a_ramp_that_was_cut_by_the_next_one_goes_as_far_as_it_got() -> None:
    driven = to_scenario(
        status(RAMP, RampEvent(4.0, 0, 40, 200, 8.0, True), RampEvent(8.0, 0, 120, 20, 2.0, True), HOLD, plan_s=12.0)
    )
    assert shape(driven)[:4] == [("ramp", 4.0, 40), ("ramp 2", 4.0, 120), ("ramp 3", 2.0, 20), ("hold", 30.0, None)]


def test_a_ramp_that_is_still_on_its_way_goes_on_into_the_next_stage() -> None:
    driven = to_scenario(status(RAMP, RampEvent(8.0, 0, 80, 200, 10.0, True), plan_s=9.0))
    assert shape(driven) == [
        ("ramp", 8.0, 80), ("ramp 2", 2.0, 104), ("hold", 8.0, 200), ("hold 2", 22.0, None), ("cooldown", 5.0, 0),
    ]  # fmt: skip


def test_of_a_run_that_was_ended_only_what_was_driven_is_left_and_no_limit_on_what_is_not() -> None:
    driven = to_scenario(status(RAMP, HOLD, RampEvent(20.0, 1, 100, 300, 0.0, True), plan_s=25.0, state=State.FINISHED))
    assert shape(driven) == [("ramp", 10.0, 100), ("hold", 10.0, None), ("hold 2", 0.0, 300), ("hold 3", 5.0, None)]
    assert check(driven).thresholds == []


def paces(scenario: Scenario) -> list[float | None]:
    return [stage.every for stage in scenario.stages]


def test_a_pace_is_kept_from_the_moment_on_at_which_it_was_set() -> None:
    driven = to_scenario(status(RAMP, HOLD, RampEvent(18.0, 1, 100, 100, 0.0, True, 0.25), plan_s=20.0))
    assert driven.messages.every == 5.0
    assert shape(driven) == [("ramp", 10.0, 100), ("hold", 8.0, None), ("hold 2", 22.0, None), ("cooldown", 5.0, 0)]
    assert paces(driven) == [None, None, 0.25, None]


def test_a_pace_that_is_set_in_a_ramp_goes_on_with_the_ramp() -> None:
    driven = to_scenario(status(RAMP, RampEvent(4.0, 0, 40, 100, 6.0, True, 0.0), HOLD, plan_s=12.0))
    assert shape(driven)[:3] == [("ramp", 4.0, 40), ("ramp 2", 6.0, 100), ("hold", 30.0, None)]
    assert paces(driven)[:3] == [None, 0.0, None]


def test_a_key_that_was_pressed_several_times_is_one_stage() -> None:
    presses = [RampEvent(20.0 + 0.1 * n, 1, 100 - n, 90 - 10 * n, 2.0, True) for n in range(8)]
    driven = to_scenario(status(RAMP, HOLD, *presses, plan_s=30.0))
    assert shape(driven)[:5] == [
        ("ramp", 10.0, 100), ("hold", 10.0, None), ("hold 2", 2.7, 20), ("hold 3", 17.3, None), ("cooldown", 5.0, 0),
    ]  # fmt: skip


def test_up_and_down_again_stay_two_stages() -> None:
    presses = (RampEvent(20.0, 1, 100, 110, 2.0, True), RampEvent(21.0, 1, 105, 90, 2.0, True))
    driven = to_scenario(status(RAMP, HOLD, *presses, plan_s=30.0))
    assert shape(driven)[2:4] == [("hold 2", 1.0, 105), ("hold 3", 2.0, 90)]


@pytest.mark.parametrize("over_s", [0.0, 0.4])
async def test_what_was_driven_for_real_is_saved_and_loads_as_those_stages(tmp_path: Path, over_s: float) -> None:
    async with Server() as server, steered(server.url) as run:
        await until(lambda: run.open == 10)
        begun_s = run.run.active_s
        run.run.send(RampTo(25, over_s))
        await until(lambda: run.open == 25)
        run.run.send(SetInterval(0.02))
        run.run.send(PauseRun())
        await until(lambda: run.run.status.state is State.PAUSED)
        await asyncio.sleep(0.3)  # a pause is no part of the load
        run.run.send(ResumeRun())
        await until(lambda: run.run.status.state is State.RUNNING)
        resumed_s = run.run.active_s
        await until(lambda: run.run.active_s > resumed_s + 0.2)
        run.run.send(SkipStage())
        await until(lambda: run.run.status.state.ended)
        ended_s = run.run.status.plan_s
        again = load(save(to_scenario(run.run.status), tmp_path / "found.toml"))
        assert isinstance(again, Scenario)
        assert [stage.clients for stage in again.stages if stage.clients is not None] == [10, 25]
        assert again.messages.every == 0.05
        assert [stage.every for stage in again.stages if stage.every is not None] == [0.02]
        assert sum(stage.over for stage in again.stages) == pytest.approx(ended_s, abs=1.0)
        to_25 = next(index for index, stage in enumerate(again.stages) if stage.clients == 25)
        assert again.stages[to_25].over == pytest.approx(over_s, abs=0.11)
        assert sum(stage.over for stage in again.stages[:to_25]) == pytest.approx(begun_s, abs=2.0)
        await run.end()
