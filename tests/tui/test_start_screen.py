from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from textual.widgets import Input

from tests.tui import fake, fake_store
from tests.tui.driving import go_to, shown, started, until
from tests.tui.editing import control
from wstui.execution.preflight.detection import Detection
from wstui.execution.preflight.probe import Unreachable
from wstui.protocols.guess import ProtocolGuess
from wstui.scenario.file import load
from wstui.scenario.file_refs import shipped_folder
from wstui.scenario.load_curve import shape_of
from wstui.scenario.model import Suite
from wstui.scenario.presets import file_key, recent_files, remember_file
from wstui.tui.dashboard.dashboard_screen import Dashboard
from wstui.tui.dialogs.file_dialogs import NewDialog
from wstui.tui.dialogs.questions import ConfirmDialog, is_local
from wstui.tui.editor.editor_screen import Editor
from wstui.tui.kit import chart
from wstui.tui.kit.chart import plot
from wstui.tui.result.result_screen import ResultScreen
from wstui.tui.start.preset_choice import choices
from wstui.tui.start.preset_list import PresetTable
from wstui.tui.start.start_screen import StartScreen


@pytest.mark.parametrize(("size", "column"), [((80, 24), False), ((120, 40), False), ((200, 50), True)])
async def test_a_description_is_whole_in_the_list_or_below_it(home: Path, size: tuple[int, int], column: bool) -> None:
    async with started(home, size) as (app, pilot, _, _):
        await until(lambda: "The checkout of the stage, for ten" in shown(app), pilot)
        head = next(line for line in shown(app).splitlines() if " last run " in line)
        assert ("description" in head) == column
        assert not [line for line in shown(app).splitlines() if "The checkout" in line and "…" in line]


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
        assert "a run is in progress" in shown(app)
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
        assert "Load edge-1.stage.example?" in shown(app) and "up to 12 000 clients" in shown(app)
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
        await until(lambda: "progressive opens up to 5 000 clients over" in shown(app), pilot)
        await pilot.press("y")
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
        await until((home / "quick-1.toml").exists, pilot)
        await until(lambda: isinstance(app.screen, StartScreen), pilot)
        await go_to(app, pilot, "progressive")
        await pilot.press("d", "enter")
        await until((home / "progressive-1.toml").exists, pilot)
        await until(lambda: isinstance(app.screen, StartScreen), pilot)
        assert isinstance(load(home / "progressive-1.toml"), Suite)
        await go_to(app, pilot, "quick-1")
        await pilot.press("delete", "escape")
        assert (home / "quick-1.toml").exists()
        await pilot.press("delete", "right", "enter")
        await until(lambda: not (home / "quick-1.toml").exists(), pilot)
        assert "quick-1 deleted" in shown(app)


@pytest.mark.parametrize("size", [(80, 24), (60, 16), (40, 10), (200, 50), (100, 60)])
async def test_every_screen_survives_every_size(home: Path, size: tuple[int, int]) -> None:
    async with started(home, size) as (app, pilot, _, _):
        for key in ("h", "escape", "n", "enter", "escape", "question_mark", "escape"):
            await pilot.press(key)
            await pilot.pause()
            assert shown(app).strip()


def test_a_load_shape_follows_stages_pauses_and_searches() -> None:
    shape = shape_of([fake.SCENARIO])
    assert shape.length_s == 780.0 and shape.peak == 12_000
    assert [shape.clients_at(at) for at in (0, 60, 120, 500, 750, 780)] == [0, 6000, 12_000, 12_000, 6000, 0]
    twice = shape_of([fake.SCENARIO, fake.SCENARIO], 30.0)
    assert twice.length_s == 780 * 2 + 30 and twice.clients_at(795) == 0
    assert shape_of([]).length_s == 0.0 and plot(shape_of([])).x_to == 1.0


async def test_presets_stand_in_groups_with_their_load_drawn(home: Path) -> None:
    async with started(home, (200, 50)) as (app, _, _, _):
        rows = shown(app).splitlines()
        assert [row.split()[0] for row in rows[3:] if row[:9].strip()][:3] == ["recent", "yours", "shipped"]
        assert any("quick" in row and "▆" in row for row in rows)


async def test_presets_are_filtered_while_typing(home: Path) -> None:
    async with started(home) as (app, pilot, launches, _):
        await pilot.press("slash", *"shipped soak", "enter")
        await until(lambda: isinstance(app.screen, StartScreen) and "” hides" in shown(app), pilot)
        assert "soak" in shown(app) and "medium" not in shown(app)
        await pilot.press("slash", *"xyzzy", "enter")
        await until(lambda: "nothing matches the filter" in shown(app), pilot)
        await pilot.press("enter", "e", "c")
        assert not launches.launched and isinstance(app.screen, StartScreen)


