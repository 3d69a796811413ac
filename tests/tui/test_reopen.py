"""The terminal UI calls its operator, gives the mouse away, and opens on what was last looked at."""

from __future__ import annotations

import re
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

from tests.servers.server import until as come
from tests.terminal import TmuxWindow
from tests.tui import fake, fake_store
from tests.tui.driving import go_to, running, shown, until
from tests.tui.test_replay import recorded
from wstui.execution.run.status import Status
from wstui.measure.timeline import Mark
from wstui.tui.alerts import Alerts
from wstui.tui.app import WstuiApp
from wstui.tui.editor.editor_screen import Editor
from wstui.tui.last_view import LastView, last_view, remember
from wstui.tui.services import SessionOutcome
from wstui.tui.settings import read_settings


def broken(status: Status, at_s: float, text: str) -> Status:
    return replace(status, marks=[*status.marks, Mark(at_s, "broken", text)])


def test_a_broken_threshold_and_the_end_call_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMUX", raising=False)
    told: list[str] = []
    alerts = Alerts("desktop", "check;out\x1b", told.append)
    picture = broken(fake.status(), 1.0, "broken before this terminal looked")
    alerts.look(picture)
    assert told == []
    picture = broken(picture, 250.0, "response.p99 is 312 ms\x1b]0;x\a, the limit is < 250 ms")
    alerts.look(picture)
    alerts.look(picture)
    assert len(told) == 1 and told[0].startswith("\a\x1b]9;wstui check,out")
    assert "\x1b]777;notify;wstui check,out" in told[0] and "response.p99 is 312 ms" in told[0]
    assert told[0].count("\x1b]") == 2 and told[0].count("\a") == 1
    alerts.look(broken(picture, 251.0, "another, within the same seconds"))
    assert len(told) == 1
    alerts.ended(SessionOutcome(fake.result()))
    assert len(told) == 2 and "every threshold was kept" in told[1]


def test_tmux_passes_a_notification_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMUX", "/tmp/tmux-0/default,1,0")
    told: list[str] = []
    Alerts("desktop", "quick", told.append).call("ended")
    assert "\x1bPtmux;\x1b\x1b]9;wstui quick: ended\x1b\x1b\\\x1b\\" in told[0]


@pytest.mark.parametrize(("how", "rings"), [("off", 0), ("bell", 1)])
async def test_the_setting_says_how_the_operator_is_called(
    how: str, rings: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f'alert = "{how}"\n')
    told: list[str] = []
    monkeypatch.setattr(WstuiApp, "write_control", lambda _, text: told.append(text))
    async with running(settings=file) as (app, pilot, session):
        session.ended.set()
        await until(lambda: "PASSED" in shown(app), pilot)
        await until(lambda: told == ["\a"] * rings, pilot)


