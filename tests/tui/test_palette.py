"""The palette finds what the footer says, its explanation, its id and the words that people use for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.actions import parse

from tests.tui import fake
from tests.tui.driving import running, shown, started, until
from wstui.execution.run.state import State
from wstui.tui.app import WstuiApp
from wstui.tui.dashboard.dashboard_screen import Dashboard
from wstui.tui.dialogs.dialog import Dialog
from wstui.tui.palette import _MOVES, SYNONYMS, Commands, bindings_of, owners
from wstui.tui.start.start_screen import StartScreen


async def best(app: WstuiApp, query: str) -> str:
    """The first entry that the palette shows for a query; "" where it shows none."""
    hits = [hit async for hit in Commands(app.screen).search(query)]
    return str(max(hits, key=lambda hit: hit.score).text) if hits else ""


async def test_steering_is_found_by_the_words_of_the_footer_and_by_what_people_call_it() -> None:
    async with running(size=(120, 40)) as (app, _, _):
        for query, title in {
            "stop": "Stop: drain or abort",
            "drain": "Stop: drain or abort",
            "kill": "Stop: drain or abort",
            "ramp": "Ramp: ramp to a number of clients",
            "target": "Ramp: ramp to a number of clients",
            "pace": "Pace: set the send interval of each client",
            "interval": "Pace: set the send interval of each client",
            "more": "More: 10 % more clients",
            "load.skip": "Skip: next stage, or skip a cooldown",
            "zoom": "Latency: maximise the latency",
            "save": "Save: save as a TOML preset, as it was driven",
        }.items():
            found = await best(app, query)
            assert found == title or (query == "target" and "clients" in found), query


async def test_each_word_of_the_footer_finds_its_key_first(tmp_path: Path) -> None:
    async with started(tmp_path) as (app, _, _, _):
        for binding in bindings_of([StartScreen]):
            if binding.id not in ("preset.delete", "preset.all", "preset.quit"):
                assert (await best(app, binding.description)).startswith(f"{binding.description}:"), binding.id
    async with running(size=(120, 40)) as (app, _, _):
        for binding in bindings_of([Dashboard]):
            _, action, parameters = parse(binding.action)
            active = app.screen.check_action(action, parameters)
            if active and binding.show and not binding.action.startswith(("app.", "maximise")):
                assert (await best(app, binding.description)).startswith(f"{binding.description}:"), binding.id


def test_every_key_that_does_something_is_found_by_other_words_too() -> None:
    for binding in bindings_of([*(one for one in owners() if not issubclass(one, Dialog)), WstuiApp]):
        plain = binding.description in {"Quit", "Back", "All", "Open", "Palette"} or binding.id == "app.help_f1"
        moves = binding.action.startswith(_MOVES)
        assert not binding.id or moves or plain or binding.id in SYNONYMS, binding.id


async def test_before_anything_is_typed_steering_stands_first_and_moving_about_not_at_all() -> None:
    async with running(size=(120, 40)) as (app, _, _):
        titles = [str(hit.text) async for hit in Commands(app.screen).discover()]
    assert len({title.split(":")[0] for title in titles}) == len(titles), "no word stands twice"
    assert [title.split(":")[0] for title in titles[:7]] == ["Pause", "More", "Fewer", "Ramp", "Stop", "Pace", "Skip"]
    assert not [title for title in titles if "row" in title or "page" in title.casefold()]


@pytest.mark.parametrize(
    ("status", "absent"),
    [
        (fake.status(state=State.COOLDOWN), {"Pause", "More", "Fewer", "Ramp", "Pace", "Watch"}),
        (fake.status(state=State.DRAINING), {"Pause", "More", "Fewer", "Ramp", "Pace", "Skip"}),
    ],
)
async def test_what_would_be_refused_now_is_not_offered(status: Any, absent: set[str]) -> None:
    async with running(status, size=(200, 50)) as (app, _, _):
        words = {title.split(":")[0] for title, *_ in Commands(app.screen)._entries()}
    assert not absent & words and "Stop" in words


async def test_the_footer_follows_what_the_run_does_by_itself() -> None:
    async with running(fake.status(state=State.STARTING), size=(120, 40)) as (app, pilot, session):
        await until(lambda: "a Stop" in shown(app), pilot)
        assert "space Pause" not in shown(app)
        session.picture = fake.status()
        await until(lambda: "space Pause + More - Fewer t Ramp" in shown(app), pilot)
