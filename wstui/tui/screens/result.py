"""The result: the verdict first, then why, then the figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen

from wstui.execution.result import Latency, Result, SuiteResult, ThresholdOutcome, Verdict
from wstui.execution.status import Status
from wstui.tui.keymap import key
from wstui.tui.session import Outcome
from wstui.tui.summary import summary, write_beside
from wstui.tui.widgets.figures import clean, clip, clock, count, ms, pad, percent, rate, size, stamp, wrap
from wstui.tui.widgets.keys import Keys
from wstui.tui.widgets.limits import SIGNS, figure, limit_words, metric_words, sign
from wstui.tui.widgets.lines import Line, Lines, rule
from wstui.tui.widgets.status_line import StatusLine

if TYPE_CHECKING:
    from wstui.tui.app import WstuiApp

_STATISTICS = ("count", "mean", "min", "p50", "p90", "p95", "p99", "p999", "max")
_HEADS = ("", "count", "mean", "min", "p50", "p90", "p95", "p99", "p99.9", "max")
Section = Callable[[int], list[Line]]


class Page(Lines):
    """The report as rows, as long as it needs."""

    DEFAULT_CSS = "Page { height: auto; }"

    def __init__(self, sections: Sequence[Section]) -> None:
        super().__init__()
        self._sections = sections

    def rows(self, width: int) -> list[Line]:
        """All rows for a width."""
        lines: list[Line] = []
        for section in self._sections:
            lines += [*section(width), []]
        return lines[:-1]

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """As many rows as there are."""
        return len(self.rows(width))

    def paint(self, width: int, height: int) -> list[Line]:
        """All of them."""
        return self.rows(width)


class ResultScreen(Screen[None]):
    """What came out of a run or a suite."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        key("escape,r", "back", "Dashboard", "result.back", "Back to the dashboard", shown=True, display="esc"),
        key("y", "copy", "Copy", "result.copy", "Copy the summary, and write it to a file", shown=True),
        key("up,k", "scroll(-1)", "Up", "result.up", "One row up"),
        key("down,j", "scroll(1)", "Down", "result.down", "One row down"),
        key("pageup", "scroll(-10)", "Page up", "result.page_up", "Ten rows up"),
        key("pagedown", "scroll(10)", "Page down", "result.page_down", "Ten rows down"),
        key("a", "app.again", "Again", "result.again", "Run it once more", shown=True),
        key("o", "app.open", "Open", "result.open", "Open a preset", shown=True),
        key("h", "app.runs", "Runs", "result.runs", "Runs that were kept", shown=True),
        key("q", "app.leave", "Quit", "result.quit", "Quit", shown=True),
    ]

    def __init__(self, outcome: Outcome, status: Status) -> None:
        super().__init__()
        self._outcome = outcome
        self._status = status

    @property
    def owner(self) -> WstuiApp:
        """The application, as what it is."""
        return cast("WstuiApp", self.app)

    def compose(self) -> ComposeResult:
        """Status line, report, keys."""
        yield StatusLine(id="status")
        with VerticalScroll(id="result", can_focus=False):
            yield Page(sections(self._outcome))
        yield Keys()

    def on_mount(self) -> None:
        """The badge tells the verdict."""
        self.tick()
        self.set_interval(1.0, self.tick)

    def tick(self) -> None:
        """The time of day goes on."""
        self.query_one(StatusLine).show(self._status, self.owner.clock(), verdict=self.owner.verdict_badge)

    def action_back(self) -> None:
        """To the dashboard, which stays as it was at the end."""
        self.app.pop_screen()

    def action_scroll(self, rows: int) -> None:
        """Move the report."""
        self.query_one("#result").scroll_relative(y=rows, animate=False)

    def action_copy(self) -> None:
        """The summary into the clipboard and into a file."""
        text = summary(self._status)
        self.app.copy_to_clipboard(text)
        try:
            path = write_beside(f"wstui-summary-{self.owner.clock():%Y%m%d-%H%M%S}.txt", text)
        except OSError as error:
            self.owner.say(f"cannot be written: {error.strerror or error}", "error")
            return
        self.owner.say(f"summary copied, and written to {path}")


def sections(outcome: Outcome) -> list[Section]:
    """The parts of a report, top to bottom."""
    result = outcome.result
    parts: list[Section] = []
    if outcome.error:
        parts.append(lambda width: _error(outcome.error, width))
    if isinstance(result, SuiteResult):
        parts.append(lambda width: _verdict(result.verdict, result.name, width))
        for run in result.runs:
            parts += _run(run, str(run.scenario.get("name", "run")))
    elif result is not None:
        parts += _run(result, "")
    return parts


def _run(result: Result, name: str) -> list[Section]:
    parts: list[Section] = [
        lambda width: _verdict(result.verdict, name, width),
        lambda width: _thresholds(result.verdict.thresholds, width),
        lambda width: _latency(result, width),
        lambda width: _counts(result, width),
    ]
    if result.failures:
        parts.append(lambda width: _failures(result, width))
    return parts


def _error(text: str, width: int) -> list[Line]:
    lines: list[Line] = [[(" ✗ THE RUN COULD NOT BE CARRIED OUT ", "badge-bad")], []]
    for paragraph in text.splitlines():
        lines += [[(" " + part, "text")] for part in wrap(clean(paragraph), width - 2)]
    return lines


