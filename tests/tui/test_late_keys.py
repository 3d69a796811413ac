"""Keys that were meant for a dialog, and come when it has gone."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest

from tests.tui import fake, fake_search
from tests.tui.driving import running, shown, until
from wstui.execution.run.state import State
from wstui.execution.run.status import StageStatus
from wstui.tui.app import WstuiApp
from wstui.tui.dashboard.dashboard_screen import Dashboard
from wstui.tui.dialogs.questions import StopDialog
from wstui.tui.dialogs.steering_dialogs import NoteDialog, PaceDialog, RampDialog, SkipDialog, WatchDialog
from wstui.tui.result.result_screen import ResultScreen


async def test_a_key_pressed_twice_closes_one_dialog_only() -> None:
    async with running() as (app, pilot, session):
        await pilot.press("a")
        await until(lambda: isinstance(app.screen, StopDialog), pilot)
        dialog = app.screen
        assert isinstance(dialog, StopDialog)
        dialog.action_stop("drain")
        dialog.action_stop("drain")
        dialog.action_close()
        await until(lambda: isinstance(app.screen, ResultScreen), pilot)
        assert session.commands == [("drain",)]
        assert [type(screen) for screen in app.screen_stack[1:]] == [Dashboard, ResultScreen]


async def test_the_key_that_closed_a_dialog_does_nothing_below_it_for_a_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(WstuiApp, "BOUNCE_S", 60.0)
    async with running() as (app, pilot, session):
        await pilot.press("t")
        await until(lambda: isinstance(app.screen, RampDialog), pilot)
        await pilot.press("enter", "enter", "enter")
        await until(lambda: isinstance(app.screen, Dashboard), pilot)
        await pilot.pause()
        assert isinstance(app.screen, Dashboard) and len(session.commands) == 1  # and no samples were opened
        await pilot.press("space")
        await until(lambda: len(session.commands) == 2, pilot)
        await pilot.press("enter")
        await until(lambda: "esc closes" in shown(app), pilot)


@pytest.mark.parametrize(("opens", "dialog"), [("t", RampDialog), ("W", WatchDialog), ("n", NoteDialog)])
async def test_what_is_typed_when_the_run_ends_under_a_dialog_does_nothing(
    opens: str, dialog: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wstui.tui.run_lifecycle._DEAF_S", 60.0)
    async with running() as (app, pilot, session):
        await pilot.press(opens)
        await until(lambda: isinstance(app.screen, dialog), pilot)
        session.ended.set()
        await until(lambda: isinstance(app.screen, ResultScreen), pilot)
        await pilot.press("r", "q", "escape", "o")
        await pilot.pause()
        assert isinstance(app.screen, ResultScreen) and app.return_value is None


@pytest.mark.parametrize(
    ("opens", "dialog", "shows"),
    [("a", StopDialog, "77 connections are open"), ("t", RampDialog, "77 are open"), ("p", PaceDialog, "77 clients")],
)
async def test_a_dialog_shows_the_run_as_it_goes_on_behind_it(opens: str, dialog: type, shows: str) -> None:
    async with running() as (app, pilot, session):
        await pilot.press(opens)
        await until(lambda: isinstance(app.screen, dialog), pilot)
        assert shows not in shown(app)
        counters = msgspec.structs.replace(session.picture.counters, open=77)
        session.picture = dataclasses.replace(session.picture, counters=counters)
        await until(lambda: shows in shown(app), pilot)


async def test_the_last_stage_is_ended_only_after_a_yes() -> None:
    last = (StageStatus("ramp", 120.0, 120.0, done=True), StageStatus("hold", 600.0, 60.0, current=True))
    async with running(fake.status(stages=last)) as (app, pilot, session):
        await pilot.press("right_square_bracket")
        await until(lambda: isinstance(app.screen, SkipDialog), pilot)
        assert "End hold, the last stage?" in shown(app) and "the run ends" in shown(app)
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, Dashboard), pilot)
        assert not session.commands
        await pilot.press("right_square_bracket", "right", "enter")
        await until(lambda: session.commands == [("skip",)], pilot)


async def test_a_stage_that_another_follows_is_ended_at_once() -> None:
    async with running() as (app, pilot, session):
        await pilot.press("right_square_bracket")
        await until(lambda: session.commands == [("skip",)], pilot)
        assert "hold ended, cooldown begins" in shown(app)


async def test_a_cooldown_is_skipped_at_once() -> None:
    from wstui.execution.run.status import SuiteStatus

    suite = SuiteStatus(("a", "b"), 0, (True, None), 30.0, 12.0)
    async with running(fake.status(state=State.COOLDOWN, suite=suite)) as (_, pilot, session):
        await pilot.press("right_square_bracket")
        await until(lambda: session.commands == [("skip",)], pilot)


async def test_a_search_is_not_steered_by_hand_and_its_end_is_asked_for() -> None:
    async with running(fake_search.searching()) as (app, pilot, session):
        for key in ("plus", "minus", "t", "p"):
            await pilot.press(key)
            await until(lambda: "a search sets the load by itself" in shown(app), pilot)
        assert not session.commands and isinstance(app.screen, Dashboard)
        await pilot.press("right_square_bracket")
        await until(lambda: "End the search here?" in shown(app), pilot)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("999999", "more than the 28 232 local ports"),
        ("28232", "16 245 more than are open now"),
        ("10", "11 977 fewer than are open now"),
    ],
)
async def test_more_clients_than_this_host_has_ports_are_warned_of(text: str, said: str) -> None:
    from textual.widgets import Input

    async with running() as (app, pilot, _):
        await pilot.press("t")
        await until(lambda: isinstance(app.screen, RampDialog), pilot)
        app.screen.query_one("#input-clients", Input).value = text
        await until(lambda: said in shown(app), pilot)