async def test_who_has_never_run_anything_sees_the_first_steps_at_once(home: Path) -> None:
    async with started(home, (80, 24), runs=False) as (app, _, _, _):
        assert "first steps" in shown(app) and "no server at hand?" in shown(app) and "m Demo" in shown(app)


async def test_the_checklist_fills_line_by_line_and_goes_on_to_the_run(home: Path) -> None:
    async with started(home) as (app, pilot, launches, _):
        launches.gate.clear()
        await go_to(app, pilot, "quick")
        await pilot.press("c")
        await until(lambda: "→ make a new one" in shown(app), pilot)
        assert "looking at" in shown(app) and "failed" not in shown(app)
        launches.gate.set()
        await until(lambda: "13 checks, 1 failed, 1 warned" in shown(app), pilot)
        launches.checks = launches.checks[:6]
        await pilot.press("r")
        await until(lambda: "6 checks, all passed" in shown(app) and "→" not in shown(app).split("quick")[1], pilot)
        assert len(launches.looked) == 2
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, Dashboard), pilot)
        assert [name for _, name, _ in launches.launched] == ["quick"]


async def test_the_first_picture_does_not_wait_for_the_charts(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wstui.tui.start.start_screen._READ_AFTER_S", 0.5)
    chart.kernel.cache_clear()
    async with started(home, settled=False) as (app, pilot, _, _):
        assert "clients over" in shown(app) and "┤" not in shown(app)
        await until(lambda: "┤" in shown(app), pilot)


async def test_a_preset_that_was_opened_by_its_path_is_listed_under_recent(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "elsewhere" / "fail.toml"
    file.parent.mkdir()
    file.write_text(next(home.glob("checkout-soak.toml")).read_text().replace('"checkout-soak"', '"fail"'))
    remember_file(file)
    async with started(home) as (app, pilot, _, _):
        await go_to(app, pilot, "fail")
        table = app.screen.query_one(PresetTable)
        assert table.selected is not None and (table.selected.group, table.selected.entry.path) == ("recent", file)
        assert "d Duplicate" in shown(app) and "del Delete" not in shown(app)
        file.unlink()
        await pilot.press("n", "escape")
        await until(lambda: "fail" not in [choice.name for choice in table.items], pilot)


def test_two_files_of_one_name_each_show_their_own_last_run(home: Path, tmp_path: Path) -> None:
    files = [tmp_path / folder / "load.toml" for folder in ("a", "b", "c")]
    for file in files:
        file.parent.mkdir()
        file.write_text((home / "checkout-soak.toml").read_text().replace('"checkout-soak"', '"load"'))
        remember_file(file)
    result = fake_store.kept_result("load", "2025-11-23T14:27:55+00:00", clients=10, scale=1.0)
    runs = [fake_store.stored(number, "load", "finished", result) for number in (3, 2, 1)]
    runs = [replace(runs[0], file=file_key(files[0]), started="new"), replace(runs[1], file=file_key(files[1])),
            replace(runs[2], started="old")]  # fmt: skip
    found = {choice.entry.path: choice.last_at for choice in choices(recent_files(), runs)}
    assert found == {files[0]: "new", files[1]: result.started, files[2]: "old"}, "of the oldest no file is known"
    assert file_key(shipped_folder() / "quick.toml") == "quick.toml"


def test_only_files_outside_the_preset_folders_are_remembered_and_only_the_latest(home: Path, tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.toml" for number in range(7)]
    for file in [*files, files[0], home / "checkout-soak.toml"]:
        file.touch()
        remember_file(file)
    assert [entry.path for entry in recent_files()] == [files[number] for number in (0, 6, 5, 4, 3)]


async def test_a_new_scenario_is_for_what_the_server_speaks(home: Path) -> None:
    async def look(url: str) -> Detection:
        if "away" in url:
            raise Unreachable(f"{url} can't be reached", "start the server")
        return Detection(url, ProtocolGuess("phoenix", "its phx_reply", {"version": 1}))

    async with started(home) as (app, pilot, _, _):
        launcher = app.services.launcher
        assert launcher is not None
        app.services = replace(app.services, launcher=replace(launcher, look=look))
        app.navigation._services = app.services
        start = app.screen
        assert isinstance(start, StartScreen)
        start.services = app.services
        await pilot.press("n")
        await until(lambda: isinstance(app.screen, NewDialog), pilot)
        await pilot.press(*"ws://away", "enter")
        await until(lambda: "can't be reached: start the server" in shown(app), pilot)
        await pilot.press("n")
        await until(lambda: isinstance(app.screen, NewDialog), pilot)
        await pilot.press(*"ws://host:4000", "tab", *"phenix", "enter")
        await until(lambda: "did you mean phoenix?" in shown(app), pilot)
        app.screen.query_one("#input-protocol", Input).value = ""
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, Editor), pilot)
        await until(lambda: "version = 1" in shown(app), pilot)
        field = control(app, "name")
        assert isinstance(field, Input) and field.value == "phoenix-host-4000"