def _verdict(verdict: Verdict, name: str, width: int) -> list[Line]:
    word, meaning = ("✓ PASSED", "badge-ok") if verdict.passed else ("✗ FAILED", "badge-bad")
    if verdict.aborted:
        word, meaning = "■ ABORTED", "badge-warn"
    head: Line = [(f" {word} ", meaning), ("  ", "text")]
    if name:
        head.append((f"{clean(name)}  ", "strong"))
    lines: list[Line] = []
    for index, part in enumerate(wrap(clean(verdict.reason), width - 14 - len(name))):
        lines.append([*head, (part, "text")] if index == 0 else [(" " * 14 + part, "text")])
    lines = lines or [head]
    if verdict.generator_limited:
        lines.append(
            [
                (" ▲ ", "strong-warn"),
                (clip("generator-limited: these figures are not the server's limit", width - 3), "warn"),
            ]
        )
    return lines


def _thresholds(outcomes: Sequence[ThresholdOutcome], width: int) -> list[Line]:
    lines = [rule([("thresholds", "text")], width)]
    if not outcomes:
        return [*lines, [(" none set", "muted")]]
    for outcome in outcomes:
        glyph, meaning = SIGNS[sign(outcome)]
        name = f"{metric_words(outcome.metric)} {limit_words(outcome.limit)}"
        lines.append(
            [
                (f" {glyph} ", meaning),
                (pad(name, 34), "text"),
                (pad(figure(outcome), 10, right=True), "strong"),
                (f" {outcome.unit}" if outcome.value is not None else "", "muted"),
                (f"  {clean(outcome.stage)}" if outcome.stage else "", "muted"),
            ]
        )
    return lines


def _latency(result: Result, width: int) -> list[Line]:
    wide = 7 if width < 96 else 9
    lines = [rule([("latency ms", "text")], width)]
    lines.append([(" " + pad("", 13), "muted"), *((pad(head, wide, right=True), "muted") for head in _HEADS[1:])])
    for name, latency in (
        ("response time", result.latency_ms.response),
        ("round trip", result.latency_ms.round_trip),
        ("connect", result.latency_ms.connect),
    ):
        lines.append([(" " + pad(name, 13), "text"), *_figures(latency, wide)])
    return lines


def _figures(latency: Latency, wide: int) -> Line:
    line: Line = []
    for statistic in _STATISTICS:
        value = getattr(latency, statistic)
        text = rate(value) if statistic == "count" else ms(value)
        strong = statistic in ("p50", "p95", "p99") and value is not None
        line.append((pad(text, wide, right=True), "strong" if strong else "muted" if value is None else "text"))
    return line


def _counts(result: Result, width: int) -> list[Line]:
    c, m, g = result.connections, result.messages, result.generator
    rows = [
        ("time", f"{clock(result.duration_s)}" + (f", paused {clock(result.paused_s)}" if result.paused_s else "")),
        (
            "connections",
            f"{count(c.ready)} ready of {count(c.attempted)} attempted ({percent(c.success_rate)} %), "
            f"{count(c.refused)} refused, {count(c.timed_out)} timed out, {count(c.failed)} failed, "
            f"{count(c.dropped)} dropped",
        ),
        (
            "messages",
            f"{count(m.sent)} sent, {count(m.received)} received, {count(m.timed_out)} timed out; "
            f"{rate(m.sent_per_second)}/s and {rate(m.received_per_second)}/s; "
            f"{size(m.bytes_sent)} and {size(m.bytes_received)}",
        ),
        (
            "generator",
            f"{g.shards} process{'' if g.shards == 1 else 'es'}, cpu {percent(g.cpu)} % (max {percent(g.cpu_max)} %), "
            f"{count(g.late_sends)} late sends"
            + (f"; limited by {', '.join(g.limited_by)}" if g.limited_by else "; was not the limit"),
        ),
        *(
            (
                "boxes" if number == 0 else "",
                f"{box.name}: {box.shards} process{'' if box.shards == 1 else 'es'}"
                + (f", {box.shards_lost} lost" if box.shards_lost else "")
                + f", {count(box.ready)} ready, {count(box.sent)} sent, cpu max {percent(box.cpu_max)} %"
                + (f"; lost: {box.lost}" if box.lost else ""),
            )
            for number, box in enumerate(g.boxes)
        ),
    ]
    lines = [rule([("what happened", "text")], width)]
    for name, text in rows:
        for index, part in enumerate(wrap(clean(text), width - 15)):
            lines.append([(" " + pad(name if index == 0 else "", 13), "muted"), (part, "text")])
    return lines


def _failures(result: Result, width: int) -> list[Line]:
    total = sum(f.count for f in result.failures)
    lines = [rule([("failures", "text"), (f"  {count(total)}", "strong"), (" by kind", "text")], width)]
    for failure in result.failures[:20]:
        span = f"{stamp(failure.first_s)} – {stamp(failure.last_s)}"
        room = width - 8 - 17 - len(span) - 2
        lines.append(
            [
                (pad(count(failure.count), 8, right=True), "text"),
                ("  " + pad(clean(failure.kind), 14) + " ", "bad"),
                (pad(clean(failure.message), max(4, room)), "text"),
                (f" {span}", "muted"),
            ]
        )
    if len(result.failures) > 20:
        lines.append([(f" and {len(result.failures) - 20} further kinds", "muted")])
    return lines
