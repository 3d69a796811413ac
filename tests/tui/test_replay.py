"""A stored run on the dashboard: as it was shown, at any speed, alone or beside another."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from textual.pilot import Pilot

from tests.cli.commands import call
from tests.servers.server import Server
from tests.terminal import TmuxWindow
from tests.tui import fake
from tests.tui.driving import running, shown, started, until
from wstui.execution.run.state import State
from wstui.report.store.pictures import PicturePacker, Recording
from wstui.report.store.store import Store
from wstui.tui.app import WstuiApp
from wstui.tui.replay.player import SPEEDS, Player
from wstui.tui.replay.replay_screen import Replay
from wstui.tui.requests import OpenReplay


class ReplayClock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def recorded(first: int, last: int, **changes: Any) -> Recording:
    """The made-up run, its pictures from one second to another."""
    packer = PicturePacker()
    rows = fake.rows(fake.ELAPSED_S)
    packed = []
    for second in range(first, last + 1):
        picture = replace(fake.status(rows=rows[:second]), elapsed_s=float(second), **changes)
        packed.append(packer.pack(picture))
        packer.stored()
    events = [{"at_s": mark.at_s, "kind": mark.kind, "text": mark.text} for mark in fake.status().marks]
    result = msgspec.convert(
        json.loads(fake.result().to_json())
        | {"events": events, "timeline": [row.values() for row in rows[:last]], "duration_s": float(last)},
        type(fake.result()),
    )
    return Recording(result, packed)


@asynccontextmanager
async def replayed(
    *runs: Recording, size: tuple[int, int] = (120, 40)
) -> AsyncIterator[tuple[WstuiApp, Pilot[Any], Replay, ReplayClock]]:
    named = [(f"run {number}", run) for number, run in enumerate(runs, 7)]
    app = WstuiApp(clock=lambda: fake.NOW, opening=OpenReplay(named))
    async with app.run_test(size=size) as pilot:
        await until(lambda: isinstance(app.screen, Replay), pilot)
        screen = app.screen
        assert isinstance(screen, Replay)
        clock = ReplayClock()
        screen.player._clock = clock
        screen.player.seek(0.0)
        await pilot.pause()
        yield app, pilot, screen, clock


def panels(app: WstuiApp) -> list[str]:
    """The screen without its first row (mode and time of day) and the row of keys."""
    return shown(app).splitlines()[1:-1]


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_what_is_shown_is_what_was_shown(size: tuple[int, int]) -> None:
    picture = fake.status()
    packer = PicturePacker()
    recording = recorded(1, 2)
    result = msgspec.structs.replace(
        recording.result, timeline=[row.values() for row in picture.rows], duration_s=fake.ELAPSED_S + 60.0
    )
    recording = Recording(result, [packer.pack(picture)])
    async with running(picture, size=size) as (app, pilot, _):
        await pilot.press("tab", "shift+tab")
        live = panels(app)
        app.screen.set_focus(None)
        await pilot.pause()
        live = panels(app)
    async with replayed(recording, size=size) as (app, pilot, _, _):
        await until(lambda: panels(app) == live, pilot)


async def test_it_runs_at_each_speed_pauses_and_is_sought() -> None:
    async with replayed(recorded(1, 120)) as (app, pilot, screen, clock):
        assert "↻ run 7  0:00 / 2:00  1×" in shown(app)
        clock.now = 3.0
        await until(lambda: "0:03 / 2:00" in shown(app), pilot)
        assert screen.session.status.elapsed_s == 3.0
        for _ in SPEEDS:
            await pilot.press("plus")
        assert "100×" in shown(app)
        clock.now += 0.5
        await until(lambda: "0:53 / 2:00" in shown(app) and screen.session.status.elapsed_s == 53.0, pilot)
        await pilot.press("space")
        clock.now += 60
        await pilot.pause()
        assert "0:53 / 2:00  ‖" in shown(app)
        await pilot.press("left", "left", "shift+right")
        assert screen.player.position_s == 93.0
        await pilot.press("t", *"0:42", "enter")
        await until(lambda: "0:42 / 2:00" in shown(app), pilot)
        assert screen.session.status.elapsed_s == 42.0 and len(screen.session.status.rows) == 42
        await pilot.press("t", *"soon", "enter")
        await until(lambda: "or 1:23" in shown(app), pilot)
        await pilot.press("escape", "home", "n")
        assert screen.player.position_s == next(m.at_s for m in fake.status().marks if m.kind == "stage" and m.at_s > 1)


async def test_the_end_shows_the_verdict_and_space_begins_again() -> None:
    async with replayed(recorded(1, 20)) as (app, pilot, screen, _):
        await pilot.press("end")
        await until(lambda: "PASSED" in shown(app), pilot)
        assert screen.session.status.state is State.FINISHED
        await pilot.press("r")
        await until(lambda: "every threshold was kept" in shown(app), pilot)
        await pilot.press("escape")
        await until(lambda: app.screen is screen, pilot)
        await pilot.press("space")
        await until(lambda: "0:00 / 0:20  1×" in shown(app), pilot)


async def test_nothing_is_offered_that_steers_and_no_command_is_taken() -> None:
    async with replayed(recorded(1, 20), size=(200, 50)) as (app, pilot, screen, _):
        keys = shown(app).splitlines()[-1]
        assert all(word not in keys for word in ("Stop", "Pace", "Ramp", "Note", "Watch", "Detach", "Edit"))
        assert all(word in keys for word in ("Pause", "Faster", "Go to", "Result"))
        from wstui.execution.run.commands import AbortRun

        assert not screen.session.send(AbortRun()).result().done
        await pilot.press("escape")
        await until(lambda: not app.is_running, pilot)


async def test_two_runs_side_by_side_share_one_clock() -> None:
    slower = recorded(1, 60, target_clients=4321, counters=fake.status().counters)
    async with replayed(recorded(1, 120), slower, size=(200, 50)) as (app, pilot, screen, clock):
        clock.now = 30.0
        await until(lambda: shown(app).count("0:30 / 2:00") == 2, pilot)
        first, second = (picture.session.status for picture in screen.pictures)
        assert (first.elapsed_s, second.elapsed_s) == (30.0, 30.0) and second.target_clients == 4321
        left, right = screen.pictures
        assert left.region.y == right.region.y and left.region.width == right.region.width == 100
        clock.now = 90.0
        await until(lambda: screen.pictures[1].session.status.state is State.FINISHED, pilot)
        assert screen.pictures[0].session.status.state is State.RUNNING


async def test_a_key_on_the_runs_screen_replays_one_or_two(tmp_path: Path) -> None:
    async with started(tmp_path, size=(200, 50)) as (app, pilot, _, _):
        await pilot.press("h")
        await until(lambda: "run history" in shown(app), pilot)
        await pilot.press("p")
        await until(lambda: "↻ run 8" in shown(app), pilot)
        assert "stored by an earlier wstui: limits, errors" in shown(app)
        await pilot.press("escape")
        await until(lambda: "run history" in shown(app), pilot)
        await pilot.press("space", "down", "space", "p")
        await until(lambda: "↻ run 7" in shown(app) and "↻ run 8" in shown(app), pilot)


def test_a_player_stops_at_its_end() -> None:
    clock = ReplayClock()
    player = Player(10.0, 5.0, clock)
    clock.now = 100.0
    assert player.position_s == 10.0
    player.pause()
    assert player.position_s == 0.0 and not player.paused
    player.seek(-5)
    assert player.position_s == 0.0


async def test_a_picture_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    whole = recorded(1, 5)
    unreadable = Recording(whole.result, [(0, 0, 1.0, b"nonsense")])
    async with started(tmp_path) as (app, pilot, _, _):
        app.screen.post_message(OpenReplay([("run 7", unreadable)]))
        await until(lambda: "the picture at 1 s can't be read" in shown(app), pilot)
    broken = Recording(whole.result, [*whole.packed[:2], (2, 2, 3.0, b"nonsense"), *whole.packed[3:]])
    async with replayed(broken, size=(200, 50)) as (app, pilot, screen, clock):
        clock.now = 3.2
        await until(lambda: "✗ the picture at 3 s can't be read" in shown(app), pilot)
        clock.now = 4.2
        await until(lambda: screen.session.status.elapsed_s == 4.0 and "can't be read" not in shown(app), pilot)


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
async def test_stored_runs_are_replayed_in_a_true_terminal(tmp_path: Path) -> None:
    store = tmp_path / "runs.db"
    async with Server() as server:
        options = ("--clients", "10", "--ramp", "100ms", "--hold", "2s", "--every", "100ms", "--health", "off")
        given = ("run", "quick", "--url", server.url, *options, "--no-probe", "--no-thresholds", "--store", str(store))
        await asyncio.to_thread(call, *given, "--allow-limited")
    with Store(store) as opened:
        recording = opened.recording(1)
    assert recording.packed and recording.at(1.6).counters.open == 10
    assert recording.at(99).result.verdict == recording.result.verdict
    command = f"{sys.executable} -m wstui replay --store {store} last 1 --speed 2; echo status $?; sleep 99"
    async with TmuxWindow(200, 50, command) as at:
        await at.until(r"↻ run 1 .*↻ run 1 ")
        at.press("Home", "Space")
        await at.until(r"0:00 / 0:0\d  ‖")
        at.press("q")
        await at.until("status 0")
    status, _, err = await asyncio.to_thread(call, "replay", "--store", str(store), "last")
    assert status == 2 and "use: wstui runs show last" in err
    status, _, err = await asyncio.to_thread(call, "replay", "--store", str(store), "9")
    assert status == 2 and "no run 9" in err
