"""What came out of a run, on the screen that shows it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.cells import cell_len
from textual.pilot import Pilot
from textual.widgets import Input

from tests.tui import fake, fake_search, fake_store
from tests.tui.driving import running, shown, until
from wstui.execution.run.machine_sections import GeneratorSummary
from wstui.execution.run.result import Result, SuiteResult
from wstui.execution.run.result_sections import Connections, LatencySet, Traffic, Verdict
from wstui.tui.app import WstuiApp
from wstui.tui.dashboard.dashboard_screen import Dashboard
from wstui.tui.dialogs.file_dialogs import ExportDialog
from wstui.tui.dialogs.questions import StopDialog
from wstui.tui.kit.page import Page
from wstui.tui.result.result_screen import ResultScreen
from wstui.tui.runs.runs_screen import RunsScreen
from wstui.tui.services import Launcher


@asynccontextmanager
async def ended(
    size: tuple[int, int] = (120, 60), outcome: Result | SuiteResult | None = None, **options: Any
) -> AsyncIterator[tuple[WstuiApp, Pilot[Any], fake_store.FakeLaunches]]:
    """A run that has just ended, with a store that has it and those before it."""
    launches = fake_store.FakeLaunches()
    launcher = options.pop("launcher", launches.launcher(fake_store.FakeRuns()))
    async with running(outcome=outcome, size=size, launcher=launcher, **options) as (app, pilot, session):
        session.ended.set()
        await until(lambda: isinstance(app.screen, ResultScreen), pilot)
        await until(lambda: "reports" in rows(app), pilot)
        try:
            yield app, pilot, launches
        finally:
            launches.end()


def rows(app: WstuiApp) -> str:
    """The whole page, also what is scrolled away."""
    return "\n".join("".join(text for text, _ in line) for page in app.screen.query(Page) for line in page.rows(118))


async def test_the_verdict_comes_first_and_the_dashboard_stays_reachable() -> None:
    async with running(outcome=fake.result(passed=False), size=(120, 75)) as (app, pilot, session):
        session.ended.set()
        await until(lambda: isinstance(app.screen, ResultScreen), pilot)
        await until(lambda: "p99.9" in shown(app), pilot)
        text = shown(app)
        for part in (
            "✗ FAILED", "response.p99 was 312 ms, the limit is < 250 ms", "✗ p99 < 250 ms", "312", "✓ errors",
            "response time", "round trip", "attempted 12 126 · ready 12 105", "347 in all", "was not the limit",
        ):  # fmt: skip
            assert part in text, part
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, Dashboard), pilot)
        assert "✗ FAILED" in shown(app) and "48.2k msg/s" in shown(app) and "ended after" in shown(app)
        await pilot.press("r")
        await until(lambda: isinstance(app.screen, ResultScreen), pilot)
        await pilot.press("q")
        await pilot.pause()
        assert app.return_value is not None and app.return_value.result is session.outcome


async def test_an_aborted_run_says_so() -> None:
    async with running() as (app, pilot, _):
        await pilot.press("a", "a")
        await until(lambda: isinstance(app.screen, ResultScreen), pilot)
        await until(lambda: "aborted by the operator" in shown(app), pilot)
        assert shown(app).count("■ ABORTED") == 1


async def test_a_generator_that_was_the_limit_is_said_under_the_verdict() -> None:
    async with running(outcome=fake.result(limited=True), size=(80, 24)) as (app, pilot, session):
        session.ended.set()
        await until(lambda: "generator-limited: these figures are not the server's limit" in shown(app), pilot)


async def test_a_run_that_could_not_be_carried_out_says_why() -> None:
    async with running(outcome=RuntimeError("no process can be started: EMFILE\nraise the limit")) as (app, pilot, s):
        s.ended.set()
        await until(lambda: "THE RUN COULD NOT BE CARRIED OUT" in shown(app), pilot)
        assert "no process can be started: EMFILE" in shown(app) and "raise the limit" in shown(app)
        assert "✗ ERROR" in shown(app)
        await pilot.press("q")
        await pilot.pause()
        assert app.return_value is not None and "EMFILE" in app.return_value.error


async def test_a_suite_shows_every_run_under_the_combined_verdict() -> None:
    runs = [fake.result(name="quick"), fake.result(name="medium", passed=False)]
    suite = SuiteResult(
        name="progressive", started="", finished="", runs=runs,
        verdict=Verdict(False, "1 of 2 runs failed: medium"),
    )  # fmt: skip
    async with running(outcome=suite, size=(120, 80)) as (app, pilot, session):
        session.ended.set()
        await until(lambda: "1 of 2 runs failed: medium" in shown(app), pilot)
        text = shown(app)
        assert "progressive" in text and "✓ PASSED   quick" in text and "✗ FAILED   medium" in text


async def test_the_end_closes_a_dialog_that_steers_but_not_one_that_is_read() -> None:
    async with running() as (app, pilot, session):
        await pilot.press("a")
        await until(lambda: isinstance(app.screen, StopDialog), pilot)
        session.ended.set()
        await until(lambda: isinstance(app.screen, ResultScreen), pilot)
    async with running() as (app, pilot, session):
        await pilot.press("enter")
        await pilot.pause()
        session.ended.set()
        await until(lambda: not app.lifecycle.busy, pilot)
        assert "esc closes" in shown(app)
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, ResultScreen), pilot)


async def test_a_result_scrolls_on_a_small_terminal() -> None:
    async with running(size=(80, 24)) as (app, pilot, session):
        session.ended.set()
        await until(lambda: isinstance(app.screen, ResultScreen), pilot)
        await until(lambda: "thresholds" in shown(app), pilot)
        assert "token expired" not in shown(app)
        await pilot.press("pagedown", "pagedown", "pagedown")
        await until(lambda: "token expired" in shown(app), pilot)


async def test_an_empty_result_has_no_invented_figures() -> None:
    empty = Result(
        scenario={"name": "x"}, started="", finished="", duration_s=0.0, verdict=Verdict(False, "nothing was measured"),
        connections=Connections(), messages=Traffic(), latency_ms=LatencySet(), generator=GeneratorSummary(),
    )  # fmt: skip
    async with running(outcome=empty) as (app, pilot, session):
        session.ended.set()
        await until(lambda: "nothing was measured" in shown(app), pilot)
        assert "n/a" in shown(app) and "none set" in shown(app)


async def test_the_page_says_what_limited_the_run_and_which_figures_show_it() -> None:
    async with ended() as (app, _, _):
        text = rows(app)
        for part in ("what limited it", "▲ Messages were not answered in time (from 2:41 on, in hold)",
                     "788 of 14 437 000 messages (0.01 %)", "→ Look at the server's queues"):  # fmt: skip
            assert part in text, part
    async with ended(outcome=fake_store.kept_result("x", "2025-11-23T14:27:55+00:00", clients=9, scale=1)) as (app, *_):
        assert "stages" in rows(app)


async def test_the_latency_table_has_every_statistic_of_response_time_and_round_trip() -> None:
    async with ended() as (app, _, _):
        lines = rows(app).split("\n")
        head = next(line for line in lines if "p99.9" in line)
        assert head.split() == ["count", "mean", "min", "p50", "p90", "p95", "p99", "p99.9", "max"]
        assert next(line for line in lines if line.startswith(" response time")).split()[2:] == [
            "4", "811", "776", "16.2", "1.10", "12.0", "27.5", "41.0", "118", "240", "611"
        ]  # fmt: skip
        assert next(line for line in lines if line.startswith(" round trip")).split()[2:] == [
            "4", "811", "776", "15.8", "1.00", "11.8", "27.0", "40.2", "112", "236", "604"
        ]  # fmt: skip


async def test_a_run_is_compared_with_the_last_of_its_preset_by_itself() -> None:
    async with ended() as (app, pilot, _):
        await until(lambda: "against run 7" in rows(app), pilot)
        assert "run 8 in ~/.local/share/wstui/runs.db" in rows(app)
        await pilot.press("c")
        await until(lambda: isinstance(app.screen, RunsScreen) and "B against A" in shown(app), pilot)
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, ResultScreen), pilot)


async def test_that_the_last_run_had_another_load_is_said() -> None:
    other = fake_store.kept_result("checkout-soak", "2025-11-23T14:27:55+00:00", clients=9000, scale=0.98)
    async with ended(outcome=other) as (app, pilot, _):
        await until(lambda: "run 7 had 12 000 clients, this one 9 000" in rows(app), pilot)


async def test_the_first_run_of_a_preset_is_compared_with_nothing() -> None:
    first = fake_store.kept_result("medium", "2025-11-21T18:12:00+00:00", clients=1000, scale=0.3)
    async with ended(outcome=first) as (app, pilot, _):
        await until(lambda: "run 2 in" in rows(app), pilot)
        assert "against run" not in rows(app)
        await pilot.press("c")
        await pilot.pause()
        assert isinstance(app.screen, ResultScreen)


async def test_the_page_says_where_the_reports_lie() -> None:
    launches = fake_store.FakeLaunches()
    launcher = Launcher(launches.launch, runs=fake_store.FakeRuns(), reports={"html": "out/run.html"})
    async with ended(launcher=launcher) as (app, _, _):
        assert "html         out/run.html, written when you quit" in rows(app)
    async with ended(launcher=Launcher(launches.launch)) as (app, _, _):
        assert "nowhere: the store is switched off" in rows(app)


async def test_a_result_is_exported_as_what_the_ending_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with ended() as (app, pilot, _):
        await until(lambda: "run 8 in" in rows(app), pilot)
        await pilot.press("x")
        await until(lambda: isinstance(app.screen, ExportDialog), pilot)
        field = app.screen.query_one(Input)
        assert field.value == "checkout-soak-8.html"
        field.value = "it.doc"
        await pilot.press("enter")
        await until(lambda: "the ending tells no report format" in shown(app), pilot)
        field.value = "it.json"
        await until(lambda: "its schema is stable" in shown(app), pilot)
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, ResultScreen), pilot)
        assert json.loads((tmp_path / "it.json").read_text())["verdict"]["passed"] is True
        assert "written to" in shown(app)
        (tmp_path / "it.json").write_text("mine")
        await pilot.press("x")
        await until(lambda: isinstance(app.screen, ExportDialog), pilot)
        app.screen.query_one(Input).value = "it.json"
        await until(lambda: "is there already" in shown(app), pilot)
        await pilot.press("enter")
        await until(lambda: "enter once more" in shown(app), pilot)
        assert (tmp_path / "it.json").read_text() == "mine"
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, ResultScreen), pilot)
        assert (tmp_path / "it.json").read_text() != "mine"


async def test_a_report_that_cannot_be_written_is_said_beside_the_field(tmp_path: Path) -> None:
    async with ended() as (app, pilot, _):
        await pilot.press("x")
        await until(lambda: isinstance(app.screen, ExportDialog), pilot)
        app.screen.query_one(Input).value = str(tmp_path / "none" / "it.csv")
        await pilot.press("enter")
        await until(lambda: "✗" in shown(app) and isinstance(app.screen, ExportDialog), pilot)


async def test_a_search_shows_latency_against_load_and_each_step() -> None:
    async with ended(outcome=fake_search.found()) as (app, pilot, _):
        text = rows(app)
        for part in ("latency ms against clients", "limit 250", "holds 3 250 clients, breaks at 3 500: response",
                     "✓ holds     3 250", "✗ breaks    4 000",
                     "  response.p99 was 388 ms (limit < 250 ms)"):  # fmt: skip
            assert part in text, part
        spots = [char for line in app.screen.query_one(Page).rows(118) for char, meaning in line
                 if meaning in ("strong-ok", "strong-bad") and char in "✓✗"]  # fmt: skip
        assert spots.count("✓") >= 5 and spots.count("✗") >= 2
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, Dashboard), pilot)


async def test_a_run_that_ends_while_the_screens_are_taken_down_has_nobody_to_tell() -> None:
    async with running() as (app, _, _):
        assert app.lifecycle.runner is not None
    app.lifecycle.ended(app.lifecycle.runner)


async def test_a_run_is_begun_again_only_after_a_yes() -> None:
    async with ended(size=(120, 40)) as (app, pilot, launches):
        await pilot.press("r")
        await until(lambda: "Run checkout-soak again?" in shown(app), pilot)
        assert "Up to 12 000 clients for 13:00" in shown(app)
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, ResultScreen), pilot)
        assert not launches.launched
        await pilot.press("r", "right", "enter")
        await until(lambda: isinstance(app.screen, Dashboard), pilot)
        assert [name for _, name, _ in launches.launched] == ["checkout-soak"]


NASTY = "\x1b[2J\x1b]0;owned\x07[bold red]markup[/] \u202eright to left\u202c 漢字漢字 שלום \r\n\t" + "e\u0301" * 5


@pytest.mark.parametrize("size", [(200, 50), (80, 24), (40, 10), (1, 1)])
async def test_hostile_and_huge_results_stay_text_in_their_place(size: tuple[int, int]) -> None:
    plain = fake.result(passed=False)
    huge = 10_000_000
    worst = msgspec.structs.replace(
        plain,
        scenario={**plain.scenario, "name": NASTY, "target": {"url": "wss://" + "very-long-host." * 40 + "example/ws"}},
        verdict=msgspec.structs.replace(plain.verdict, reason=NASTY * 4),
        connections=msgspec.structs.replace(plain.connections, attempted=huge, ready=0, refused=huge, dropped=huge),
        failures=[msgspec.structs.replace(plain.failures[0], kind=NASTY, message="漢" * 300, count=huge, samples=[]),
                  msgspec.structs.replace(plain.failures[1], message=NASTY * 3, count=0)] * 15,
        stages=[msgspec.structs.replace(plain.stages[0], name=NASTY)],
    )  # fmt: skip
    async with ended(size, worst) as (app, pilot, _):
        for _ in range(6):
            await pilot.press("pagedown")
        text = shown(app)
        assert all(cell_len(row) <= size[0] for row in text.split("\n"))
        whole = rows(app)
        assert not {char for char in text + whole if ord(char) < 32 and char != "\n"}
        assert "\u202e" not in whole and "\\x1b[2J\\x1b]0;owned\\x07[bold red]markup[/]" in whole
        assert all(cell_len(row) <= 118 for row in whole.split("\n"))


async def test_a_suite_begins_with_a_table_of_its_runs_and_a_key_goes_from_one_to_the_next() -> None:
    runs = [fake.result(name="quick"), fake.result(passed=False, name="medium"), fake.result(name="stress")]
    suite = SuiteResult(name="progressive", started="", finished="", verdict=runs[1].verdict, runs=runs)
    async with running(outcome=suite, size=(120, 40)) as (app, pilot, session):
        session.ended.set()
        await until(lambda: isinstance(app.screen, ResultScreen) and "✗  medium" in shown(app), pilot)
        table = [row.split() for row in shown(app).split("\n") if row.strip().startswith(("✓  quick", "✗  medium"))]
        assert table[0][:4] == ["✓", "quick", "passed", "12"] and table[1][-1] == "response.p99"
        report = app.screen.query_one("#result")
        page = app.screen.query_one(Page)
        lines = ["".join(text for text, _ in line) for line in page.rows(page.size.width)]
        starts = [number for number, line in enumerate(lines) if line.startswith((" ✓ PASSED   ", " ✗ FAILED   "))]
        assert len(starts) >= 3
        rows = [starts[-3], starts[-2], starts[-1], starts[-2]]
        keys = ("right_square_bracket", "right_square_bracket", "tab", "left_square_bracket")
        for key, row in zip(keys, rows, strict=True):
            await pilot.press(key)
            await until(lambda row=row: report.scroll_offset.y == row, pilot)  # type: ignore[misc]
