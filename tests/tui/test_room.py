"""What a screen tells with little room: whole figures and words, in their columns, and no key that would be refused."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from textual.color import Color
from textual.pilot import Pilot
from textual.widgets import Input

from tests.tui import editing, fake
from tests.tui.driving import go_to, running, shown, started, until
from tests.tui.screenshots import SIZES, Shot, staged
from wstui.execution.run.result_sections import ThresholdOutcome
from wstui.execution.run.status import Status
from wstui.report.analysis.compare import Change, Comparison
from wstui.tui.dashboard.thresholds import threshold_name
from wstui.tui.dialogs.help import HelpDialog
from wstui.tui.editor.editor_screen import Editor
from wstui.tui.imports.import_dialog import ImportDialog
from wstui.tui.manual.manual_screen import markdown_rows
from wstui.tui.result.result_screen import ResultScreen
from wstui.tui.runs.comparison import change_rows
from wstui.tui.runs.runs_screen import RunsScreen
from wstui.tui.start.start_screen import StartScreen
from wstui.tui.theme import CONTRAST, contrast

GROWTH = ThresholdOutcome("target.memory_growth", "< 20MiB/h", None, None, unit="MiB/h")
BROKEN = ThresholdOutcome("response.p99", "< 250ms", 312.0, False, unit="ms", used=1.25)


def late(*reasons: str) -> Status:
    return fake.status(generator=replace(fake.status().generator, cpu=0.03, late_share=0.015, limited_by=reasons))


@pytest.mark.parametrize("size", SIZES)
async def test_kept_broken_and_not_measured_limits_are_counted_at_every_size(size: tuple[int, int]) -> None:
    outcomes = (BROKEN, GROWTH, *fake.OUTCOMES[1:])
    async with running(fake.status(thresholds=outcomes), size=size) as (app, _, _):
        text = shown(app)
    assert "3 kept, 1 broken, 1 n" in text and "measur…" not in text
    assert ("1 n/a" in text) == (size[0] < 200)


@pytest.mark.parametrize("size", SIZES[:2])
async def test_the_name_of_a_metric_is_cut_before_its_limit(size: tuple[int, int]) -> None:
    """Neither beside a run nor in its result may the figure be lost that a run is held against."""
    stage = msgspec.structs.replace(GROWTH, metric="target.memory_growth_of_everything_there_is_and_more", stage="hold")
    outcome = fake.result()
    outcome.verdict.thresholds.append(stage)
    async with running(fake.status(thresholds=(stage, GROWTH)), size=size, outcome=outcome) as (app, pilot, session):
        await pilot.press("4")
        await until(lambda: "latency spread ms" in shown(app), pilot)
        assert shown(app).count("< 20 MiB/h") == 2
        assert "over…" not in shown(app), "the head of the histogram leaves out words instead of cutting them"
        session.ended.set()
        await until(lambda: isinstance(app.screen, ResultScreen) and "< 20 MiB/h" in shown(app), pilot)


async def test_the_banner_names_the_first_cause_whole_where_not_all_have_room() -> None:
    why = ("1.5 % of the sends were late", "other programs took 1.9 of 2 processors")
    async with running(late(*why)) as (app, _, _):
        (banner,) = [row for row in shown(app).splitlines() if "GENERATOR-LIMITED" in row]
    assert banner.strip() == "▲ GENERATOR-LIMITED: 1.5 % of the sends were late: not the server's limit"


async def test_a_mark_stands_beside_the_figure_that_it_judges() -> None:
    async with running(fake.status(scenario=fake.LISTENING), size=(120, 40)) as (app, _, _):
        assert "✓ run 84.0 of 500" in shown(app) and "✓ no broadcast" not in shown(app)


async def test_before_the_first_second_a_tile_names_its_limit_and_invents_no_lag() -> None:
    async with running(fake.first_second(), size=(200, 50)) as (app, _, _):
        text = shown(app)
    assert "limit 250 " in text and "run n/a" not in text and "n/a ms now" not in text
    assert "no worker runs yet" in text and "0.000" not in text and "n/a % cpu" not in text


@pytest.mark.parametrize("size", SIZES)
async def test_help_has_its_explanations_in_columns_and_uses_both(size: tuple[int, int]) -> None:
    async with running(size=size) as (app, pilot, _):
        await pilot.press("question_mark")
        await until(lambda: isinstance(app.screen, HelpDialog) and "drain or abort" in shown(app), pilot)
        page = app.screen.query_one("HelpPage")
        rows = ["".join(text for text, _ in row) for row in page.rows(page.size.width)]  # type: ignore[attr-defined]
        assert app.screen.query_one("#host").max_scroll_y == 0 or size != SIZES[2]
        half = (page.size.width - 1) // 2
    for part in ([row[:half].rstrip() for row in rows], [row[half:].rstrip() for row in rows]):
        section: set[int] = set()
        for row in part:
            if row and not row.startswith(" "):
                section = set()
            elif found := re.match(r" +\S+(?: \S)?  (?=\S)|  +(?=\S)", row):
                section.add(found.end())
                assert len(section) == 1, (row, section)
        assert sum(map(bool, part)) > len(rows) * 0.6, "the sections are spread over both columns"
    assert sum(" q  " in row for row in rows) == 1, "told once"
    assert any("maximise a panel" in row for row in rows)


async def test_the_start_screen_offers_its_filter_and_the_runs_at_80_columns(home: Path) -> None:
    async with started(home, (80, 24)) as (app, _, _, _):
        row = shown(app).splitlines()[-1]
    assert "/ Filter" in row and "h Runs" in row and "q Quit" in row and "? Help" in row


async def test_a_preset_with_a_mistake_is_not_offered_to_run(home: Path) -> None:
    (home / "typo.toml").write_text('name = "typo"\n[target]\nurll = "ws://localhost/ws"\n')
    async with started(home, (80, 24)) as (app, pilot, _, _):
        await until(lambda: "enter Run" in shown(app), pilot)
        await go_to(app, pilot, "typo")
        await until(lambda: "enter Run" not in shown(app), pilot)
        row = shown(app).splitlines()[-1]
        assert "Edit" not in row and "Check" not in row and "del Delete" in row
        await go_to(app, pilot, "quick")
        await until(lambda: "enter Run" in shown(app), pilot)


async def test_tags_leave_the_names_of_presets_their_room(home: Path) -> None:
    async with started(home, (80, 24)) as (app, pilot, _, kept):
        kept.kept[1] = replace(kept.kept[1], tags=("baseline", "v1.2.0", "before-the-move"))
        await pilot.press("h")
        await until(lambda: isinstance(app.screen, RunsScreen) and "checkout-soak " in shown(app), pilot)
        assert "passed  #" in shown(app)


async def test_no_runs_offer_nothing_to_do_with_one(home: Path) -> None:
    async with started(home, (120, 40)) as (app, pilot, _, kept):
        first, kept.kept = kept.kept[0], []
        await pilot.press("h")
        await until(lambda: isinstance(app.screen, RunsScreen) and "no runs yet" in shown(app), pilot)
        row = shown(app).splitlines()[-1]
        assert "esc Back" in row and "q Quit" in row
        assert not any(word in row for word in ("Result", "Mark", "Compare", "Trend", "Rerun", "Export", "Sort"))
        kept.kept = [first]
        await until(lambda: "enter Result" in shown(app) and "space Mark" in shown(app), pilot)


def test_a_change_that_two_digits_would_show_as_nothing_is_none() -> None:
    tiny = Change("failures.rate", "%", 0.0101, 0.0102, None, None)
    (row,) = change_rows(Comparison("a", "b", [tiny], []), 60)[1:]
    assert row[3][0].strip() == "="


async def test_the_proposal_is_offered_at_80_columns_and_the_file_is_shown_as_it_was(home: Path) -> None:
    async with started(home, (80, 24)) as (app, pilot, _, _):
        await go_to(app, pilot, "quick")
        await pilot.press("e")
        await until(lambda: isinstance(app.screen, Editor) and "scenario" in shown(app), pilot)
        url = editing.control(app, "target.url")
        url.focus()
        url.value = "https://127.0.0.1:3001/ws"
        await until(lambda: "^y Accept" in shown(app) and "esc Back" in shown(app), pilot)
        await pilot.press("f2")
        await until(lambda: "as it was before the error" in shown(app) and "description = " in shown(app), pilot)
        await pilot.press("ctrl+y")
        await until(lambda: "before the error" not in shown(app), pilot)


async def test_an_empty_field_asks_and_is_blamed_once_it_is_sent(home: Path) -> None:
    async with started(home, (80, 24)) as (app, pilot, _, _):
        await pilot.press("i")
        await until(lambda: isinstance(app.screen, ImportDialog) and "which file?" in shown(app), pilot)
        assert "✗" not in shown(app)
        await pilot.press("enter")
        await until(lambda: "✗ which file?" in shown(app), pilot)
        app.screen.query_one("#input-file", Input).value = "nowhere.har"
        await until(lambda: "✗ no such file" in shown(app), pilot)
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, StartScreen), pilot)


def test_a_table_of_the_manual_without_heads_is_a_table() -> None:
    rows = [
        "".join(text for text, _ in row) for row in markdown_rows("Text\n\n|---|---|\n| `a` | one |\n| b | two |\n", 60)
    ]
    assert not any("|" in row for row in rows)
    assert [row.split() for row in rows if "one" in row or "two" in row] == [["a", "one"], ["b", "two"]]


async def test_a_result_tells_its_moment_as_people_do() -> None:
    async with running() as (app, pilot, session):
        session.ended.set()
        await until(lambda: isinstance(app.screen, ResultScreen) and "2025-11-23 14:27:55 UTC" in shown(app), pilot)


async def test_maximised_steps_have_the_screen_alone_at_every_size() -> None:
    from tests.tui import fake_roles

    async with running(fake_roles.status(), size=(200, 50)) as (app, pilot, _):
        await pilot.press("5")
        await until(lambda: "messages/s" not in shown(app) and "announcer" in shown(app), pilot)


@pytest.mark.parametrize("theme", ["dark", "light", "dark256", "light256"])
async def test_key_and_id_below_a_command_stand_out_on_the_row_of_the_cursor(theme: str) -> None:
    async with staged(Shot("palette", (80, 24), theme)) as app:
        await until(lambda: "load.pause" in shown(app), Pilot(app))
        rows = app.screen._compositor.render_strips()
        (strip,) = [strip for strip in rows if "load.pause" in strip.text]
        (style,) = {segment.style for segment in strip if segment.style and "load.pause" in segment.text}
        assert style.color and style.bgcolor and not style.dim
        ink, ground = Color.from_rich_color(style.color), Color.from_rich_color(style.bgcolor)
        assert contrast(ink, ground) >= CONTRAST


def test_a_limit_is_whole_before_it_is_said_to_be_a_default() -> None:
    outcome = ThresholdOutcome("messages.broken_expectations", "<= 0", 0.0, True, default=True)
    assert threshold_name(outcome, 16) == "unexpected ≤ 0"
    assert threshold_name(outcome, 40) == "unexpected ≤ 0 (default)"
