"""The runs that were kept: look through them, lay two over each other, and read what changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeVar, cast

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.screen import Screen

from wstui.execution.result import Result
from wstui.report.wording import peak_clients
from wstui.tui.keymap import key
from wstui.tui.screens.confirm import ConfirmDialog
from wstui.tui.screens.export import ask_export
from wstui.tui.screens.filter import FilterDialog
from wstui.tui.screens.result import rerun
from wstui.tui.session import Comparison, Runs, StoredRun
from wstui.tui.widgets.comparison import ChangeTable, Overlay
from wstui.tui.widgets.figures import clean, clip, count, ms, pad, percent, rate
from wstui.tui.widgets.keys import Keys
from wstui.tui.widgets.lines import Line, cells
from wstui.tui.widgets.masthead import Masthead
from wstui.tui.widgets.plain import Plain
from wstui.tui.widgets.presets import moment, verdict_of
from wstui.tui.widgets.table import Table

if TYPE_CHECKING:
    from wstui.tui.app import WstuiApp

SHOWN = 500
"""How many runs are listed, the newest."""
_Kept = TypeVar("_Kept")


@dataclass(frozen=True, slots=True)
class Marked:
    """A stored run and the letter it is marked with, if any."""

    run: StoredRun
    letter: str = ""


class RunTable(Table[Marked]):
    """The runs with their main figures."""

    BINDINGS: ClassVar[list[BindingType]] = [
        key("enter", "choose", "Result", "runs.result", "The result of a run", shown=True)
    ]
    hidden = 0
    pattern = ""

    def head(self, width: int) -> Line:
        """The title."""
        title: Line = [("runs", "text")]
        if self.hidden:
            title.append((f"  filter “{clip(clean(self.pattern), 24)}” hides {self.hidden}", "warn"))
        return title

    def empty(self) -> str:
        """Nothing was kept."""
        return "nothing matches the filter" if self.hidden else "no run was kept yet"

    def in_short(self, width: int) -> list[Line]:
        """The run under the cursor, and which of how many it is."""
        chosen = self.chosen
        if chosen is None:
            return [[("runs  ", "strong-accent"), (self.empty(), "muted")]]
        result = chosen.run.summary
        word, meaning = verdict_of(result)
        mark = f"  marked {chosen.letter}" if chosen.letter else ""
        return [
            [("runs  ", "strong-accent"), (f"{self.items.index(chosen) + 1} of {len(self.items)}{mark}", "muted")],
            [("› ", "strong-accent"), (clean(chosen.run.name), "strong"), (f"  {moment(chosen.run.started)}", "text")],
            [(f"{word}{_broken(result)}", meaning)],
            [(f"{count(peak_clients(result))} clients · p99 {ms(result.latency_ms.response.p99)} ms", "text")],
        ]

    def same(self, item: Marked) -> int:
        """A run is its number."""
        return item.run.id

    def names(self, width: int) -> Line:
        """The names of the columns."""
        heads = ("", "when", "preset", "clients", "msg/s", "p50", "p95", "p99", "err %", "verdict")
        return _row(heads, width, "@surface", "muted", head=True)

    def row(self, item: Marked, width: int, *, selected: bool) -> Line:
        """One run."""
        run, result = item.run, item.run.summary
        word, meaning = verdict_of(result)
        if run.state == "running":
            word, meaning = "● running", "accent"
        elif run.state == "interrupted":
            word, meaning = "■ interrupted", "warn"
        latency = result.latency_ms.response
        texts = (
            f"{'›' if selected else ' '}{word[:1]} {item.letter or ' '}",
            moment(run.started),
            clean(run.name),
            count(peak_clients(result)),
            rate(_sum(result.messages.sent_per_second, result.messages.received_per_second)),
            ms(latency.p50),
            ms(latency.p95),
            ms(latency.p99),
            percent(failure_share(result)),
            f"{word[2:]}{_broken(result)}",
        )
        return _row(texts, width, "@cursor" if selected else "", meaning, head=False)


def _row(texts: tuple[str, ...], width: int, ground: str, meaning: str, *, head: bool) -> Line:
    sign, when, name, clients, messages, p50, p95, p99, errors, verdict = texts
    plain, quiet = (f"muted{ground}", f"muted{ground}") if head else (f"text{ground}", f"muted{ground}")
    line: Line = [
        (pad(sign, 5), f"{meaning}{ground}"),
        (pad(when, 13), plain),
        (" " + pad(name, 16 if width >= 76 else 12), plain),
        (pad(clients, 8, right=True), plain),
    ]
    if width >= 90:
        line.append((pad(messages, 8, right=True), plain))
        line.append((pad(p50, 7, right=True), quiet))
        line.append((pad(p95, 7, right=True), quiet))
    line += [(pad(p99, 7, right=True), plain), (pad(errors, 7, right=True), plain)]
    room = width - cells(line) - 2
    line.append(("  " + pad(verdict, max(0, room)), quiet if head else f"{meaning}{ground}"))
    return line


def _sum(*values: float | None) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _broken(result: Result) -> str:
    names = [o.metric.removeprefix("response.") for o in result.verdict.thresholds if o.passed is False]
    return ": " + ", ".join(clean(name) for name in names) if names and not result.verdict.aborted else ""


def failure_share(result: Result) -> float | None:
    """Failures of connections and replies, of all attempts and sends."""
    c, m = result.connections, result.messages
    tries = c.attempted + m.sent
    return (c.refused + c.timed_out + c.failed + m.timed_out) / tries if tries else None


class RunsScreen(Screen[None]):
    """The list, and two of the runs compared."""

    AUTO_FOCUS = "RunTable"
    BINDINGS: ClassVar[list[BindingType]] = [
        key("escape", "back", "Back", "runs.back", "Clear the filter, then the marks, then leave", shown=True),
        key("space", "mark", "Mark", "runs.mark", "Mark as A, then as B", shown=True),
        key("c", "compare", "Compare", "runs.compare", "Compare A with B, or with the run before", shown=True),
        key("r", "rerun", "Rerun", "runs.rerun", "Run it again, asks first", shown=True),
        key("x", "export", "Export", "runs.export", "Write it as a report: HTML, JSON, CSV …", shown=True),
        key("slash", "filter", "Filter", "runs.filter", "Filter by preset or verdict", shown=True, display="/"),
        key("delete", "delete", "Delete", "runs.delete", "Delete this run", shown=True),
    ]

    def __init__(self, runs: Runs, marked: tuple[int, int] | None = None) -> None:
        """`marked` are compared at once."""
        super().__init__()
        self._runs = runs
        self._marked_first = marked
        self._kept: list[StoredRun] = []
        self._marks: list[int] = []
        self._pattern = ""

    @property
    def owner(self) -> WstuiApp:
        """The application, as what it is."""
        return cast("WstuiApp", self.app)

    def compose(self) -> ComposeResult:
        """The list above, the comparison below."""
        yield Masthead("run history")
        yield RunTable()
        with Horizontal(id="comparison"):
            yield Overlay()
            yield ChangeTable()
        yield Keys()
        yield Plain(lambda width: self.query_one(RunTable).in_short(width))

    def on_mount(self) -> None:
        """Read the store."""
        self.query_one(Masthead).show(self.owner.clock())
        self.look()
        if self._marked_first is not None:
            self.compare(*self._marked_first)

    def look(self) -> None:
        """Read the newest runs."""
        self._kept = list(self._attempt(lambda: self._runs.newest(SHOWN)) or [])
        self._list()

    def _attempt(self, read: Callable[[], _Kept]) -> _Kept | None:
        try:
            return read()
        except Exception as error:
            self.owner.say(str(error) or type(error).__name__, "error")
            return None

    def _list(self) -> None:
        table = self.query_one(RunTable)
        letters = dict(zip(self._marks, "AB", strict=False))
        shown = [run for run in self._kept if self._matches(run)]
        table.hidden, table.pattern = len(self._kept) - len(shown), self._pattern
        table.fill([Marked(run, letters.get(run.id, "")) for run in shown])

    def _matches(self, run: StoredRun) -> bool:
        text = f"{run.name} {run.state} {verdict_of(run.summary)[0]} {moment(run.started)}".casefold()
        return all(word in text for word in self._pattern.casefold().split())

    @property
    def _chosen(self) -> StoredRun | None:
        chosen = self.query_one(RunTable).chosen
        return chosen.run if chosen is not None else None

    def action_mark(self) -> None:
        """Mark the run, or take its mark away; of three the oldest mark goes."""
        run = self._chosen
        if run is None:
            return
        if run.id in self._marks:
            self._marks.remove(run.id)
        else:
            self._marks = [*self._marks[-1:], run.id]
        self._list()
        if len(self._marks) == 2:
            self.action_compare()

    def action_compare(self) -> None:
        """The marked runs, or this one with the one of the same name before it."""
        if len(self._marks) == 2:
            self._compare(*self._marks)
            return
        run = self._chosen
        if run is None:
            return
        before = next((r for r in self._kept if r.name == run.name and r.id < run.id), None)
        if before is None:
            self.owner.say(f"there is no run of {run.name} before this one: mark two with space", "warning")
            return
        self.compare(before.id, run.id)

    def compare(self, before: int, after: int) -> None:
        """Mark two runs and show what changed."""
        self._marks = [before, after]
        self._list()
        self._compare(before, after)

    def _compare(self, before: int, after: int) -> None:
        def read() -> tuple[Comparison, Result, Result]:
            return self._runs.compare(before, after), self._runs.result(before), self._runs.result(after)

        read_ = self._attempt(read)
        if read_ is None:
            return
        comparison, first, second = read_
        self.add_class("-comparing")
        self.query_one(Overlay).show(first, second)
        self.query_one(ChangeTable).show(comparison, first, second)

    def on_table_chosen(self, _: Table.Chosen) -> None:
        """The result of a run."""
        run = self._chosen
        if run is not None:
            self._attempt(lambda: self.owner.show_kept(run.id))

    def action_rerun(self) -> None:
        """What a run was asked to do, once more."""
        run = self._chosen
        if run is not None:
            rerun(self.owner, run)

    def action_export(self) -> None:
        """A run as a report."""
        run = self._chosen
        result = self._attempt(lambda: self._runs.result(run.id)) if run is not None else None
        if run is not None and result is not None:
            ask_export(self.owner, result, run.id)

    def action_filter(self) -> None:
        """Ask for words."""
        self.app.push_screen(FilterDialog(self._pattern, self._filter, "runs", "quick, failed, 23 Nov …"))

    def _filter(self, pattern: str) -> int:
        self._pattern = pattern
        self._list()
        return len(self.query_one(RunTable).items)

    def action_delete(self) -> None:
        """Forget a run, after asking."""
        run = self._chosen
        if run is not None:
            text = f"Run {run.id} of {run.name} is forgotten, with all that was measured."
            self.app.push_screen(ConfirmDialog("Delete this run?", text, "Delete"), self._delete)

    def _delete(self, sure: bool | None) -> None:
        run = self._chosen
        if sure and run is not None:
            self._attempt(lambda: self._runs.delete(run.id))
            self._marks = [number for number in self._marks if number != run.id]
            self.look()

    def action_back(self) -> None:
        """One step back: clear the filter, then the marks with their comparison, then leave."""
        if self._pattern:
            self._filter("")
        elif self._marks or self.has_class("-comparing"):
            self._marks = []
            self.remove_class("-comparing")
            self.query_one(Overlay).clear()
            self.query_one(ChangeTable).clear()
            self._list()
        else:
            self.app.pop_screen()