def test_what_is_wrong_with_these_settings_is_named(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('alert = "bel"\nreopen = 1\n')
    settings = read_settings(file, (), ())
    told = "\n".join(map(str, settings.problems))
    assert (settings.alert, settings.reopen) == ("bell", True)
    assert 'did you mean "bell"?' in told and "takes true or false" in told


@asynccontextmanager
async def opened(home: Path, runs: fake_store.FakeRuns | None = None) -> AsyncIterator[tuple[WstuiApp, Pilot[Any]]]:
    launcher = fake_store.FakeLaunches().launcher(runs or fake_store.FakeRuns())
    own, file = home / "own", home / "last-view.json"
    settings = home / "config.toml"
    app = WstuiApp(
        launcher=launcher, clock=lambda: fake.NOW, presets=own, last_view=file,
        settings=settings if settings.exists() else None,
    )  # fmt: skip
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        yield app, pilot


async def leave(app: WstuiApp, pilot: Pilot[Any]) -> None:
    await pilot.press("ctrl+q")
    await until(lambda: not app.is_running, pilot)


async def test_it_opens_on_the_preset_the_runs_the_result_or_the_replay_last_looked_at(tmp_path: Path) -> None:
    async with opened(tmp_path) as (app, pilot):
        await until(lambda: "soak" in shown(app), pilot)
        await go_to(app, pilot, "soak")
        await leave(app, pilot)
    assert last_view(tmp_path / "last-view.json") == LastView(preset="soak")
    async with opened(tmp_path) as (app, pilot):
        await until(lambda: bool(re.search(r"[›▸] *soak", shown(app))) or "soak" in shown(app), pilot)
        assert app.screen.last_view() == {"preset": "soak"}  # type: ignore[attr-defined]
        await pilot.press("e")
        await until(lambda: isinstance(app.screen, Editor), pilot)
        await leave(app, pilot)
    async with opened(tmp_path) as (app, pilot):
        await until(lambda: isinstance(app.screen, Editor), pilot)
        await pilot.press("escape")
        await until(lambda: not isinstance(app.screen, Editor), pilot)
        await pilot.press("h")
        await until(lambda: "run history" in shown(app), pilot)
        await pilot.press("down", "down")
        await leave(app, pilot)
    async with opened(tmp_path) as (app, pilot):
        await until(lambda: "run history" in shown(app), pilot)
        assert app.screen.last_view() == {"screen": "runs", "runs": [6]}  # type: ignore[attr-defined]
        await pilot.press("enter")
        await until(lambda: "run 6: checkout-soak" in shown(app), pilot)
        await leave(app, pilot)
    async with opened(tmp_path) as (app, pilot):
        await until(lambda: "run 6: checkout-soak" in shown(app), pilot)
    runs = fake_store.FakeRuns()
    recording = replace(recorded(1, 20), number=7)
    runs.recording = lambda number: recording  # type: ignore[method-assign]
    remember(LastView("replay", runs=[7]), tmp_path / "last-view.json")
    async with opened(tmp_path, runs) as (app, pilot):
        await until(lambda: "↻ run 7" in shown(app), pilot)


async def test_what_is_gone_or_not_wanted_opens_the_presets(tmp_path: Path) -> None:
    for view in (LastView("result", runs=[4711]), LastView("replay", runs=[4711]), LastView("run", pid=1)):
        remember(view, tmp_path / "last-view.json")
        async with opened(tmp_path) as (app, pilot):
            await until(lambda: "soak" in shown(app), pilot)
            await pilot.pause()
            assert len(app.screen_stack) == 2
    (tmp_path / "last-view.json").write_bytes(b"{nonsense")
    assert last_view(tmp_path / "last-view.json") == LastView()
    remember(LastView("runs", runs=[6]), tmp_path / "last-view.json")
    (tmp_path / "config.toml").write_text("reopen = false\n")
    async with opened(tmp_path) as (app, pilot):
        await until(lambda: "soak" in shown(app), pilot)
        await pilot.pause()
        assert len(app.screen_stack) == 2


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
async def test_a_key_gives_the_mouse_to_the_terminal_and_takes_it_back(tmp_path: Path) -> None:
    async with TmuxWindow(120, 40, f"env HOME={tmp_path} {sys.executable} -m wstui; sleep 9") as at:

        def taken() -> bool:
            flags = "#{mouse_any_flag}#{mouse_button_flag}#{mouse_all_flag}"
            return "1" in at.tmux("display-message", "-p", flags)

        await at.until("quick")
        await come(taken)
        at.press("F3")
        await come(lambda: not taken())
        await at.until("f3 takes it back")
        at.press("F3")
        await come(taken)


def test_the_state_is_plain_json(tmp_path: Path) -> None:
    remember(LastView("result", "quick", [3]), tmp_path / "deep" / "view.json")
    text = (tmp_path / "deep" / "view.json").read_bytes()
    assert msgspec.json.decode(text) == {"screen": "result", "preset": "quick", "runs": [3]}
