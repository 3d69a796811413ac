"""What + and - do: at any moment, and however fast they are pressed."""

from __future__ import annotations

import dataclasses

import pytest

from tests.tui import fake
from tests.tui.driving import running, shown, until
from wstui.execution.run.state import State
from wstui.execution.run.status import RampEvent, Status
from wstui.tui.dashboard.steering import RampPresses


def led(*turns: tuple[float, int, float], target: int, plan_s: float = 100.0) -> Status:
    """A run whose load was led by these turns: when, to how many clients, within how many seconds."""
    made = tuple(RampEvent(at_s, 0, 0, to, over_s) for at_s, to, over_s in turns)
    return dataclasses.replace(fake.status(), turns=made, target_clients=target, plan_s=plan_s)


def test_up_and_down_cancel_out_whatever_the_number() -> None:
    for clients in (1, 7, 99, 100, 101, 12_345):
        steps, status = RampPresses(), led((0.0, clients, 10.0), target=clients)
        for number, sign in enumerate((1, 1, 1, -1, -1, -1), 1):
            _, target, _ = steps.next(status, sign)
            status = led(*[(0.0, clients, 10.0)] * (number + 1), target=target)
        assert status.target_clients == clients


def test_presses_that_come_faster_than_the_picture_of_the_run_all_count() -> None:
    steps, status = RampPresses(), led((0.0, 100, 10.0), target=100)
    assert [steps.next(status, 1)[:2] for _ in range(3)] == [(100, 110), (110, 120), (120, 130)]


def test_a_step_early_in_a_ramp_is_no_rush() -> None:
    status = led((0.0, 5_000, 60.0), target=5_000, plan_s=3.0)
    assert RampPresses().next(status, 1) == (5_000, 5_500, 57.0)
    assert RampPresses().next(dataclasses.replace(status, plan_s=59.5), -1) == (5_000, 4_500, 2.0)


def test_after_the_load_was_led_elsewhere_a_step_is_a_tenth_of_that() -> None:
    steps = RampPresses()
    steps.next(led((0.0, 100, 10.0), target=100), 1)
    stage = led((0.0, 100, 10.0), (1.0, 110, 2.0), (30.0, 4_000, 10.0), target=4_000)
    assert steps.next(stage, -1)[:2] == (4_000, 3_600)
    steps.forget()
    assert steps.next(dataclasses.replace(stage, target_clients=50), 1)[:2] == (50, 55)


def test_from_none_a_step_is_a_tenth_of_what_the_plan_reaches() -> None:
    steps, peak = RampPresses(), fake.status().scenario.peak_clients
    assert steps.next(led((0.0, 0, 5.0), target=0), 1)[:2] == (0, round(peak / 10))


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (State.STARTING, "starting: the load can be steered once it runs"),
        (State.DRAINING, "draining: the run is coming to its end"),
        (State.COOLDOWN, "cooling down: skip starts the next run"),
    ],
)
async def test_a_load_that_cannot_be_led_now_says_so_and_sends_nothing(state: State, said: str) -> None:
    async with running(fake.status(state=state)) as (app, pilot, session):
        for key in ("plus", "minus", "t", "p", "space"):
            await pilot.press(key)
            await until(lambda: said in shown(app), pilot)
            app.screen.query("KeyRow").first()._notice = None  # type: ignore[attr-defined]
        assert not session.commands and len(app.screen_stack) == 2


async def test_what_is_asked_for_in_a_pause_says_when_it_begins() -> None:
    async with running(fake.status(state=State.PAUSED)) as (app, pilot, _):
        await pilot.press("plus")
        await until(lambda: "once resumed" in shown(app), pilot)


async def test_a_step_beyond_this_host_is_taken_and_warned_of() -> None:
    async with running(fake.status(target_clients=28_000)) as (app, pilot, session):
        await pilot.press("plus")
        await until(lambda: "28 000 → 30 800" in shown(app) and "more than the" in shown(app), pilot)
        assert session.commands == [("ramp", 30_800, 2.0)]
