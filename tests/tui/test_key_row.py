from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tests.tui import fake, fake_store
from tests.tui.driving import running, shown, shows, until
from tests.tui.editing import control
from wstui.execution.run.result_sections import FailureSummary
from wstui.execution.run.state import State
from wstui.scenario.file import load
from wstui.tui.app import WstuiApp
from wstui.tui.checklist.checklist_screen import ChecklistScreen
from wstui.tui.dashboard.dashboard_screen import Dashboard
from wstui.tui.dashboard.errors_panel import Errors, SamplesDialog
from wstui.tui.dashboard.steps_panel import StepsPanel
from wstui.tui.dashboard.watch_screen import WatchScreen
from wstui.tui.dialogs.command import CommandDialog
from wstui.tui.dialogs.dialog import Dialog
from wstui.tui.dialogs.file_dialogs import SaveDialog
from wstui.tui.dialogs.help import HelpDialog
from wstui.tui.dialogs.questions import ConfirmDialog, FailedStartDialog, StopDialog
from wstui.tui.dialogs.steering_dialogs import PaceDialog, RampDialog
from wstui.tui.editor.editor_screen import Editor
from wstui.tui.editor.roles.role_tree import RoleTree
from wstui.tui.imports.import_screen import ImportScreen
from wstui.tui.kit.amount import parse_clients
from wstui.tui.kit.list_table import ListTable
from wstui.tui.kit.option_row import OptionRow
from wstui.tui.manual.manual_screen import ManualScreen
from wstui.tui.palette import Commands, bindings_of, owners
from wstui.tui.replay.replay_screen import Replay
from wstui.tui.result.result_screen import ResultScreen
from wstui.tui.runs.run_table import RunTable
from wstui.tui.runs.runs_screen import RunsScreen
from wstui.tui.runs.trend_screen import TrendScreen
from wstui.tui.start.preset_list import PresetTable
from wstui.tui.start.start_screen import StartScreen


async def test_plus_and_minus_change_the_target_by_a_tenth_in_two_seconds() -> None:
    async with running() as (app, pilot, session):
        await pilot.press("plus")
        await pilot.pause()
        assert "target 12 000 → 13 200 clients over 2 s" in shown(app)
        await pilot.press("minus", "minus")
    assert session.commands == [("ramp", 13_200, 2.0), ("ramp", 12_000, 2.0), ("ramp", 10_800, 2.0)]


async def test_even_one_client_can_be_stepped_and_never_below_none() -> None:
    async with running(fake.status(target_clients=1)) as (_, pilot, session):
        await pilot.press("minus", "minus", "plus")
    assert [command[1] for command in session.commands] == [0, 0, 1]


async def test_a_target_is_asked_for_and_checked_beside_its_field() -> None:
    async with running() as (app, pilot, session):
        await pilot.press("t")
        await pilot.pause()
        assert isinstance(app.screen, RampDialog)
        app.screen.query_one("#input-clients", Input).value = "lots"
        await pilot.press("enter")
        await pilot.pause()
        assert '✗ "lots" is not a number of clients' in shown(app)
        app.screen.query_one("#input-clients", Input).value = "20k"
        app.screen.query_one("#input-over", Input).value = "30"
        await pilot.press("enter")
        await pilot.pause()
        assert "is a number without a unit" in shown(app)
        app.screen.query_one("#input-over", Input).value = "30s"
        await pilot.pause()
        assert "8 013 more than are open now" in shown(app) and "267 connections/s" in shown(app)
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, Dashboard), pilot)
    assert session.commands == [("ramp", 20_000, 30.0)]


async def test_escape_leaves_a_dialog_without_a_command() -> None:
    async with running() as (app, pilot, session):
        for key in ("t", "p", "s", "a", "slash", "question_mark", "enter"):
            await pilot.press(key)
            await pilot.pause()
            assert not isinstance(app.screen, Dashboard), key
            await pilot.press("escape")
            await until(lambda: isinstance(app.screen, Dashboard), pilot)
    assert session.commands == []


async def test_a_pace_is_asked_for() -> None:
    async with running() as (app, pilot, session):
        await pilot.press("p")
        await pilot.pause()
        assert isinstance(app.screen, PaceDialog)
        assert "24.0k messages/s from 11 987 clients" in shown(app)
        app.screen.query_one("#input-every", Input).value = "0s"
        await pilot.pause()
        assert "closed loop" in shown(app)
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, Dashboard), pilot)
    assert session.commands == [("pace", 0.0)]


