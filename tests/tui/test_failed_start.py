"""A first client that is refused: the operator tries again, goes on without it, edits, or returns to the presets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.tui import fake_store
from tests.tui.driving import go_to, shown, started, until
from wstui.execution.preflight.probe import Unreachable
from wstui.tui.app import WstuiApp
from wstui.tui.dashboard.dashboard_screen import Dashboard
from wstui.tui.dialogs.questions import FailedStartDialog
from wstui.tui.editor.editor_screen import Editor
from wstui.tui.start.start_screen import StartScreen

WHAT, FIX = "nothing listens on 127.0.0.1:9", "start the server, or give its address with --url"


@asynccontextmanager
async def refused(
    home: Path, size: tuple[int, int] = (80, 24)
) -> AsyncIterator[tuple[WstuiApp, Pilot[object], fake_store.FakeLaunches]]:
    """The dialog after a run of `quick` whose first client was refused."""
    async with started(home, size) as (app, pilot, launches, _):
        await go_to(app, pilot, "quick")
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, Dashboard), pilot)
        launches.sessions[-1].outcome = Unreachable(WHAT, FIX)
        launches.end()
        await until(lambda: isinstance(app.screen, FailedStartDialog) and WHAT in shown(app), pilot)
        yield app, pilot, launches


async def test_the_reason_and_the_answers_are_in_sight_on_a_low_terminal(home: Path) -> None:
    async with refused(home, (60, 16)) as (app, pilot, _):
        await until(lambda: "Try again r · Go on g · Edit e" in shown(app), pilot)
        assert FailedStartDialog.title_text in shown(app) and WHAT in shown(app)
        await pilot.press("right")
        await until(lambda: "Go on  g" in shown(app), pilot)
        await pilot.resize_terminal(80, 24)
        await until(lambda: "Try again r ·" not in shown(app) and WHAT in shown(app), pilot)


async def test_it_says_what_happened_in_the_terms_of_the_screen(home: Path) -> None:
    async with refused(home) as (app, pilot, launches):
        text = shown(app)
        assert WHAT in text and "--url" not in text, text
        for words in ("Try again", "Go on", "Edit  e", "esc goes back", "where m starts a server"):
            assert words in text, text
        assert launches.probed == [True]
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, StartScreen), pilot)
        await pilot.press("q")
        await pilot.pause()
        assert app.return_value is not None and WHAT in app.return_value.error


@pytest.mark.parametrize(("key", "probed"), [("r", True), ("enter", True), ("g", False)])
async def test_the_same_is_begun_again_with_or_without_a_first_client(home: Path, key: str, probed: bool) -> None:
    async with refused(home) as (app, pilot, launches):
        await pilot.press(key)
        await until(lambda: isinstance(app.screen, Dashboard) and len(launches.launched) == 2, pilot)
        assert launches.launched[0] == launches.launched[1] and launches.probed == [True, probed]


async def test_the_scenario_can_be_edited(home: Path) -> None:
    async with refused(home) as (app, pilot, _):
        await pilot.press("e")
        await until(lambda: isinstance(app.screen, Editor), pilot)
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, StartScreen), pilot)
