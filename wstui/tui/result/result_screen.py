"""The result: the verdict first, then why, then the figures, and where they are kept."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.worker import get_current_worker

from wstui.execution.run.result import Result, SuiteResult
from wstui.execution.run.status import Status
from wstui.measure.format import moment
from wstui.measure.sanitize import sanitize
from wstui.report.formats.console import summary
from wstui.report.model.breakpoint_table import steps_table
from wstui.report.model.cell_text import clip, pad, wrap
from wstui.report.model.labels import name_of
from wstui.report.model.tables import measured, overview
from wstui.tui import requests
from wstui.tui.bindings import key
from wstui.tui.dashboard.breakpoint_chart import curve_plot, curve_title
from wstui.tui.dashboard.run_summary import write_told
from wstui.tui.dashboard.status_line import StatusLine, outcome_badge
from wstui.tui.kit import chart
from wstui.tui.kit.compact_view import CompactView
from wstui.tui.kit.key_row import KeyRow
from wstui.tui.kit.page import Page, Section, beside, table_body, table_rows
from wstui.tui.kit.row_widget import Line, rule
from wstui.tui.kit.title_bar import TitleBar
from wstui.tui.result.verdict_view import (
    error_rows,
    finding_rows,
    outcome_facts,
    since_rows,
    threshold_rows,
    verdict_rows,
)
from wstui.tui.runs.comparison import other_load
from wstui.tui.services import Runs, Services, SessionOutcome

if TYPE_CHECKING:
    from wstui.report.analysis.compare import Comparison
    from wstui.report.store.store import StoredRun

_BADGE = ("RESULT", "badge-accent")
"""In the first row: the verdict has a badge of its own below it."""
_SEARCHED = 500
_PATIENCE_S = 5.0
_CURVE_ROWS = 14
Since = tuple["StoredRun", "Comparison", str]
"""The run of the same preset before, what changed since, and in words that its load was another one ("": the same)."""


class ResultScreen(Screen[None]):
    """Shows the result of a run or a suite: one that has just ended, or a stored one."""

    manual_topic = "numbers"
    BINDINGS: ClassVar[list[BindingType]] = [
        key("escape", "back", "Back", "result.back", "Back to where you came from", shown=True),
        key("x", "export", "Export", "result.export", "Write it as a report: HTML, JSON, CSV …", shown=True),
        key("y", "copy", "Copy", "result.copy", "Copy the summary, and write it to a file", shown=True),
        key("c", "compare", "Compare", "result.compare", "Compare with the last run of this preset", shown=True),
        key("r", "again", "Rerun", "result.again", "Run it once more, asks first", shown=True),
        key("h", "app.runs", "Runs", "result.runs", "Run history", shown=True),
        key("o", "app.open", "Open", "result.open", "Open a preset", shown=True),
        key("q", "app.leave", "Quit", "result.quit", "Quit", shown=True),
        key("right_square_bracket,tab", "member(1)", "Next run", "result.next", "Next run", shown=True, display="]"),
        key("left_square_bracket", "member(-1)", "Run before", "result.previous", "Run before", display="["),
        key("up,k", "scroll(-1)", "Up", "result.up", "One row up"),
        key("down,j", "scroll(1)", "Down", "result.down", "One row down"),
        key("home,g", "scroll(-100000)", "Top", "result.page_top", "The first row"),
        key("end,G", "scroll(100000)", "End", "result.page_end", "The last row"),
        key("pageup", "scroll(-10)", "Page up", "result.page_up", "Ten rows up"),
        key("pagedown", "scroll(10)", "Page down", "result.page_down", "Ten rows down"),
    ]

    def __init__(
        self,
        services: Services,
        outcome: SessionOutcome,
        status: Status | None = None,
        *,
        stored: StoredRun | None = None,
    ) -> None:
        """`status` is the last picture of a run that has just ended, `stored` says which stored one it is."""
        super().__init__()
        self.services = services
        self.outcome = outcome
        self._status = status
        self.stored = stored
        self._since: Since | None = None
        self._jumped: int | None = None  # the run that a key led to last
        self._members: list[Section] = []  # where each run of a suite begins
        self._status_line = StatusLine(id="status")

    def compose(self) -> ComposeResult:
        yield self._status_line if self._status is not None else TitleBar(self.services.clock, _place(self.stored))
        with VerticalScroll(id="result", can_focus=False):
            yield Page(self._sections())
        yield KeyRow()
        yield CompactView(lambda width: outcome_facts(self.outcome, width))

    def last_view(self) -> dict[str, object]:
        return {"screen": "result", "runs": [self.stored.id]} if self.stored is not None else {}

    def on_mount(self) -> None:
        self.tick()
        self.set_interval(1.0, self.tick)
        if isinstance(self.outcome.result, Result) and self._runs is not None:
            self.run_worker(self._look_back, thread=True, name="look back", exit_on_error=False)

    def tick(self) -> None:
        """Show the time of day; without a run that has just ended, the title bar does."""
        if self._status is not None:
            badge = _BADGE if self.outcome.result is not None else outcome_badge(self.outcome)
            self._status_line.show(self._status, self.services.clock(), verdict=badge)

    @property
    def _runs(self) -> Runs | None:
        return self.services.runs

    # what was kept

    def _look_back(self) -> None:
        """In a thread: find this run among those that were kept, and the one of its preset before."""
        runs, result = self._runs, self.outcome.result
        if runs is None or not isinstance(result, Result):
            return
        worker = get_current_worker()
        until = time.monotonic() + _PATIENCE_S
        stored = self.stored
        kept: Sequence[StoredRun] = ()
        while not worker.is_cancelled:
            kept = runs.newest(_SEARCHED)
            mine = (name_of(result), result.started)
            stored = stored or next((run for run in kept if (run.name, run.started) == mine), None)
            written = stored is not None and any(run.id == stored.id and run.state != "running" for run in kept)
            if written or time.monotonic() > until:
                break
            time.sleep(0.1)
        if stored is None or worker.is_cancelled:
            return
        before = next(
            (
                run
                for run in kept
                if run.id < stored.id and run.may_be_of(stored.file, stored.name) and _compares(run, result)
            ),
            None,
        )
        since = None
        if before is not None:
            names = (f"run {before.id}", "this one")
            warning = other_load(runs.result(before.id), result, names)
            since = (before, runs.compare(before.id, stored.id), warning)
        self.app.call_from_thread(self._found, stored, since)

    def _found(self, stored: StoredRun, since: Since | None) -> None:
        self.stored, self._since = stored, since
        self.query_one(Page).show(self._sections())
        self.refresh_bindings()

    def _sections(self) -> list[Section]:
        """The parts of the report, top to bottom."""
        result = self.outcome.result
        parts: list[Section] = []
        if self.outcome.error:
            parts.append(lambda width: error_rows(self.outcome.error, width))
        if isinstance(result, SuiteResult):
            parts += [
                lambda width: verdict_rows(result, result.name, width),
                partial(table_rows, overview(result)),
            ]
            self._members = []
            for run in result.runs:
                of_run = self._run(run, name_of(run))
                self._members.append(of_run[0])
                parts += of_run
        elif result is not None:
            parts += self._run(result, "")
        return [*parts, self._places] if result is not None else parts

    def _run(self, result: Result, name: str) -> list[Section]:
        since = self._since
        parts: list[Section] = [
            lambda width: verdict_rows(result, name, width),
            lambda width: _curve(result, width),
            beside(
                lambda width: threshold_rows(result.verdict.thresholds, width),
                lambda width: since_rows(since[0].id, since[0].started, *since[1:], width) if since else [],
            ),
            lambda width: finding_rows(result, width),
        ]
        parts += [partial(table_rows, table) for table in measured(result)]
        return parts

    def _places(self, width: int) -> list[Line]:
        """Return where the run is stored, and where its reports are."""
        launcher = self.services.launcher
        lines = [rule([("saved as", "text")], width)]
        if self.stored is not None and launcher is not None and launcher.runs is not None:
            again = launcher.runs.command(self.stored.id)
            kept = f"run {self.stored.id} in {launcher.runs.place}: {again}"
            rows = wrap(sanitize(kept), width - 15)
            names = [" kept", *[""] * (len(rows) - 1)]
            lines += [[(pad(name, 14), "muted"), (row, "text")] for name, row in zip(names, rows, strict=True)]
        elif self._runs is None:
            lines.append([(pad(" kept", 14), "muted"), ("nowhere: the store is switched off", "text")])
        if self._status is not None and launcher is not None:
            for form, path in launcher.reports.items():
                text = clip(f"{sanitize(path)}, written when you quit", width - 15)
                lines.append([(pad(f" {form}", 14), "muted"), (text, "text")])
        lines.append([(pad(" reports", 14), "muted"), ("x writes HTML, JSON, CSV, Markdown, JUnit or text", "text")])
        return lines

    # keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide keys of actions that are not offered."""
        if action in ("export", "copy"):
            return self.outcome.result is not None
        if action == "member":
            return bool(self._members)
        if action == "compare":
            return self._since is not None
        if action == "again":
            return self.services.launcher is not None if self._status is not None else self._runs is not None
        return True

    def action_back(self) -> None:
        """To the dashboard, which stays as it was at the end, or to the list of runs; past what never began."""
        if self.outcome.result is None and self.services.launcher is not None and self.stored is None:
            self.post_message(requests.OpenPresets())
        else:
            self.app.pop_screen()

    def action_scroll(self, rows: int) -> None:
        self._jumped = None
        self.query_one("#result").scroll_relative(y=rows, animate=False)

    def action_member(self, by: int) -> None:
        """The next run of a suite, or the one before; the first is preceded by the table of all."""
        report, page = self.query_one("#result"), self.query_one(Page)
        starts = [0, *(page.start_of(section, page.size.width) for section in self._members)]
        here = self._jumped  # the page follows a moment later, and the last run may be too short to reach the top
        if here is None:
            here = max(i for i, row in enumerate(starts) if row <= max(report.scroll_offset.y, 0))
        self._jumped = to = max(0, min(here + by, len(starts) - 1))
        report.scroll_to(y=starts[to], animate=False)

    async def action_again(self) -> None:
        if self._status is not None or self.stored is None:
            await self.run_action("app.again")
        else:
            self.post_message(requests.RerunStored(self.stored))

    def action_compare(self) -> None:
        if self._since is not None and self.stored is not None:
            self.post_message(requests.CompareRuns(self._since[0].id, self.stored.id))

    def action_export(self) -> None:
        if self.outcome.result is not None:
            number = self.stored.id if self.stored is not None else None
            self.post_message(requests.AskExport(self.outcome.result, number))

    def action_copy(self) -> None:
        """The summary into the clipboard and into a file: not every terminal passes a clipboard on."""
        if self.outcome.result is None:
            return
        text = summary(self.outcome.result, width=100) + "\n"
        self.app.copy_to_clipboard(text)
        write_told(self, self.services.clock(), "summary.txt", text, "summary copied, and ")


def _compares(run: StoredRun, result: Result) -> bool:
    """Whether a run is fit to be compared with: a search for a limit has figures of its own kind."""
    alike = (run.summary.breakpoint is None) == (result.breakpoint is None)
    return run.state == "finished" and not run.summary.verdict.unreachable and alike


def _place(stored: StoredRun | None) -> str:
    return f"run {stored.id}: {sanitize(stored.name)}, {moment(stored.started)}" if stored is not None else "result"


def _curve(result: Result, width: int) -> list[Line]:
    """Latency against load, of a search for the limit."""
    if result.breakpoint is None:
        return []
    return [
        rule(curve_title(result.breakpoint), width),
        *chart.draw(curve_plot(result.breakpoint), min(width, 110), _CURVE_ROWS),
        *table_body(steps_table(result.breakpoint, reasons=True), width),
    ]