@pytest.mark.parametrize(
    ("text", "number"), [("12000", 12000), ("12 000", 12000), ("12k", 12000), ("1.5k", 1500), ("0", 0), ("1e3", 1000)]
)
def test_numbers_of_clients_are_read_as_people_write_them(text: str, number: int) -> None:
    assert parse_clients(text) == number


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "1e9", "nan", "inf", "12kk"])
def test_what_is_no_number_of_clients_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"write"):
        parse_clients(text)


async def test_stopping_asks_and_keeping_on_is_the_default() -> None:
    async with running() as (app, pilot, session):
        await pilot.press("a")
        await pilot.pause()
        assert isinstance(app.screen, StopDialog)
        assert "checkout-soak is in hold, 2:12 of 10:00." in shown(app)
        for answer in ("enter", "n"):
            await pilot.press(answer)
            await until(lambda: isinstance(app.screen, Dashboard), pilot)
            await pilot.press("a")
            await until(lambda: isinstance(app.screen, StopDialog), pilot)
        assert session.commands == []
        await pilot.press("d")
        await until(lambda: session.commands == [("drain",)], pilot)


async def test_abort_from_the_stop_dialog_with_the_arrows() -> None:
    async with running() as (app, pilot, session):
        await pilot.press("a", "right", "right", "enter")
        await until(lambda: bool(session.commands), pilot)
        await until(lambda: "■ ABORTED" in shown(app), pilot)
    assert session.commands == [("abort",)]


async def test_quitting_during_a_run_asks_and_then_leaves() -> None:
    async with running() as (app, pilot, session):
        await pilot.press("q")
        await pilot.pause()
        assert isinstance(app.screen, StopDialog) and "wstui then quits" in shown(app)
        await pilot.press("escape", "ctrl+c")
        await pilot.pause()
        assert isinstance(app.screen, StopDialog)
        await pilot.press("d")
        await until(lambda: app.return_value is not None, pilot)
        assert app.return_value is not None and app.return_value.result is session.outcome


async def test_ctrl_z_is_not_bound() -> None:
    async with running() as (app, pilot, _):
        await pilot.press("ctrl+z")
        await pilot.pause()
        assert "ctrl+z" not in app.screen.active_bindings
        assert "▶ RUNNING" in shown(app)


async def test_the_axis_the_window_and_the_panels_follow_their_keys() -> None:
    async with running() as (app, pilot, _):
        await pilot.press("g")
        await pilot.pause()
        assert "linear" in shown(app)
        await pilot.press("w")
        await pilot.pause()
        assert "last 1 min" in shown(app)
        await pilot.press("1")
        await pilot.pause()
        assert "messages/s" not in shown(app) and "errors  347" not in shown(app)
        await pilot.press("3")
        await pilot.pause()
        assert "latency ms" not in shown(app) and "347 in 5 groups" in shown(app)
        await pilot.press("2")
        await pilot.pause()
        assert "messages/s" in shown(app) and "latency ms" not in shown(app)
        await pilot.press("4")
        await pilot.pause()
        assert "latency spread" in shown(app)
        await pilot.press("escape")
        await pilot.pause()
        assert "latency ms" in shown(app) and "347 in 5 groups" in shown(app)


async def test_the_side_can_be_seen_on_a_small_terminal() -> None:
    async with running(size=(80, 24)) as (app, pilot, _):
        await pilot.press("4")
        await pilot.pause()
        assert all(part in shown(app) for part in ("12 126 attempts", "12 041 of 65.5k", "connect p95 < 500 ms"))


@pytest.mark.usefixtures("every_frame")
async def test_errors_are_filtered_while_typing_and_escape_undoes_it() -> None:
    async with running() as (app, pilot, _):
        await pilot.press("slash", *"1013")
        await until(lambda: "87 of 347 in 1 of 5 groups" in shown(app), pilot)
        await pilot.press("escape")
        await until(lambda: "347 in 5 groups" in shown(app), pilot)
        await pilot.press("slash", *"503", "enter")
        await until(lambda: isinstance(app.screen, Dashboard), pilot)
        assert "HTTP 503" in shown(app) and "no pong" not in shown(app)


async def test_the_cursor_moves_and_samples_open() -> None:
    async with running() as (app, pilot, _):
        await pilot.press("down", "down", "up", "enter")
        await pilot.pause()
        assert "try again later" in shown(app) and "client 11730" in shown(app) and "esc closes" in shown(app)


