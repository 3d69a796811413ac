"""A recorded session becomes a scenario on the screen: its guesses are judged one by one, and then it is saved."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tests.conversations.chat import Chat
from tests.recording.hars import START
from tests.tui.driving import shown, started, until
from wstui.recording import sources
from wstui.scenario.file import load
from wstui.scenario.model import Scenario
from wstui.tui.app import WstuiApp
from wstui.tui.imports.import_dialog import ImportDialog, ReadingDialog
from wstui.tui.imports.import_screen import Guesses, ImportScreen, ValueDialog
from wstui.tui.start.start_screen import StartScreen


def har(path: Path, url: str, messages: list[tuple[str, object]]) -> Path:
    told = [
        {"type": kind, "time": START + n, "opcode": 1, "data": data if isinstance(data, str) else json.dumps(data)}
        for n, (kind, data) in enumerate(messages)
    ]
    entry = {"startedDateTime": "2024-01-01T00:00:00Z", "request": {"method": "GET", "url": url, "headers": []},
             "response": {"status": 101, "headers": []}, "_webSocketMessages": told}  # fmt: skip
    path.write_text(json.dumps({"log": {"entries": [entry]}}))
    return path


def chat(rounds: int = 3) -> list[tuple[str, object]]:
    told: list[tuple[str, object]] = [
        ("send", {"type": "auth", "token": "good", "user": "ann"}),
        ("receive", {"type": "auth_ok", "user": {"id": 1000}}),
    ]
    for n in range(rounds):
        told += [("send", {"type": "say", "seq": n, "text": f"hi {n}"}), ("receive", {"type": "said", "seq": n})]
    return told


async def imported(app: WstuiApp, pilot: Pilot[Any], path: Path) -> tuple[ImportScreen, Guesses]:
    """The screen of a file's import, from the start screen on, with its guesses."""
    await pilot.press("i")
    await until(lambda: isinstance(app.screen, ImportDialog), pilot)
    app.screen.query_one("#input-file", Input).value = str(path)
    await pilot.press("enter")
    await until(lambda: isinstance(app.screen, ImportScreen), pilot)
    screen = app.screen
    assert isinstance(screen, ImportScreen)
    table = screen.query_one(Guesses)
    await until(lambda: bool(table.items), pilot)
    return screen, table


async def test_guesses_are_accepted_changed_undone_proven_and_saved(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Chat() as server, started(home) as (app, pilot, _, _):
        path = har(tmp_path / "chat-session.har", server.url, chat())
        screen, table = await imported(app, pilot, path)
        names = [row.name for row in table.items]
        assert "roles.0.loop.0.json.seq" in names and "good" not in shown(app)

        async def at(name: str) -> None:
            table.action_move(next(n for n, row in enumerate(table.items) if row.name == name) - table._cursor)
            await pilot.pause()

        await at("roles.0.loop.0.json.text")
        await pilot.press("u")
        assert screen._draft.at(("roles", 0, "loop", 0, "json", "text")) == "hi 0"
        await pilot.press("U")
        assert screen._draft.at(("roles", 0, "loop", 0, "json", "text")) == "hi {{seq}}"
        await at("messages.every")
        await pilot.press("e")
        await until(lambda: isinstance(app.screen, ValueDialog), pilot)
        app.screen.query_one("#input-value", Input).value = '"250ms"'
        await pilot.press("enter")
        await until(lambda: app.screen is screen, pilot)
        await at("roles.0.loop.0.json.seq")
        await pilot.press("a")
        states = {row.name: row.state for row in table.items}
        assert states["messages.every"] == "changed" and states["roles.0.loop.0.json.seq"] == "accepted"
        await pilot.press("p")
        await until(lambda: any(row.state == "held" for row in table.items), pilot)
        assert "say: held" in shown(app) and "5 clients of each role: 5 of 5 ready" in shown(app)
        await pilot.press("s")
        await until(lambda: isinstance(app.screen, StartScreen), pilot)
    assert (home / "chat-session.csv").read_text() == "user\nann\n"
    made = load(str(home / "chat-session.toml"), {"AUTH_TOKEN": "x"})
    assert isinstance(made, Scenario) and made.messages.every == 0.25
    assert made.roles[0].loop[0].json == {"type": "say", "seq": "{{seq}}", "text": "hi {{seq}}"}


async def test_a_value_that_can_not_stand_there_is_refused_and_a_protocol_can_be_undone(
    home: Path, tmp_path: Path
) -> None:
    told: list[tuple[str, object]] = []
    for n in range(3):
        told += [("send", {"jsonrpc": "2.0", "id": n, "method": "add", "params": [n]})]
        told += [("receive", {"jsonrpc": "2.0", "id": n, "result": n})]
    async with started(home) as (app, pilot, _, _):
        screen, table = await imported(app, pilot, har(tmp_path / "rpc.har", "ws://127.0.0.1:9/", told))
        assert [row.value for row in table.items if row.name == "target.protocol"] == ['"jsonrpc"']
        assert not screen._attempt(lambda draft: draft.put(("messages", "every"), 5))
        table.action_move(-100)
        table.action_move([row.name for row in table.items].index("target.protocol"))
        await pilot.press("u")
        await pilot.pause()
        assert "protocol" not in screen._draft.tables["target"] and "call" not in screen._draft.text()


async def test_a_file_that_holds_no_session_is_named(home: Path, tmp_path: Path) -> None:
    async with started(home) as (app, pilot, _, _):
        (tmp_path / "odd.har").write_text("{}")
        await pilot.press("i")
        await until(lambda: isinstance(app.screen, ImportDialog), pilot)
        app.screen.query_one("#input-file", Input).value = str(tmp_path / "odd.har")
        await pilot.press("enter")
        await until(lambda: "odd.har: it holds" in shown(app), pilot)


async def test_reading_a_large_file_is_told_and_can_be_stopped(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ReadingDialog, "FROM_BYTES", 1)
    path = har(tmp_path / "large.har", "ws://127.0.0.1:9/ws", chat())
    reading, going_on = threading.Event(), threading.Event()

    def read(_: Path, progress: Callable[[int], None]) -> None:
        progress(1)
        reading.set()
        going_on.wait(20)
        progress(2)
        raise AssertionError("it goes on")

    monkeypatch.setattr(sources, "read_session", read)
    async with started(home) as (app, pilot, _, _):
        await pilot.press("i")
        await until(lambda: isinstance(app.screen, ImportDialog), pilot)
        app.screen.query_one("#input-file", Input).value = str(path)
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, ReadingDialog) and reading.is_set(), pilot)
        await until(lambda: "0 of 0 MiB read" in shown(app), pilot)
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, StartScreen), pilot)
        going_on.set()
        await until(lambda: not app.screen.workers, pilot)
        assert isinstance(app.screen, StartScreen) and "stopped" not in shown(app)


async def test_a_large_file_leads_to_its_guesses(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ReadingDialog, "FROM_BYTES", 1)
    async with started(home) as (app, pilot, _, _):
        await pilot.press("i")
        await until(lambda: isinstance(app.screen, ImportDialog), pilot)
        app.screen.query_one("#input-file", Input).value = str(har(tmp_path / "a.har", "ws://127.0.0.1:9/ws", chat()))
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, ImportScreen), pilot)
        assert not any(isinstance(screen, ReadingDialog) for screen in app.screen_stack)
