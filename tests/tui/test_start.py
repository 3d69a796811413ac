from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from tests.tui import fake, fake_store
from tests.tui.driving import shown, until
from wstui.scenario.file import load
from wstui.scenario.model import Suite
from wstui.tui.app import WstuiApp
from wstui.tui.loadshape import shape_of
from wstui.tui.screens.confirm import ConfirmDialog
from wstui.tui.screens.dashboard import Dashboard
from wstui.tui.screens.editor import Editor, FormLine
from wstui.tui.screens.result import ResultScreen
from wstui.tui.screens.start import StartScreen, is_local
from wstui.tui.widgets.presets import PresetTable


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, with two presets in it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    for name in ("WS_URL", "AUTH_TOKEN", "JWT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return fake_store.own_presets(tmp_path / ".config" / "wstui" / "presets")


@asynccontextmanager
async def started(
    home: Path, size: tuple[int, int] = (120, 40), *, runs: bool = True
) -> AsyncIterator[tuple[WstuiApp, Pilot[Any], fake_store.FakeLaunches, fake_store.FakeRuns]]:
    launches, kept = fake_store.FakeLaunches(), fake_store.FakeRuns()
    app = WstuiApp(launcher=launches.launcher(kept if runs else None), clock=lambda: fake.NOW, presets=home)
    try:
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            yield app, pilot, launches, kept
    finally:
        launches.end()


async def go_to(app: WstuiApp, pilot: Pilot[Any], name: str) -> None:
    table = app.screen.query_one(PresetTable)
    table.action_move([choice.name for choice in table.items].index(name) - table.items.index(table.chosen))  # type: ignore[arg-type]
    await pilot.pause()


def line(app: WstuiApp, key: str) -> Input:
    return next(row for row in app.screen.query(FormLine) if row.entry.key == key).query_one(Input)


def notes(app: WstuiApp) -> str:
    """What stands below the fields."""
    return " ".join(str(note.render()) for note in app.screen.query(".note").results(Static))


async def test_the_presets_are_listed_with_their_load_their_last_verdict_and_what_is_wrong(home: Path) -> None:
    async with started(home) as (app, pilot, _, _):
        text = shown(app)
        for part in ("checkout-soak", "12 000", "13:00", "✓ passed", "quick", "■ aborted", "stress", "shipped",
                     "broken", "first steps", "enter Run", "m Demo", "p99 < 250 ms, errors < 1 %"):  # fmt: skip
            assert part in text, part
        await go_to(app, pilot, "typo")
        assert "target.urll" in shown(app) and "target.url" in shown(app)
        await pilot.press("enter")
        await pilot.pause()
        assert "cannot be run" in shown(app) and isinstance(app.screen, StartScreen)


async def test_a_first_time_user_sees_what_to_press_and_the_demo_is_one_key(home: Path) -> None:
    async with started(home, (80, 24), runs=False) as (app, pilot, launches, _):
        assert "m Demo" in shown(app) and "h Runs" not in shown(app)
        await pilot.press("m")
        await until(lambda: isinstance(app.screen, Dashboard), pilot)
        assert launches.demos == 1


async def test_a_preset_for_this_machine_runs_at_once_and_can_run_again(home: Path) -> None:
    async with started(home) as (app, pilot, launches, _):
        await go_to(app, pilot, "quick")
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, Dashboard), pilot)
        assert [name for _, name, _ in launches.launched] == ["quick"]
        await pilot.press("o")
        await pilot.pause()
        assert "a run is going on" in shown(app)
        launches.end()
        await until(lambda: isinstance(app.screen, ResultScreen), pilot)
        await pilot.press("r", "right", "enter")
        await until(lambda: isinstance(app.screen, Dashboard) and len(launches.sessions) == 2, pilot)
        launches.end()
        await until(lambda: isinstance(app.screen, ResultScreen), pilot)
        await pilot.press("o")
        await until(lambda: isinstance(app.screen, StartScreen), pilot)
        await pilot.press("q")
        await pilot.pause()
        assert app.return_value is not None and app.return_value.result is not None