async def test_a_click_chooses_a_group_and_a_double_click_opens_it() -> None:
    async with running() as (app, pilot, _):
        await pilot.click(Errors, offset=(10, 4))
        assert app.screen.query_one(Errors).selected is not None
        assert app.screen.query_one(Errors).selected.kind == "connect"  # type: ignore[union-attr]
        await pilot.click(Errors, offset=(10, 4), times=2)
        await pilot.pause()
        assert "connection reset by peer" in shown(app) and "esc closes" in shown(app)


async def test_the_cursor_stays_on_its_group_when_the_order_changes() -> None:
    async with running(size=(120, 40)) as (app, pilot, session):
        await pilot.press("down", "down")
        table = app.screen.query_one(Errors)
        more = FailureSummary("new", "most of all", 10_000, 0.0, 1e-9)
        session.picture = fake.status(failures=(more, *fake.FAILURES))
        await until(lambda: "most of all" in shown(app), pilot)
        assert table.selected is not None and table.selected.kind == "connect"


async def test_the_summary_is_copied_and_written_where_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with running(size=(200, 50)) as (app, pilot, _):
        await pilot.press("y", "y")
        await pilot.pause()
        file = tmp_path / "wstui-summary-20251123-143207.txt"
        assert file.read_text() == app.clipboard
        assert (tmp_path / "wstui-summary-20251123-143207-2.txt").stat().st_mode & 0o777 == 0o600
        assert "wstui-summary-20251123-143207-2.txt" in shown(app)
    assert "▶ RUNNING  checkout-soak" in app.clipboard and "p99 < 250 ms: 118" in app.clipboard


async def test_errors_are_exported_as_json_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with running() as (_, pilot, _):
        await pilot.press("x")
        await pilot.pause()
    path = tmp_path / "wstui-errors-20251123-143207.jsonl"
    assert path.stat().st_mode & 0o777 == 0o600
    lines = path.read_text().splitlines()
    groups = [json.loads(line) for line in lines]
    assert [group["count"] for group in groups] == [214, 87, 31, 12, 3]
    assert groups[0]["samples"][-1] == {"at_s": 251.0, "client": 8812, "detail": "sent 1 204 · idle 10.0 s"}


async def test_a_folder_that_cannot_be_written_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setattr(Path, "cwd", lambda: blocked)
    monkeypatch.setattr("platformdirs.user_state_dir", lambda _: str(blocked))
    async with running() as (app, pilot, _):
        await pilot.press("x")
        await pilot.pause()
        assert "cannot be written" in shown(app)


async def test_a_scenario_is_saved_under_a_name_and_asks_before_it_replaces(tmp_path: Path) -> None:
    async with running(presets=tmp_path) as (app, pilot, _):
        await pilot.press("s")
        await pilot.pause()
        assert isinstance(app.screen, SaveDialog)
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, Dashboard), pilot)
        file = tmp_path / "checkout-soak.toml"
        assert load(file) == fake.SCENARIO
        file.write_text("# mine\n")
        await pilot.press("s", "enter")
        await until(lambda: "is there already" in shown(app), pilot)
        assert file.read_text() == "# mine\n"
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, Dashboard), pilot)
        assert load(file) == fake.SCENARIO


