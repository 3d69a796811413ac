"""The runs that were kept: listed, compared, opened, run again, exported, deleted."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tests.tui import fake, fake_store
from tests.tui.driving import shown, until
from wstui.report.analysis.compare import Change, Comparison
from wstui.tui.app import WstuiApp
from wstui.tui.dashboard.dashboard_screen import Dashboard
from wstui.tui.dialogs.file_dialogs import ExportDialog
from wstui.tui.dialogs.questions import ConfirmDialog
from wstui.tui.result.result_screen import ResultScreen
from wstui.tui.runs.comparison import change_rows
from wstui.tui.runs.run_table import RunTable
from wstui.tui.runs.runs_screen import RunsScreen
from wstui.tui.start.start_screen import StartScreen


@asynccontextmanager
async def listed(
    tmp_path: Path, size: tuple[int, int] = (120, 40)
) -> AsyncIterator[tuple[WstuiApp, Pilot[Any], fake_store.FakeLaunches, fake_store.FakeRuns]]:
    """The list of runs, over the start screen."""
    launches, kept = fake_store.FakeLaunches(), fake_store.FakeRuns()
    app = WstuiApp(launcher=launches.launcher(kept), presets=tmp_path, clock=lambda: fake.NOW)
    try:
        async with app.run_test(size=size) as pilot:
            await until(lambda: isinstance(app.screen, StartScreen), pilot)
            await pilot.press("h")
            await until(lambda: isinstance(app.screen, RunsScreen), pilot)
            yield app, pilot, launches, kept
    finally:
        launches.end()


async def test_runs_are_listed_compared_filtered_and_deleted(tmp_path: Path) -> None:
    async with listed(tmp_path) as (app, pilot, _, kept):
        assert "failed: p99" in shown(app) and "interrupted" not in shown(app)
        await pilot.press("down", "down", "space", "up", "space")
        await until(lambda: "B against A" in shown(app) and "-63 %" in shown(app), pilot)
        assert "✗ A" in shown(app) and "✓ B" in shown(app)
        await pilot.press("slash", *"quick", "enter")
        await until(lambda: "” hides 5" in shown(app), pilot)
        await pilot.press("delete", "right", "enter")
        await until(lambda: kept.deleted == [3], pilot)
        await pilot.press("escape")
        await until(lambda: "” hides" not in shown(app), pilot)
        assert "-63 %" in shown(app)
        await pilot.press("escape")
        await until(lambda: "-63 %" not in shown(app) and "A had" not in shown(app), pilot)
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, StartScreen), pilot)


async def test_different_loads_are_warned_of_also_where_they_were_driven_by_hand(tmp_path: Path) -> None:
    async with listed(tmp_path, (160, 40)) as (app, pilot, _, _):
        await pilot.press("down", "down", "space", "up", "space")
        await until(lambda: "A had 14 000 clients, B 12 000: not the same load" in shown(app), pilot)
        await pilot.press("up", "space")
        await until(lambda: "✓ ●" in shown(app), pilot)
        assert "not the same load" not in shown(app)  # three are marked: none is compared
        await pilot.press("c")
        await until(lambda: "3 runs are marked: two can be compared" in shown(app), pilot)


async def test_of_two_marked_runs_the_older_is_a_in_whichever_order_they_were_marked(tmp_path: Path) -> None:
    async with listed(tmp_path, (160, 40)) as (app, pilot, _, _):
        await pilot.press("space", "down", "down", "space")
        await until(lambda: "A run 6, 23 Nov 09:47" in shown(app) and "B run 8, 23 Nov 14:27" in shown(app), pilot)
        assert "✗ A    6" in shown(app) and "✓ B    8" in shown(app)


async def test_the_list_is_sorted_by_a_key_and_by_a_click_on_a_head(tmp_path: Path) -> None:
    async with listed(tmp_path) as (app, pilot, _, _):
        table = app.screen.query_one(RunTable)
        await pilot.press("end")
        at = 5 + sum(column.width for column in table.columns(120)[:8])
        await pilot.click(RunTable, offset=(at + 3, 1))
        await until(lambda: "p99 ms▾" in shown(app), pilot)
        assert [item.run.id for item in table.items][:3] == [6, 8, 7]
        await pilot.click(RunTable, offset=(at + 3, 1))
        await until(lambda: "p99 ms▴" in shown(app), pilot)
        assert [item.run.id for item in table.items][:2] == [3, 5]
        table.sort = "run"
        await pilot.press("s", "s")
        await until(lambda: "preset▴" in shown(app), pilot)
        assert [item.run.name for item in table.items][-1] == "quick"
        await pilot.press("S")
        await until(lambda: "preset▾" in shown(app), pilot)
        assert table.items[0].run.name == "quick"


async def test_rows_of_running_runs_follow_the_store(tmp_path: Path) -> None:
    async with listed(tmp_path) as (app, pilot, _, kept):
        newest = fake_store.kept_result("elsewhere", "2025-11-23T14:31:00+00:00", clients=46, scale=1.0)
        kept.kept.insert(0, fake_store.stored(9, "elsewhere", "running", newest))
        await until(lambda: "0.23 running" in shown(app) and "elsewhere" in shown(app), pilot)
        kept.kept[0] = replace(kept.kept[0], state="finished")
        await until(lambda: "0.23 running" not in shown(app), pilot)
        kept.kept.pop(0)
        await until(lambda: "elsewhere" not in shown(app), pilot)


async def test_a_run_is_tagged_and_found_by_its_tag(tmp_path: Path) -> None:
    async with listed(tmp_path, (80, 24)) as (app, pilot, _, kept):
        await pilot.press("t", *"baseline", "enter")
        await until(lambda: "passed  #baseline" in shown(app), pilot)
        assert kept.kept[0].tags == ("baseline",)
        await pilot.press("slash", *"baseline", "enter")
        await until(lambda: "” hides 6" in shown(app), pilot)
        await pilot.press("t", "space", *"last", "enter")
        await until(lambda: "'last' cannot be a tag" in shown(app), pilot)


async def test_marked_runs_are_deleted_together_and_it_is_said_while_the_store_is_busy(tmp_path: Path) -> None:
    async with listed(tmp_path) as (app, pilot, _, kept):
        busy = threading.Event()
        delete = kept.delete

        def slowly(numbers: Sequence[int]) -> None:
            busy.wait()
            delete(numbers)

        kept.delete = slowly  # type: ignore[method-assign]
        await pilot.press("space", "down", "space", "down", "space", "delete")
        await until(lambda: "Delete 3 runs?" in shown(app) and "Runs 6, 7, 8" in shown(app), pilot)
        await pilot.press("y")
        await until(lambda: "deleting 3 runs …" in shown(app), pilot)
        busy.set()
        await until(lambda: "3 runs deleted" in shown(app), pilot)
        assert sorted(kept.deleted) == [6, 7, 8] and "●" not in shown(app)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_long_names_use_the_room_that_there_is(size: tuple[int, int], tmp_path: Path) -> None:
    async with listed(tmp_path, size) as (app, pilot, _, kept):
        name = "checkout-soak-of-the-whole-stage-two"
        kept.kept = [replace(run, name=name) for run in kept.kept]
        await until(lambda: "checkout-soak-" in shown(app), pilot)
        assert (name in shown(app)) == (size[0] > 120)
        assert all(len(row) <= size[0] for row in shown(app).split("\n"))


async def test_a_run_compares_itself_with_the_one_before_of_its_name(tmp_path: Path) -> None:
    async with listed(tmp_path, (80, 24)) as (app, pilot, _, _):
        await pilot.press("end", "c")
        await pilot.pause()
        assert "this is the first run of medium" in shown(app)
        await pilot.press("home", "down", "c")
        await until(lambda: "✗ A" in shown(app) and "-63 %" in shown(app), pilot)


async def test_enter_opens_the_result_of_a_run_and_leads_back(tmp_path: Path) -> None:
    async with listed(tmp_path, (120, 60)) as (app, pilot, _, _):
        await pilot.press("down", "down", "enter")
        await until(lambda: isinstance(app.screen, ResultScreen) and "response time" in shown(app), pilot)
        assert "run 6: checkout-soak, 23 Nov 09:47" in shown(app) and "✗ FAILED" in shown(app)
        await until(lambda: "against run 4" in shown(app), pilot)
        await pilot.press("h")
        await until(lambda: isinstance(app.screen, RunsScreen), pilot)
        assert len(app.screen_stack) == 3


async def test_a_kept_run_is_run_again_after_a_yes_or_says_why_not(tmp_path: Path) -> None:
    async with listed(tmp_path) as (app, pilot, launches, _):
        await pilot.press("end", "r")
        await until(lambda: "cannot be run again: auth.token was not kept: set AUTH_TOKEN" in shown(app), pilot)
        await pilot.press("home", "r")
        await until(lambda: isinstance(app.screen, ConfirmDialog), pilot)
        assert "Run checkout-soak again?" in shown(app) and not launches.launched
        await pilot.press("right", "enter")
        await until(lambda: isinstance(app.screen, Dashboard), pilot)
        assert [name for _, name, _ in launches.launched] == ["checkout-soak"]


async def test_a_kept_run_is_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with listed(tmp_path) as (app, pilot, _, _):
        await pilot.press("down", "x")
        await until(lambda: isinstance(app.screen, ExportDialog), pilot)
        app.screen.query_one(Input).value = "seven.json"
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, RunsScreen), pilot)
    written = json.loads((tmp_path / "seven.json").read_text())
    assert written["started"] == "2025-11-23T11:02:00+00:00" and len(written["timeline"]) == 240


async def test_a_store_that_cannot_be_read_is_said_and_ends_nothing(tmp_path: Path) -> None:
    async with listed(tmp_path) as (app, pilot, _, kept):

        def broken(limit: int) -> NoReturn:
            raise OSError("the store is damaged: move it away")

        kept.newest = broken  # type: ignore[method-assign]
        await pilot.press("escape", "h")
        await until(lambda: "the store is damaged: move it away" in shown(app), pilot)


async def test_where_only_the_table_has_room_it_says_how_to_fill_it(tmp_path: Path) -> None:
    async with listed(tmp_path, (80, 24)) as (app, _, _, _):
        assert shown(app).count("space marks two runs") == 1


async def test_fewer_than_two_runs_are_not_asked_for_marks(tmp_path: Path) -> None:
    for many, asked in ((0, False), (1, False), (2, True)):
        async with listed(tmp_path, (80, 24)) as (app, pilot, _, kept):
            kept.kept = kept.kept[:many]
            await pilot.press("escape", "h")
            await until(lambda: isinstance(app.screen, RunsScreen), pilot)
            await until(lambda: shown(app).count("can be compared here") == (not asked), pilot)  # noqa: B023
            assert ("space marks two runs" in shown(app)) == asked


@pytest.mark.parametrize(
    ("before", "after", "unit", "word"),
    [(0, 100, "%", "+100.0 pt"), (99.5, 100, "%", "+0.50 pt"), (0.1, 60_000, "ms", "×600k"), (10, 20, "ms", "+100 %")],
)
def test_the_largest_changes_stand_apart_from_the_figures(before: float, after: float, unit: str, word: str) -> None:
    change = Change("response.p99", unit, before, after, None, None)
    _, row = change_rows(Comparison("a", "b", [change], []), 80)
    assert row[3][0] == f" {word}".rjust(10)
