"""Two runs compared: their latency laid over each other, and the figures with their change."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from wstui.execution.run.result import Result
from wstui.measure.format import NONE, count, moment, ms, percent, rate, short
from wstui.measure.sanitize import sanitize
from wstui.report.model.cell_text import pad, wrap
from wstui.report.model.labels import limit_ms, peak_clients
from wstui.tui.dashboard.thresholds import metric_words
from wstui.tui.kit import chart
from wstui.tui.kit.row_widget import Line, RowWidget, rule

if TYPE_CHECKING:
    from wstui.report.analysis.compare import Change, Comparison

_LEAST_POINTS = 0.005
"""A change in percentage points that two digits would show as +0.00."""
SAME_LOAD = 0.02
"""Loads that differ by less than this share are the same."""
_LETTERS = (("A", "p99"), ("B", "p50"))


class Overlay(RowWidget):
    """p99 of both runs over their time."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._pair: tuple[Result, Result] | None = None
        self._numbers = (0, 0)

    def show(self, before: Result, after: Result, numbers: tuple[int, int]) -> None:
        self._pair, self._numbers = (before, after), numbers
        self.redraw()

    def clear(self) -> None:
        self._pair = None
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        if self._pair is None:
            return [rule([("p99 ms", "text")], width)]
        title: Line = [("p99 ms", "text")]
        curves, spots = [], []
        for result, number, (letter, meaning) in zip(self._pair, self._numbers, _LETTERS, strict=True):
            title += [("  ━ ", meaning), (f"{letter} run {number}, {moment(result.started)}", "text")]
            curves.append(chart.Curve(*column(result, "response_p99_ms"), meaning))
            spots += chart.end_of(curves[-1], letter)
        end = max(result.duration_s for result in self._pair)
        limit = _limit(self._pair[1])
        if limit is not None:
            title.append((f"  ┄ limit {short(limit)}", "limit"))
        note = "no latency was measured"
        plot = chart.Plot(curves, 0.0, max(end, 1.0), log=True, limit=limit, note=note, spots=spots)
        return [rule(title, width), *chart.draw(plot, width - 1, height - 1)]


class ChangeTable(RowWidget):
    """Metric by metric: A, B, and what changed."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._comparison: Comparison | None = None
        self._other_load = ""
        self._runs = 0

    def show(self, comparison: Comparison, before: Result, after: Result) -> None:
        self._comparison = comparison
        self._other_load = other_load(before, after)
        self.redraw()

    def clear(self) -> None:
        self._comparison = None
        self.redraw()

    def count(self, runs: int) -> None:
        """Tell how many runs there are to choose two from."""
        if runs != self._runs:
            self._runs = runs
            self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        """Warnings first, because they tell whether the rest means anything."""
        signs: Line = [(" ✓ better ✗ worse · neither ", "muted")]
        lines = [rule([("B against A", "text")], width, right=signs if self._comparison is not None else None)]
        if self._comparison is None:
            ask = "space marks two runs to compare" if self._runs > 1 else "two runs can be compared here"
            return [*lines, [(f" {ask}", "muted")]]
        return [*lines, *warning_rows(self._other_load, width), *change_rows(self._comparison, width)]


def warning_rows(warning: str, width: int) -> list[Line]:
    """Yield why two runs may not be comparable."""
    parts = wrap(sanitize(warning), width - 5) if warning else []
    return [[(" ▲ " if i == 0 else "   ", "strong-warn"), (part, "warn")] for i, part in enumerate(parts)]


def other_load(before: Result, after: Result, names: tuple[str, str] = ("A", "B")) -> str:
    """In words that the second run had another load than the first, "" where it had not: as it was, not as planned."""
    first, second = peak_clients(before), peak_clients(after)
    if abs(first - second) > SAME_LOAD * max(first, second):
        return f"{names[0]} had {count(first)} clients, {names[1]} {count(second)}: not the same load"
    return ""


_BRIEF = (
    "connect.success",
    "response.p50",
    "response.p95",
    "response.p99",
    "messages.received_per_second",
    "failures.rate",
)


def change_rows(comparison: Comparison, width: int, *, brief: bool = False) -> list[Line]:
    """Metric by metric: A, B, and what changed; `brief`: only those that matter most."""
    lines: list[Line] = []
    for warning in comparison.warnings:
        lines += warning_rows(warning, width)
    for note in () if brief else comparison.notes:
        lines += [[(f" {part}", "text")] for part in wrap(sanitize(note), width - 2)]
    before, after = ("then", "now") if brief else ("A", "B")
    lines.append([(" " * 19 + f"{before:>8}{after:>9}{'change':>10}", "muted")])
    for change in comparison.changes:
        if (change.before is None and change.after is None) or (brief and change.metric not in _BRIEF):
            continue
        word, glyph, meaning = _judged(change)
        lines.append(
            [
                (" " + pad(f"{metric_words(change.metric)} {change.unit}".strip(), 18), "muted"),
                (pad(_figure(change.before, change.unit), 8, right=True), "text"),
                (pad(_figure(change.after, change.unit), 9, right=True), "text"),
                (pad(word, 10, right=True), meaning),
                (f" {glyph}", meaning),
            ]
        )
    return lines


def _judged(change: Change) -> tuple[str, str, str]:
    """Return the change in a word, its glyph and meaning; noise does not count as a change."""
    if change.before is None or change.after is None:
        return NONE, " ", "muted"
    by = change.after - change.before
    if not by or (change.unit == "%" and not change.significant and abs(by) < _LEAST_POINTS):
        return "=", " ", "muted"
    if change.unit == "%":
        word = f"{by:+.2f} pt" if abs(by) < 10 else f"{by:+.1f} pt"
    elif change.before:
        times = by / abs(change.before)
        word = f"{times * 100:+.0f} %" if abs(times) < 100 else f"×{short(change.after / change.before)}"
    else:
        word = f"{by:+.3g}"
    if not change.significant or change.better is None:
        return word, "·", "muted"
    return (word, "✓", "ok") if change.better else (word, "✗", "bad")


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return NONE
    if unit == "ms":
        return ms(value)
    if unit == "%":
        return percent(value / 100)
    return rate(value) if unit == "/s" else short(value)


def _limit(result: Result) -> float | None:
    """The limit on p99, where the run had one."""
    outcome = next((o for o in result.verdict.thresholds if o.metric == "response.p99"), None)
    return limit_ms(outcome) if outcome is not None else None


def column(result: Result, name: str) -> tuple[list[float], list[float]]:
    """Times and values of a column of a stored timeline; NaN where nothing was measured."""
    return [_number(row.get("at_s")) for row in result.timeline], [_number(row.get(name)) for row in result.timeline]


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