async def test_another_machine_is_only_loaded_after_a_yes(home: Path) -> None:
    async with started(home) as (app, pilot, launches, _):
        await go_to(app, pilot, "checkout-soak")
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, ConfirmDialog), pilot)
        assert "Load edge-1.stage.example?" in shown(app) and "Up to 12 000 clients" in shown(app)
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, StartScreen), pilot)
        assert not launches.launched
        await pilot.press("enter", "right", "enter")
        await until(lambda: isinstance(app.screen, Dashboard), pilot)


@pytest.mark.parametrize(
    ("url", "local"),
    [("ws://localhost:3001/ws", True), ("ws://127.8.9.1/ws", True), ("wss://[::1]/x", True),
     ("ws://10.0.0.1/", False), ("wss://example.com/ws", False), ("ws://localhost.example.com/", False),
     ("nonsense", False), ("ws://[bad", False)],
)  # fmt: skip
def test_what_is_this_machine(url: str, local: bool) -> None:
    assert is_local(url) is local


async def test_a_sequence_runs_with_its_cooldown(home: Path) -> None:
    async with started(home) as (app, pilot, launches, _):
        await go_to(app, pilot, "progressive")
        assert "quick, medium, stress" in shown(app)
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, Dashboard), pilot)
        scenarios, name, cooldown_s = launches.launched[0]
        assert [s.name for s in scenarios] == ["quick", "medium", "stress"] and name == "progressive"
        assert cooldown_s == 480.0


async def test_what_cannot_be_launched_says_why(home: Path) -> None:
    async with started(home) as (app, pilot, launches, _):
        launches.fault = "open files are limited to 256: raise the limit"
        await go_to(app, pilot, "quick")
        await pilot.press("enter")
        await pilot.pause()
        assert "open files are limited to 256" in shown(app) and isinstance(app.screen, StartScreen)


async def test_own_presets_can_be_copied_and_deleted_and_shipped_ones_only_copied(home: Path) -> None:
    async with started(home) as (app, pilot, _, _):
        await go_to(app, pilot, "quick")
        assert "delete" not in app.screen.active_bindings or not app.screen.active_bindings["delete"].enabled
        await pilot.press("d", "enter")
        await until(lambda: (home / "quick-1.toml").exists(), pilot)
        await until(lambda: isinstance(app.screen, StartScreen), pilot)
        await go_to(app, pilot, "progressive")
        await pilot.press("d")
        await until(lambda: (home / "progressive-1.toml").exists(), pilot)
        assert isinstance(load(home / "progressive-1.toml"), Suite)
        await go_to(app, pilot, "quick-1")
        await pilot.press("delete", "escape")
        assert (home / "quick-1.toml").exists()
        await pilot.press("delete", "right", "enter")
        await until(lambda: not (home / "quick-1.toml").exists(), pilot)
        assert "quick-1 deleted" in shown(app)


async def test_the_editor_explains_values_draws_the_load_and_shows_the_file(home: Path) -> None:
    async with started(home) as (app, pilot, _, _):
        await go_to(app, pilot, "checkout-soak")
        await pilot.press("e")
        await until(lambda: isinstance(app.screen, Editor), pilot)
        await pilot.pause()
        text = shown(app)
        for part in ("ramp: 12000 in 2m", "100 connections/s", "holds 12 000 for 10:00", "per client; 24.0k/s in all",
                     "from ${AUTH_TOKEN:-}", "clients over 13:00", "[target]", "p99 over all but the cooldown",
                     "^s Save preset", "^d Check one connection", "f1 Help"):  # fmt: skip
            assert part in text, part
        assert "unsaved" not in text


async def test_errors_stand_beside_their_field_with_the_nearest_value_and_block_run_and_save(home: Path) -> None:
    async with started(home) as (app, pilot, launches, _):
        await go_to(app, pilot, "quick")
        await pilot.press("e")
        await until(lambda: isinstance(app.screen, Editor), pilot)
        for key, wrong, said in (
            ("messages.exchange", "odinn", 'did you mean "odin"?'),
            ("messages.every", "5 sec", 'did you mean "5s"?'),
            ("stages[0]", "ramp 100 in 10s", "write a name and a load"),
            ("thresholds[0]", "connect.sucess > 99%", 'did you mean "connect.success"?'),
            ("target.url", "http://localhost", "✗"),
        ):
            field = line(app, key)
            before = field.value
            field.value = wrong
            await until(lambda said=said: said in notes(app), pilot)
            await pilot.press("ctrl+r")
            await pilot.pause()
            assert "1 thing to put right first" in shown(app) and app.screen.focused is field
            field.value = before
            await pilot.pause()
        assert not launches.launched and "✗" not in notes(app)


