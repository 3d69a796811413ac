"""Keys that arrive in one go, as over a slow line or from a quick hand: none overtakes another and none is lost."""

from __future__ import annotations

from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot
from textual.widgets import Input

from tests.tui.driving import running, until
from wstui.tui.app import WstuiApp
from wstui.tui.dashboard.dashboard_screen import Dashboard
from wstui.tui.dialogs.filter import FilterDialog
from wstui.tui.result.result_screen import ResultScreen


def burst(app: WstuiApp, *keys: str) -> None:
    """Every key at once: nothing is awaited in between."""
    assert app._driver is not None
    for key in keys:
        app._driver.send_message(events.Key(key, key if len(key) == 1 else None))


async def idle(app: WstuiApp, pilot: Pilot[Any]) -> None:
    await until(lambda: app._passed is None and not app._waiting, pilot)


async def test_what_is_typed_before_a_dialog_has_opened_goes_into_it() -> None:
    async with running() as (app, pilot, session):
        burst(app, "t", "5", "0", "0", "enter")
        await until(lambda: session.commands == [("ramp", 500, 10.0)], pilot)
        await idle(app, pilot)
        assert isinstance(app.screen, Dashboard) and not app.screen.view.maximised  # as 1 to 4 would have done there


async def test_editing_keys_come_before_what_is_typed_after_them() -> None:
    async with running() as (app, pilot, session):
        burst(app, "t", "ctrl+a", "ctrl+k", "2", "0", "tab", "ctrl+a", "ctrl+k", "3", "s", "enter")
        await until(lambda: session.commands == [("ramp", 20, 3.0)], pilot)


async def test_one_dialog_after_the_other_opens_for_keys_that_came_together() -> None:
    async with running() as (app, pilot, session):
        burst(app, "t", "escape", "p", "1", "s", "enter", "plus", "a", "d")
        await until(lambda: isinstance(app.screen, ResultScreen), pilot)
        assert session.commands == [("pace", 1.0), ("ramp", 13_200, 2.0), ("drain",)]


async def test_what_is_pasted_waits_for_the_keys_before_it() -> None:
    async with running() as (app, pilot, _):
        burst(app, "slash")
        assert app._driver is not None
        app._driver.send_message(events.Paste("1013\nsecond line"))
        burst(app, "x")
        await until(lambda: isinstance(app.screen, FilterDialog), pilot)
        await until(lambda: app.screen.query_one(Input).value == "1013x", pilot)


@pytest.mark.parametrize("keys", ["qqqq", "qhq", "qt5"])
async def test_keys_that_come_after_the_one_that_quits_break_nothing(keys: str) -> None:
    async with running() as (app, pilot, session):
        session.ended.set()
        await until(lambda: isinstance(app.screen, ResultScreen), pilot)
        burst(app, *keys)
        await until(lambda: app._exit, pilot)
    assert not app.fault


async def test_a_key_whose_widget_has_gone_holds_up_no_other() -> None:
    async with running() as (app, pilot, session):
        burst(app, "slash")
        await until(lambda: isinstance(app.screen, FilterDialog), pilot)
        await idle(app, pilot)
        field = app.screen.query_one(Input)
        burst(app, "x")
        await field.remove()
        burst(app, "escape", "plus")
        await until(lambda: len(session.commands) == 1, pilot)
