"""Escape is one step back everywhere, and a dialog whose question is over closes with a word."""

from __future__ import annotations

import dataclasses
import gc
import re
from pathlib import Path

from textual.widget import Widget

import wstui.tui
from tests.tui import fake
from tests.tui.driving import go_to, running, shown, started, until
from wstui.execution.run.state import State
from wstui.tui.dashboard.dashboard_screen import Dashboard
from wstui.tui.dialogs.dialog import Dialog
from wstui.tui.dialogs.steering_dialogs import RampDialog, SkipDialog
from wstui.tui.result.result_screen import ResultScreen
from wstui.tui.start.preset_list import PresetTable
from wstui.tui.start.start_screen import StartScreen


async def test_escape_clears_the_filter_then_restores_the_panels() -> None:
    async with running(size=(120, 40)) as (app, pilot, _):
        await pilot.press("slash", *"1013", "enter", "3")
        await until(lambda: app.screen.has_class("-max-3") and "1013" in shown(app), pilot)
        assert "esc Back" in shown(app)
        await pilot.press("escape")
        await until(lambda: app.screen.view.pattern == "", pilot)  # type: ignore[attr-defined]
        assert app.screen.has_class("-max-3")
        await pilot.press("escape")
        await until(lambda: not app.screen.has_class("-max-3"), pilot)
        assert "esc Back" not in shown(app) and "q Quit" in shown(app)


async def test_an_ended_dashboard_has_a_way_back_and_a_way_out(tmp_path: Path) -> None:
    async with started(tmp_path) as (app, pilot, launches, _):
        await go_to(app, pilot, "quick")
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, Dashboard), pilot)
        launches.end()
        await until(lambda: isinstance(app.screen, ResultScreen), pilot)
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, (Dashboard, StartScreen)), pilot)
        if isinstance(app.screen, Dashboard):
            await until(lambda: "esc Back" in shown(app) and "q Quit" in shown(app), pilot)
            await pilot.press("escape")
        await until(lambda: isinstance(app.screen, StartScreen), pilot)


async def test_a_filter_puts_the_cursor_on_the_best_match_and_escape_shows_all(tmp_path: Path) -> None:
    async with started(tmp_path) as (app, pilot, _, _):
        await go_to(app, pilot, "progressive")
        await pilot.press("slash", *"quick")
        table = app.screen_stack[-2].query_one(PresetTable)
        await until(lambda: table.selected is not None and table.selected.name == "quick", pilot)
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, StartScreen) and "esc All" in shown(app), pilot)
        await pilot.press("escape")
        await until(lambda: not table.hidden, pilot)


async def test_a_question_about_a_stage_closes_with_a_word_when_the_stage_has_ended_by_itself() -> None:
    last = fake.status()
    stages = tuple(
        dataclasses.replace(stage, current=number == len(last.stages) - 1) for number, stage in enumerate(last.stages)
    )
    async with running(dataclasses.replace(last, stages=stages)) as (app, pilot, session):
        await pilot.press("right_square_bracket")
        await until(lambda: isinstance(app.screen, SkipDialog), pilot)
        session.picture = dataclasses.replace(last, state=State.COOLDOWN, stages=())
        await until(lambda: isinstance(app.screen, Dashboard), pilot)
        await until(lambda: "closed: cooling down: skip starts the next run" in shown(app), pilot)
        await pilot.press("a")
        assert isinstance(app.screen, Dashboard), "what was typed was meant for the dialog"
        assert not session.commands


async def test_a_ramp_that_is_being_typed_is_not_sent_to_a_run_that_drains() -> None:
    async with running() as (app, pilot, session):
        await pilot.press("t")
        await until(lambda: isinstance(app.screen, RampDialog), pilot)
        session.picture = fake.status(state=State.DRAINING)
        await until(lambda: isinstance(app.screen, Dashboard), pilot)
        await until(lambda: "closed: draining" in shown(app), pilot)
        assert not session.commands


async def test_more_and_fewer_are_two_keys_to_click() -> None:
    async with running(size=(120, 40)) as (app, pilot, session):
        await until(lambda: "- Fewer" in shown(app), pilot)
        row = next(index for index, line in enumerate(shown(app).split("\n")) if "- Fewer" in line)
        column = shown(app).split("\n")[row].index("- Fewer")
        await pilot.click(offset=(column + 2, row))
        await until(lambda: bool(session.commands), pilot)
    assert session.commands == [("ramp", 10_800, 2.0)]


async def test_what_was_closed_is_held_by_nothing() -> None:
    """Else an hour of looking things up would fill the memory, and each collection of garbage stop the screen."""
    async with running(size=(120, 40)) as (app, pilot, _):
        for key in ("question_mark", "t", "a") * 2:
            await pilot.press(key)
            await until(lambda: isinstance(app.screen, Dialog), pilot)
            await pilot.press("escape")
            await until(lambda: isinstance(app.screen, Dashboard), pilot)

        def held() -> list[str]:
            gc.collect()
            widgets = [each for each in gc.get_objects() if isinstance(each, Widget)]
            return [type(each).__name__ for each in widgets if not each.is_attached]

        await until(lambda: not held(), pilot)


def test_no_handler_of_an_event_calls_that_of_its_base() -> None:
    """Textual calls the handlers of all classes by itself: a second call would poll, or subscribe, twice."""
    again = re.compile(r"super\(\)\._?on_(?!event\b)")  # `on_event` is what calls them
    found = [file for file in Path(wstui.tui.__file__).parent.rglob("*.py") if again.search(file.read_text())]
    assert not found
