"""Roles and steps on the dashboard, by their keys."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from rich.cells import cell_len

from tests.tui import fake, fake_roles
from tests.tui.driving import running, shown, until
from wstui.execution.run.result_sections import ThresholdOutcome
from wstui.execution.run.role_sections import StepSummary
from wstui.execution.run.state import State
from wstui.tui.dashboard.dashboard_screen import Dashboard
from wstui.tui.dashboard.errors_panel import Errors
from wstui.tui.dashboard.steps_panel import StepsPanel


def row(text: str, name: str) -> list[str]:
    """The words of the row of a step."""
    return next(line.split() for line in text.split("\n") if name in line.split()[:3])


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_each_step_is_a_row_under_its_role(size: tuple[int, int]) -> None:
    async with running(fake_roles.status(), size=size) as (app, pilot, _):
        await pilot.press("5")
        await until(lambda: "announce" in shown(app), pilot)
        text = shown(app)
        assert "▾ member  11 987 ready · 604 112 rounds · 3 failed · 285 cut short" in text
        assert row(text, "say")[:8] == ["say", "604", "112", "2", "395", "12.4", "37.2", "99.2"]
        assert "beat (heartbeat)" in text and "news (delivery)" in text
        assert all(cell_len(line) <= size[0] for line in text.split("\n"))
        assert "…" not in "".join(line for line in text.split("\n") if " auth " in line)


@pytest.mark.parametrize("state", [State.RUNNING, State.FINISHED])
async def test_maximised_it_has_the_cursor_during_a_run_and_after_it(state: State) -> None:
    async with running(replace(fake_roles.status(), state=state), size=(120, 40)) as (app, pilot, _):
        await pilot.press("5", "down")
        await until(lambda: "›  auth" in shown(app) and "errors" not in shown(app).splitlines()[-8:], pilot)
        await pilot.press("escape")
        await until(lambda: "errors  " in shown(app) and isinstance(app.focused, Errors), pilot)


async def test_a_role_folds_and_a_step_is_drawn_by_enter() -> None:
    async with running(fake_roles.status(), size=(120, 40)) as (app, pilot, session):
        panel = app.screen.query_one(StepsPanel)
        panel.focus()
        await pilot.press("enter")
        await until(lambda: "▸ member" in shown(app), pilot)
        assert "heartbeat" not in shown(app) and "▾ announcer" in shown(app)
        session.picture = replace(session.picture, elapsed_s=253.0)
        await pilot.press("left", "down", "down", "down", "enter")
        await until(lambda: "─say ms  ━ p50" in shown(app), pilot)
        assert "limit 120" in shown(app), "the limit of this step"
        await pilot.press("enter")
        await until(lambda: "─latency ms" in shown(app), pilot)


async def test_requests_of_a_login_are_rows_under_a_head_of_their_own() -> None:
    made = fake_roles.status()
    login = [StepSummary("", "login", "login", 9, 9), StepSummary("", "token", "login", 9, 8, failed=1)]
    limit = ThresholdOutcome("login.token.failed", "<= 0", 1.0, False)
    verdict = msgspec.structs.replace(made.result.verdict, thresholds=[limit])
    result = msgspec.structs.replace(made.result, steps=[*login, *made.result.steps], verdict=verdict)
    async with running(replace(made, result=result), size=(120, 40)) as (app, pilot, _):
        await pilot.press("5")
        await until(lambda: "▾ login  by HTTP, before clients connect" in shown(app), pilot)
        assert row(shown(app), "token")[:2] == ["token", "(login)"] and "▾ member" in shown(app)
        panel = app.screen.query_one(StepsPanel)
        token = next(item for item in panel.items if item.key == ("", "token"))
        assert ("token (login)", "bad") in [
            (text.strip(), tone) for text, tone in panel.row(token, 110, selected=False)
        ]
        panel.focus()
        await pilot.press("home", "left")
        await until(lambda: "▸ login" in shown(app) and "token" not in shown(app), pilot)


async def test_a_key_draws_one_step_after_the_other_and_then_all_messages_again() -> None:
    async with running(fake_roles.status(), size=(120, 40)) as (app, pilot, _):
        for name in ("auth", "join", "say", "beat", "news", "announce", "latency"):
            await pilot.press("v")
            await until(lambda name=name: f"─{name} ms" in shown(app), pilot)  # type: ignore[misc]
        await pilot.press("question_mark")
        await until(lambda: "next step" in shown(app), pilot)


async def test_figures_of_steps_are_live() -> None:
    async with running(fake_roles.status(), size=(120, 40)) as (app, pilot, session):
        steps = [msgspec.structs.replace(step, lost=4321) for step in fake_roles.STEPS]
        picture = session.picture
        session.picture = replace(picture, result=msgspec.structs.replace(picture.result, steps=steps))
        await until(lambda: "4 321" in shown(app), pilot)


async def test_a_run_without_roles_has_no_steps_and_no_keys_for_them() -> None:
    async with running(fake.status(), size=(120, 40)) as (app, pilot, _):
        assert not app.screen.query_one(StepsPanel).display
        await pilot.press("v", "5")
        await pilot.pause()
        assert isinstance(app.screen, Dashboard) and app.screen.view.step is None and not app.screen.view.maximised


async def test_a_result_tells_steps_roles_and_numbers() -> None:
    async with running(fake_roles.status(), outcome=fake_roles.result(), size=(120, 100)) as (app, pilot, session):
        session.ended.set()
        await until(lambda: "numbered messages" in shown(app), pilot)
        text = shown(app)
        assert row(text, "say")[:3] == ["say", "member", "604"]
        assert "missing 2" in text and "604 400" in text
