"""The plan's clock and its stages: pure, so time is given."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from wstui.execution.run.load_controller import Plan, PlanClock
from wstui.scenario.model import Stage

NS = 1_000_000_000
STEP = st.integers(0, 10 * NS)
OVER = st.integers(0, 100).map(float)
STAGES = st.lists(
    st.builds(Stage, name=st.sampled_from(["ramp", "hold", "cooldown"]), over=OVER, clients=st.none() | st.just(5)),
    min_size=1,
    max_size=6,
)


@given(st.integers(0, 1 << 60), st.lists(st.tuples(STEP, st.sampled_from(["run", "pause", "resume"])), max_size=20))
def test_the_clock_counts_only_the_time_in_which_it_is_not_paused(start: int, steps: list[tuple[int, str]]) -> None:
    clock = PlanClock()
    clock.start(start)
    now, ran, held, paused = start, 0, 0, False
    for step, what in steps:
        now += step
        held, ran = (held + step, ran) if paused else (held, ran + step)
        if what == "pause":
            clock.pause(now)
            paused = True
        elif what == "resume":
            clock.resume(now)
            paused = False
        assert (clock.elapsed_ns(now), clock.held_ns(now), clock.paused) == (ran, held, paused)


@given(STAGES, st.integers(NS // 2, 9 * NS))
def test_stages_follow_on_the_plans_grid_however_late_anybody_looks(stages: list[Stage], tick: int) -> None:
    plan = Plan(stages)
    now = 0
    while not plan.over:
        while plan.due(now):
            plan.advance(now)
        total = sum(plan.elapsed_s(i, now) for i in range(len(stages)))
        if not plan.over:
            assert round(total * NS) == now
            assert round((total + plan.left_s(now)) * NS) == sum(round(s.over * NS) for s in stages)
        now += tick
    assert [plan.elapsed_s(i, now) for i in range(len(stages))] == [stage.over for stage in stages]
    assert plan.left_s(now) == 0
    assert plan.stage is plan.stages[-1]


@given(STAGES, st.data())
def test_a_skipped_stage_moves_the_later_ones_forward(stages: list[Stage], data: st.DataObject) -> None:
    plan = Plan(stages)
    now = 0
    lasted = []
    for stage in stages:
        part = data.draw(st.integers(0, round(stage.over * NS)))
        now += part
        lasted.append(part / NS)
        left = plan.left_s(now)
        later = sum(s.over for s in stages[plan.index + 1 :])
        assert left >= later
        plan.advance(now, skipped=True)
        assert abs(plan.left_s(now) - later) < 1e-6
    assert plan.over
    assert all(abs(plan.elapsed_s(i, now) - s) < 1e-6 for i, s in enumerate(lasted))


def test_a_stage_that_names_no_clients_keeps_those_before_it() -> None:
    plan = Plan(
        [
            Stage(name="wait", over=1),
            Stage(name="ramp", over=1, clients=7),
            Stage(name="hold", over=1),
            Stage(name="down", over=1, clients=0),
            Stage(name="cooldown", over=1),
        ]
    )
    assert [plan.clients(i) for i in range(5)] == [0, 7, 7, 0, 0]


@given(STAGES)
def test_stages_do_not_overlap(stages: list[Stage]) -> None:
    plan = Plan(stages)
    now, seen = 0, []
    while not plan.over:
        seen.append(plan.index)
        now += round(plan.stage.over * NS)
        assert plan.due(now)
        plan.advance(now)
    assert seen == list(range(len(stages)))
    assert all(b - a == 1 for a, b in itertools.pairwise(seen))
