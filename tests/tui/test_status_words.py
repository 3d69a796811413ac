"""What an operator is told: a notice in full, a verdict in one word everywhere, where a run lies."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from tests.tui import fake
from tests.tui.driving import go_to, running, shown, started, until
from wstui.execution.run.state import State
from wstui.tui.dashboard.status_line import badge, verdict_of
from wstui.tui.dialogs.questions import ConfirmDialog, StopDialog
from wstui.tui.kit.key_row import KeyRow
from wstui.tui.result.result_screen import ResultScreen

LONG = "cannot be run again: auth.token: was not kept: set AUTH_TOKEN in the environment, or run the preset itself"


async def test_a_notice_too_long_for_one_row_is_shown_in_full_and_gives_its_rows_back() -> None:
    async with running(size=(60, 24)) as (app, pilot, _):
        keys = app.screen.query_one(KeyRow)
        app.notify(LONG, severity="error")
        await until(lambda: keys.size.height == 3, pilot)
        told = shown(app).splitlines()
        assert " ".join(" ".join(told[-3:-1]).split()) == f"✗ {LONG}" and "space Pause" in told[-1]
        await pilot.resize_terminal(130, 40)
        await until(lambda: keys.size.height == 2 and LONG in shown(app), pilot)
        assert keys._notice is not None
        keys._hide_notice(keys._notice)
        await until(lambda: keys.size.height == 1 and "Pause" in shown(app).splitlines()[-1], pilot)


def test_a_run_that_its_generator_limited_is_called_so_everywhere() -> None:
    limited = fake.result(limited=True)
    assert badge(dataclasses.replace(fake.status(), state=State.FINISHED, result=limited)) == (
        "▲ LIMITED",
        "badge-warn",
    )
    assert verdict_of(limited) == ("▲ limited", "warn")


async def test_the_end_of_a_run_that_ends_already_is_not_offered_once_more() -> None:
    async with running(fake.status(state=State.DRAINING)) as (app, pilot, session):
        await pilot.press("a")
        await until(lambda: isinstance(app.screen, StopDialog), pilot)
        assert "ends already" in shown(app) and "Keep running" not in shown(app)
        await pilot.press("a")
        await until(lambda: isinstance(app.screen, ResultScreen), pilot)
        assert session.commands == [("abort",)]


async def test_a_suite_tells_the_messages_and_limits_of_each_of_its_presets(home: Path) -> None:
    async with started(home) as (app, pilot, _, _):
        await go_to(app, pilot, "progressive")
        text = " ".join(shown(app).split())
        assert "quick: odin, every 5 s" in text
        for name, limit in (("quick", "mean < 5 ms"), ("medium", "mean < 10 ms"), ("stress", "mean < 20 ms")):
            assert name in text and limit in text


async def test_the_runs_tell_how_to_leave_them_also_at_80_columns(tmp_path: Path) -> None:
    from wstui.tui.runs.runs_screen import RunsScreen

    async with started(tmp_path, size=(80, 24)) as (app, pilot, _, _):
        await pilot.press("h")
        await until(lambda: isinstance(app.screen, RunsScreen), pilot)
        await until(lambda: "esc Back" in shown(app), pilot)


async def test_the_demo_is_not_said_to_go_to_the_server_that_has_ended(tmp_path: Path) -> None:
    async with started(tmp_path) as (app, pilot, launches, _):
        await pilot.press("m")
        await until(lambda: bool(launches.sessions), pilot)
        launches.end()
        await until(lambda: isinstance(app.screen, ResultScreen), pilot)
        await pilot.press("r")
        await until(lambda: "Run the demo again?" in shown(app), pilot)
        assert isinstance(app.screen, ConfirmDialog) and "to a server that is started for it" in app.screen._text