async def test_a_place_that_cannot_be_saved_to_is_said_beside_the_field(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with running(presets=tmp_path) as (app, pilot, _):
        await pilot.press("s")
        await pilot.pause()
        field = app.screen.query_one(Input)
        for text, said in (("", "write a name"), ("a b?", "a name is letters"), (f"{tmp_path}/", "is a folder"),
                           (f"{tmp_path}/file/x", "✗")):  # fmt: skip
            field.value = text
            await pilot.press("enter")
            await until(partial(shows, app, said), pilot)
            assert isinstance(app.screen, SaveDialog)


async def test_help_lists_the_live_keys_and_follows_a_remapping() -> None:
    async with running(keymap={"load.pause": "f9"}, size=(120, 40)) as (app, pilot, session):
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(app.screen, HelpDialog)
        text = shown(app)
        assert all(part in text for part in ("f9", "pause or resume sending", "1–4", "ctrl+p", "within its limit"))
        await pilot.press("escape", "space", "f9")
        await until(lambda: session.commands == [("pause",)], pilot)


async def offered(app: WstuiApp, pilot: Pilot[Any]) -> set[str]:
    """What the palette has on this screen: the explanations of its entries."""
    await pilot.pause()
    return {title.partition(": ")[2].casefold() for title, *_ in Commands(app.screen)._entries()}


async def test_the_palette_offers_every_action_of_every_screen(tmp_path: Path) -> None:
    launches, kept = fake_store.FakeLaunches(), fake_store.FakeRuns()
    app = WstuiApp(launcher=launches.launcher(kept), presets=tmp_path, clock=lambda: fake.NOW)
    found: dict[type, set[str]] = {}
    async with app.run_test(size=(120, 60)) as pilot:
        await until(lambda: isinstance(app.screen, StartScreen), pilot)
        found[StartScreen] = found[PresetTable] = found[ListTable] = await offered(app, pilot)
        await pilot.press("e")
        await until(lambda: isinstance(app.screen, Editor), pilot)
        found[Editor] = await offered(app, pilot)
        control(app, "stages[0].name").focus()
        found[Editor] |= await offered(app, pilot)
        control(app, "auth.kind").focus()
        found[OptionRow] = await offered(app, pilot)
        await pilot.press("f5")
        await until(lambda: isinstance(app.screen, ChecklistScreen), pilot)
        found[ChecklistScreen] = await offered(app, pilot)
        await pilot.press("escape", "escape")
        await until(lambda: isinstance(app.screen, StartScreen), pilot)
        await pilot.press("m")
        await until(lambda: isinstance(app.screen, Dashboard), pilot)
        found[Dashboard] = found[Errors] = await offered(app, pilot)
        await pilot.press("1")
        found[Dashboard] |= await offered(app, pilot)
        await pilot.press("escape")
        await pilot.press("a")
        await until(lambda: isinstance(app.screen, StopDialog), pilot)
        found[StopDialog] = found[Dialog] = await offered(app, pilot)
        await pilot.press("escape")
        launches.end()
        await until(lambda: isinstance(app.screen, ResultScreen), pilot)
        await until(lambda: "c Compare" in shown(app), pilot)
        found[ResultScreen] = await offered(app, pilot)
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, Dashboard), pilot)
        found[Dashboard] |= await offered(app, pilot)
        await pilot.press("h")
        await until(lambda: isinstance(app.screen, RunsScreen), pilot)
        found[RunsScreen] = found[RunTable] = await offered(app, pilot)
        await pilot.press("delete")
        await until(lambda: isinstance(app.screen, ConfirmDialog), pilot)
        found[ConfirmDialog] = await offered(app, pilot)
    found[SamplesDialog] = {"copy all samples"}  # opened where there are errors
    opened_elsewhere = (
        FailedStartDialog,
        HelpDialog,
        ManualScreen,
        StepsPanel,
        RoleTree,
        WatchScreen,
        TrendScreen,
        Replay,
        ImportScreen,
        CommandDialog,
    )
    for screen in opened_elsewhere:  # by tests of their own
        found[screen] = {binding.tooltip.casefold() for binding in bindings_of([screen])}
    assert set(found) == set(owners())
    # these need a preset of one's own, a wrong value, several machines, a terminal to leave, a note or a suite, or have
    # another name; moving is none
    elsewhere = {"preset.delete", "edit.accept", "preset.all", "load.redistribute", "load.detach", "list.open"}
    elsewhere |= {"view.change"}
    elsewhere |= {"result.next", "result.previous", "view.steps", "view.step"}
    for owner, names in found.items():
        for binding in bindings_of([owner]):
            others = bindings_of([*owners(), WstuiApp])
            known = {other.tooltip.casefold() for other in others if other.action == binding.action}
            moves = binding.action.startswith(("move(", "scroll(", "line(", "section(", "app.focus_", "choose("))
            assert moves or known & names or binding.id in elsewhere, (owner, binding)


async def test_what_is_chosen_in_the_palette_is_done() -> None:
    async with running(size=(120, 60)) as (app, pilot, session):
        await pilot.press("ctrl+p", *"more", "enter")
        await until(lambda: session.commands == [("ramp", 13_200, 2.0)], pilot)
        await pilot.press("ctrl+p", *"freeze", "enter")
        await until(lambda: "VIEW FROZEN" in shown(app), pilot)


async def test_a_click_on_a_key_presses_it() -> None:
    async with running() as (_, pilot, session):
        await pilot.click("KeyRow", offset=(3, 0))
        await until(lambda: session.commands == [("pause",)], pilot)


async def test_nothing_steers_a_run_that_has_ended() -> None:
    async with running() as (app, pilot, session):
        session.picture = fake.status(state=State.FINISHED)
        await pilot.press("space", "plus", "t", "p", "right_square_bracket", "a")
        await pilot.pause()
        assert isinstance(app.screen, Dashboard) and session.commands == []
