"""The list of runs: its columns, what each reads of a run, and what it sorts by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events
from textual.binding import BindingType
from textual.message import Message

from wstui.execution.run.result import Result
from wstui.execution.run.result_figures import failure_rate
from wstui.execution.run.result_sections import Latency
from wstui.measure.format import clock, count, moment, ms, percent, rate
from wstui.measure.sanitize import sanitize
from wstui.report.model.cell_text import clip, pad, width_of
from wstui.report.model.labels import peak_clients
from wstui.tui.bindings import key
from wstui.tui.dashboard.status_line import verdict_of
from wstui.tui.dashboard.thresholds import metric_words
from wstui.tui.kit.list_table import ListTable
from wstui.tui.kit.row_widget import Line, cells

if TYPE_CHECKING:
    from wstui.report.store.store import StoredRun


@dataclass(frozen=True, slots=True)
class MarkedRun:
    """A stored run and the letter it is marked with, if any."""

    run: StoredRun
    letter: str = ""


class RunTable(ListTable[MarkedRun]):
    """The runs with their main figures."""

    BINDINGS: ClassVar[list[BindingType]] = [
        key("enter", "choose", "Result", "runs.result", "The result of a run", shown=True),
        key("g", "move(-100000)", "First", "runs.top", "The first row"),
    ]
    hidden = 0
    pattern = ""
    sort = "run"
    ascending = False
    _longest = (0, 0)  # the widest name and the widest verdict

    def head(self, width: int) -> Line:
        title: Line = [("runs", "text")]
        if self.hidden:
            title.append((f"  filter “{clip(sanitize(self.pattern), 24)}” hides {self.hidden}", "warn"))
        return title

    def empty(self) -> str:
        return "nothing matches the filter" if self.hidden else "no runs yet: each is kept here once it has begun"

    def compact(self, width: int) -> list[Line]:
        """The run under the cursor, and which of how many it is."""
        chosen = self.selected
        if chosen is None:
            return [[("runs  ", "strong-accent"), (self.empty(), "muted")]]
        result = chosen.run.summary
        word, meaning = verdict_of(result)
        mark = f"  marked {chosen.letter}" if chosen.letter else ""
        return [
            [("runs  ", "strong-accent"), (f"{self.items.index(chosen) + 1} of {len(self.items)}{mark}", "muted")],
            [
                ("› ", "strong-accent"),
                (sanitize(chosen.run.name), "strong"),
                (f"  {moment(chosen.run.started)}", "text"),
            ],
            [(f"{word}{_broken(result)}", meaning)],
            [(f"{count(peak_clients(result))} clients · p99 {ms(result.latency_ms.response.p99)} ms", "text")],
        ]

    def key_of(self, item: MarkedRun) -> int:
        return item.run.id

    def set_items(self, items: Sequence[MarkedRun]) -> None:
        texts = [(width_of(sanitize(item.run.name)), width_of(verdict_told(item.run))) for item in items]
        self._longest = (max((name for name, _ in texts), default=0), max((told for _, told in texts), default=0))
        super().set_items(items)

    def columns(self, width: int) -> list[RunColumn]:
        """The columns that fit: the names take what the figures leave, and the verdict what is left then."""
        fixed = [column for column in _COLUMNS if width >= column.from_width]
        free = width - sum(column.width for column in fixed) - 6
        # A name is worth more than the tags, which come last in a verdict.
        name = max(6, min(self._longest[0], free - 2 - min(22, self._longest[1], max(13, free - 16))))
        made = [replace(column, width=1 + name) if column.title == "preset" else column for column in fixed]
        return [*made, replace(_VERDICT, width=max(0, free - 1 - name))]

    def names(self, width: int) -> Line:
        """The names of the columns; the one that sorts has an arrow."""
        arrow = "▴" if self.ascending else "▾"
        texts = [column.title + (arrow if column.title == self.sort else "") for column in self.columns(width)]
        return self._line(["", *texts], width, ["muted@surface"] * (len(texts) + 1))

    def row(self, item: MarkedRun, width: int, *, selected: bool) -> Line:
        ground = "@cursor" if selected else ""
        meaning = verdict_words(item.run)[1]
        columns = self.columns(width)
        sign = f"{'›' if selected else ' '}{verdict_words(item.run)[0][:1]} {item.letter or ' '}"
        meanings = [f"{meaning}{ground}", *(f"{column.meaning or meaning}{ground}" for column in columns)]
        return self._line([sign, *(column.text(item.run) for column in columns)], width, meanings)

    def _line(self, texts: Sequence[str], width: int, meanings: Sequence[str]) -> Line:
        line: Line = [(pad(texts[0], 5), meanings[0])]
        for text, column, meaning in zip(texts[1:], self.columns(width), meanings[1:], strict=True):
            blank = " " if column.left else ""
            line.append((blank + pad(text, column.width - len(blank), right=not column.left), meaning))
        line.append((" " * max(0, width - cells(line)), meanings[-1]))
        return line

    def on_click(self, event: events.Click) -> None:
        """Sort by the column whose head was clicked; the second click turns the order round."""
        if event.y != 1 or not self.items:
            return
        at = 5
        for column in self.columns(self.size.width):
            if at <= event.x < at + column.width:
                self.post_message(self.Sorted(column.title))
            at += column.width

    class Sorted(Message):
        """The list is to be sorted by this column."""

        def __init__(self, title: str) -> None:
            super().__init__()
            self.title = title


@dataclass(frozen=True, slots=True)
class RunColumn:
    """A column of the list: what it reads of a run, what it sorts by, and from which width of the screen it shows."""

    title: str
    width: int
    text: Callable[[StoredRun], str]
    by: Callable[[StoredRun], Any]
    left: bool = False
    meaning: str = "text"
    from_width: int = 0


def _response(run: StoredRun) -> Latency:
    return run.summary.latency_ms.response


def _messages(run: StoredRun) -> float | None:
    return _sum(run.summary.messages.sent_per_second, run.summary.messages.received_per_second)


def verdict_words(run: StoredRun) -> tuple[str, str]:
    """Glyph and word of how a run ended, and their meaning."""
    states = {"running": ("● running", "accent"), "interrupted": ("■ interrupted", "warn")}
    return states.get(run.state) or verdict_of(run.summary)


def verdict_told(run: StoredRun) -> str:
    tags = "".join(f"  #{sanitize(tag)}" for tag in run.tags)
    return f"{verdict_words(run)[0][2:]}{_broken(run.summary)}{tags}"


_COLUMNS = (
    RunColumn("run", 4, lambda run: str(run.id), lambda run: run.id, meaning="muted"),
    RunColumn("when", 14, lambda run: moment(run.started), lambda run: run.id, left=True),
    RunColumn("preset", 0, lambda run: sanitize(run.name), lambda run: run.name.casefold(), left=True),
    RunColumn("clients", 9, lambda run: count(peak_clients(run.summary)), lambda run: peak_clients(run.summary)),
    RunColumn("time", 8, lambda run: clock(run.summary.duration_s), lambda run: run.summary.duration_s, from_width=90),
    RunColumn("msg/s", 8, lambda run: rate(_messages(run)), _messages, from_width=100),
    RunColumn(
        "p50", 7, lambda run: ms(_response(run).p50), lambda run: _response(run).p50, meaning="muted", from_width=100
    ),
    RunColumn(
        "p95", 7, lambda run: ms(_response(run).p95), lambda run: _response(run).p95, meaning="muted", from_width=100
    ),
    RunColumn("p99 ms", 8, lambda run: ms(_response(run).p99), lambda run: _response(run).p99),
    RunColumn("err %", 7, lambda run: percent(failure_rate(run.summary)), lambda run: failure_rate(run.summary)),
)
_VERDICT = RunColumn("verdict", 0, verdict_told, lambda run: verdict_words(run)[0][2:], left=True, meaning="")
SORTS = {column.title: column for column in (*_COLUMNS, _VERDICT)}


def _sum(*values: float | None) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _broken(result: Result) -> str:
    names = [metric_words(outcome.metric) for outcome in result.verdict.thresholds if outcome.passed is False]
    return f": {', '.join(names)}" if names and not result.verdict.aborted else ""