async def test_stages_and_limits_can_be_added_and_taken_out(home: Path) -> None:
    async with started(home) as (app, pilot, launches, _):
        await go_to(app, pilot, "quick")
        await pilot.press("e")
        await until(lambda: isinstance(app.screen, Editor), pilot)
        line(app, "stages[1]").value = ""
        line(app, "stages[2]").value = "storm: 2k in 5s"
        line(app, "thresholds[3]").value = "response.p99 < 50ms"
        await pilot.pause()
        assert "380 connections/s" in shown(app)
        await pilot.press("ctrl+r")
        await until(lambda: isinstance(app.screen, Dashboard), pilot)
        scenario = launches.launched[0][0][0]
        assert [(s.name, s.over, s.clients) for s in scenario.stages] == [("ramp", 10.0, 100), ("storm", 5.0, 2000)]
        wanted = ["connect.success", "connections.dropped", "response.mean", "response.p99"]
        assert [t.metric for t in scenario.thresholds] == wanted


async def test_what_is_edited_is_saved_with_its_references_and_leaving_asks(home: Path) -> None:
    async with started(home) as (app, pilot, _, _):
        await go_to(app, pilot, "quick")
        await pilot.press("e")
        await until(lambda: isinstance(app.screen, Editor), pilot)
        line(app, "name").value = "mine"
        line(app, "messages.every").value = "2s"
        await until(lambda: "unsaved" in shown(app), pilot)
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, ConfirmDialog), pilot)
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, Editor), pilot)
        await pilot.press("ctrl+s", "enter")
        await until(lambda: (home / "mine.toml").exists(), pilot)
        await until(lambda: isinstance(app.screen, Editor), pilot)
        text = (home / "mine.toml").read_text()
        assert '"${WS_URL:-ws://localhost:3001/ws}"' in text and 'every = "2s"' in text and "${AUTH_TOKEN:-}" in text
        await until(lambda: "unsaved" not in shown(app), pilot)
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, StartScreen), pilot)
        assert "mine" in shown(app)


async def test_a_secret_is_never_shown(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH_TOKEN", "tell-nobody")
    async with started(home) as (app, pilot, _, _):
        await go_to(app, pilot, "quick")
        await pilot.press("e")
        await until(lambda: isinstance(app.screen, Editor), pilot)
        line(app, "auth.token").value = "tell-nobody-either"
        await pilot.pause()
        assert "tell-nobody" not in shown(app)


async def test_one_connection_can_be_checked_from_the_editor(home: Path) -> None:
    async with started(home) as (app, pilot, launches, _):
        await go_to(app, pilot, "quick")
        await pilot.press("e")
        await until(lambda: isinstance(app.screen, Editor), pilot)
        await pilot.press("ctrl+d")
        await until(lambda: "✓ one client connects all the way" in shown(app), pilot)
        assert "HTTP 101" in shown(app) and launches.checked[0].name == "quick"
        await pilot.press("escape")
        line(app, "target.url").value = "ws://nowhere:1/ws"
        await pilot.press("ctrl+d")
        await until(lambda: "one client cannot connect" in shown(app), pilot)


@pytest.mark.parametrize("size", [(80, 24), (60, 16), (40, 10), (200, 50), (100, 60)])
async def test_every_screen_survives_every_size(home: Path, size: tuple[int, int]) -> None:
    async with started(home, size) as (app, pilot, _, _):
        for key in ("h", "escape", "n", "escape", "question_mark", "escape"):
            await pilot.press(key)
            await pilot.pause()
            assert shown(app).strip()


def test_a_load_shape_follows_stages_pauses_and_searches() -> None:
    shape = shape_of([fake.SCENARIO])
    assert shape.length_s == 780.0 and shape.peak == 12_000
    assert [shape.clients_at(at) for at in (0, 60, 120, 500, 750, 780)] == [0, 6000, 12_000, 12_000, 6000, 0]
    twice = shape_of([fake.SCENARIO, fake.SCENARIO], 30.0)
    assert twice.length_s == 780 * 2 + 30 and twice.clients_at(795) == 0
    assert shape_of([]).length_s == 0.0 and shape_of([]).plot().x_to == 1.0
