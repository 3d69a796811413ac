"""Terminals too small for a screen: a plain block says what it is and what to press."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.tui.driving import resized, running, shown, started, until
from wstui.tui.app import WstuiApp

SMALL = ((59, 15), (40, 10), (20, 5), (1, 1), (200, 15))
SCREENS = {
    "start": ((), "checkout-soak", "enter Run", "shipped"),
    "editor": (("e",), "name checkout-soak", "esc Back", "description"),
    "checklist": (("c",), "✗ token", "enter Run", "processors"),
    "runs": (("h",), "23 Nov 14:27", "esc Back", "B against A"),
    "confirm": (("enter",), "Load edge-1.stage.example?", "› Cancel  n", "another machine"),
    "filter": (("slash", "o", "a"), "words oa", "Cancel  esc", "an empty filter shows all"),
}


async def looked_at(app: WstuiApp, pilot: Pilot[Any], fact: str, press: str, large: str) -> None:
    focus = app.focused
    assert large in shown(app) and "too small" not in shown(app)
    async for size in resized(pilot, *SMALL):
        text = shown(app)
        if size[0] >= 40 and size[1] >= 10:
            assert fact in text and press in text and "60×16" in text, (size, text)
    async for _ in resized(pilot, (80, 24)):
        assert large in shown(app) and "too small" not in shown(app)
    assert app.focused is focus


@pytest.mark.parametrize("screen", SCREENS)
async def test_every_screen_tells_in_a_plain_block_what_it_is_and_what_to_press(screen: str, home: Path) -> None:
    keys, *said = SCREENS[screen]
    async with started(home, (80, 24)) as (app, pilot, _, _):
        await pilot.press(*keys)
        await pilot.pause()
        await looked_at(app, pilot, *said)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ((), ("▶ RUNNING", "space Pause", "messages/s")),
        (("a",), ("Stop this run?", "› Keep running  esc", "Results so far")),
        (("t",), ("clients 12000", "Ramp  enter", "connections/s")),
    ],
    ids=["dashboard", "stop", "ramp"],
)
async def test_a_run_and_its_dialogs_do(keys: tuple[str, ...], said: tuple[str, str, str]) -> None:
    async with running() as (app, pilot, _):
        await pilot.press(*keys)
        await pilot.pause()
        await looked_at(app, pilot, *said)


async def test_what_is_typed_into_a_small_terminal_counts() -> None:
    async with running(size=(30, 8)) as (app, pilot, session):
        await pilot.press("t", "9", "0", "0")
        await until(lambda: "clients 900▏" in shown(app), pilot)
        await pilot.press("enter")
        await until(lambda: session.commands == [("ramp", 900, 10.0)], pilot)
        await pilot.press("a", "d")
        await until(lambda: session.commands[-1] == ("drain",), pilot)
