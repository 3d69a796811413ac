"""One client is watched while the load runs: by `ctl`, and on the dashboard."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from textual.widgets import Input, RichLog

from tests.control.test_ctl import ctl, headless
from tests.servers.server import Server
from tests.tui import fake_roles
from tests.tui.driving import running, shown, until
from wstui.control.remote_run import attach
from wstui.load.protocol import TraceLine
from wstui.load.role_spec import RoleShares
from wstui.report.live.progress_line import watched_rows
from wstui.tui.app import WstuiApp
from wstui.tui.dashboard.steps_panel import StepsPanel
from wstui.tui.dashboard.watch_screen import WatchScreen


async def test_ctl_watches_one_client_with_sizes_and_what_matched() -> None:
    async with Server() as server, headless(server, "--no-store") as (_, entry):
        status, out, err = await ctl(entry.id, "watch", "3", "--for", "1500ms", "--json")
    assert status == 0, err
    lines = [json.loads(line) for line in out.splitlines()]
    assert {line["client"] for line in lines} == {3}
    assert lines[0]["kind"] == "state" and lines[0]["text"] == "ready"
    sent = [line for line in lines if not line["received"] and line["kind"] == ""]
    came = [line for line in lines if line["received"] and line["step"] == "reply"]
    assert len(sent) > 3 and len(came) > 3
    assert all(line["size"] == len(line["text"].encode()) for line in sent)


async def test_a_client_that_does_not_connect_is_named_and_the_run_goes_on() -> None:
    async with Server() as server, headless(server, "--no-store") as (run, entry):
        status, out, err = await ctl(entry.id, "watch", "4711", "--for", "600ms")
        assert (status, out) == (1, "") and "nothing was seen of client 4711" in err
        assert (await asyncio.to_thread(run.poll)) is None


async def test_the_dashboard_watches_a_client_by_number_filters_and_prints_its_json() -> None:
    async with running(size=(120, 40)) as (app, pilot, session):
        await pilot.press("W")
        await until(lambda: "Watch one client" in shown(app), pilot)
        await pilot.press(*"x7", "enter")
        assert "takes the number of a client" in shown(app)
        await pilot.press("backspace", "backspace", "7", "enter")
        await until(lambda: ("watch_client", 7) in session.commands, pilot)
        lines = (
            TraceLine(1000.0, "", 7, False, "ready", kind="state"),
            TraceLine(1001.0, "", 7, False, '{"type":"ping"}', size=15),
            TraceLine(1002.0, "", 7, True, '{"type":"pong\x1b"}', "reply", size=16),
            TraceLine(1003.0, "", 8, True, "of another", size=10),
        )
        session.picture = replace(session.picture, watched=lines)
        await until(lambda: "✓ reply" in shown(app), pilot)
        assert "client 7  ready" in shown(app) and "of another" not in shown(app) and "\x1b" not in shown(app)
        await pilot.press("slash", *"pong", "enter")
        await until(lambda: "filter “pong”" in shown(app), pilot)
        assert '"ping"' not in shown(app) and '"pong' in shown(app) and "q Quit" in shown(app)
        await pilot.press("escape")
        await until(lambda: '"ping"' in shown(app) and "filter “" not in shown(app), pilot)
        await pilot.press("escape")
        await until(lambda: len(app.screen_stack) == 2, pilot)


async def test_a_long_message_of_a_watched_client_is_shown_whole_at_every_width() -> None:
    async with running(size=(120, 40)) as (app, pilot, session):
        await pilot.press("W", "enter")
        await until(lambda: any(command[0] == "watch_client" for command in session.commands), pilot)
        client = next(command[1] for command in session.commands if command[0] == "watch_client")
        line = TraceLine(1000.0, "", client, True, "begin " + "word " * 100 + "theend", size=506)
        session.picture = replace(session.picture, watched=(line,))
        for size in ((120, 40), (80, 24), (200, 50)):
            await pilot.resize_terminal(*size)
            await until(lambda: "begin" in shown(app) and "theend" in shown(app), pilot)
            (row, *below) = [row for row in shown(app).splitlines() if "word" in row or "theend" in row]
            assert "←    506 B  begin" in row and below
            at = row.index("begin")
            assert all(part.startswith(" " * at) for part in below), "it goes on below where it began"
            log = app.screen.query_one(RichLog)
            assert not log.show_horizontal_scrollbar and shown(app).count("begin") == 1


async def test_from_a_step_a_client_of_its_role_is_watched_and_what_it_matched_is_shown() -> None:
    async with running(fake_roles.status(), size=(120, 40)) as (app, pilot, session):
        steps = app.screen.query_one(StepsPanel)
        steps.focus()
        at = next(index for index, line in enumerate(steps.items) if line.step and line.step.name == "announce")
        steps.action_move(at)
        await pilot.press("W")
        await until(lambda: "Watch one client" in shown(app), pilot)
        client = int(app.screen.query_one(Input).value)
        roles = session.picture.scenario.roles
        shares = RoleShares([role.clients or 0 for role in roles], [role.share for role in roles])
        assert roles[shares.index_of(client)].name == "announcer"
        await pilot.press("enter")
        await until(lambda: ("watch_client", client) in session.commands, pilot)
        lines = (
            TraceLine(1000.0, "announcer", client, False, "to all", "announce", size=6),
            TraceLine(1001.0, "announcer", client, True, "something else", size=14),
        )
        session.picture = replace(session.picture, watched=lines)
        await until(lambda: "announce: to all" in shown(app), pilot)
        assert "filter “announce”" in shown(app) and "something else" not in shown(app)


async def test_from_the_errors_the_client_of_the_latest_sample_is_watched() -> None:
    async with running(size=(120, 40)) as (app, pilot, session):
        await pilot.press("down", "W")
        await until(lambda: "Watch one client" in shown(app), pilot)
        assert app.screen.query_one(Input).value == "11730"
        await pilot.press("enter")
        await until(lambda: ("watch_client", 11_730) in session.commands, pilot)


async def test_a_watch_is_paused_copied_and_written_as_json_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with running(size=(120, 40)) as (app, pilot, session):
        copied: list[str] = []
        app.copy_to_clipboard = copied.append  # type: ignore[method-assign,assignment]
        await pilot.press("W", "home", *"7", "enter")
        await until(lambda: isinstance(app.screen, WatchScreen), pilot)
        number = session.commands[-1][1]
        first = TraceLine(1000.0, "", number, True, '{"a":\x1b1}', "reply", size=8)
        session.picture = replace(session.picture, watched=(first,))
        await until(lambda: "✓ reply" in shown(app), pilot)
        await pilot.press("space")
        second = TraceLine(1001.0, "", number, False, "later", size=5)
        session.picture = replace(session.picture, watched=(first, second))
        await until(lambda: "‖ paused" in shown(app), pilot)
        assert "later" not in shown(app)
        await pilot.press("space")
        await until(lambda: "later" in shown(app), pilot)
        await pilot.press("y", "x")
        await until(lambda: bool(list(tmp_path.glob("*.jsonl"))), pilot)
        assert "later" in copied[0] and "\x1b" not in copied[0]
        (file,) = tmp_path.glob(f"wstui-client-{number}-*.jsonl")
        assert [json.loads(line)["text"] for line in file.read_text().splitlines()] == ['{"a":\x1b1}', "later"]


async def test_who_is_attached_read_only_watches_a_client_too() -> None:
    async with Server() as server, headless(server, "--no-store") as (_, entry):
        remote = await asyncio.to_thread(lambda: attach(entry.id, "guest", read_only=True))
        app = WstuiApp(remote)
        async with app.run_test(size=(120, 40)) as pilot:
            await until(lambda: "⇄ READ-ONLY" in shown(app) and "RUNNING" in shown(app), pilot)
            await pilot.press("W")
            await until(lambda: "Watch one client" in shown(app), pilot)
            await pilot.press("end", "shift+home", *"3", "enter")
            await until(lambda: "client 3  ready" in shown(app) and "✓ reply" in shown(app), pilot)
        remote.close()


def test_json_of_a_message_is_printed_over_several_lines_whatever_it_says() -> None:
    line = TraceLine(1000.0, "", 7, True, '{"note":"3 → 6 pods","n":[1]}', "reply", size=31)
    assert [row.strip() for row in watched_rows(line, pretty=True)] == [
        "1.000s ←     31 B", "{", '"note": "3 → 6 pods",', '"n": [', "1", "]", "}", "✓ reply",
    ]  # fmt: skip
    cut = msgspec.structs.replace(line, text='{"note":"3 → 6 po', size=31)  # only the beginning is kept
    assert watched_rows(cut, pretty=True)[0].endswith('{"note":"3 → 6 po')
