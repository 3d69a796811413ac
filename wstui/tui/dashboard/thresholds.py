"""The thresholds: each with its margin, its figure and its mark."""

from __future__ import annotations

import re
from collections.abc import Sequence

from wstui.execution.run.limits import threshold_level, worst_threshold
from wstui.execution.run.result_sections import ThresholdOutcome
from wstui.execution.run.verdict import kept_words
from wstui.measure.format import NONE, limit_words, ms, percent, rate, short
from wstui.measure.sanitize import sanitize
from wstui.report.model.cell_text import clip, pad, width_of
from wstui.tui.dashboard.panel import Panel
from wstui.tui.kit.bars import gauge
from wstui.tui.kit.row_widget import Line

SIGNS = {"ok": ("✓", "strong-ok"), "near": ("▲", "strong-warn"), "bad": ("✗", "strong-bad"), "": (" ", "text")}
"""Glyph and meaning of each verdict."""

BARS = {"near": "warn", "bad": "bad"}
"""The meaning of a bar for each verdict that is not good."""

_WORDS = {
    "connect.success": "connected",
    "failures.rate": "errors",
    "messages.timed_out": "timed out",
    "messages.duplicates": "answered twice",
    "messages.invalid_texts": "invalid texts",
    "messages.broken_expectations": "unexpected",
    "messages.failed_steps": "failed steps",
    "messages.unmatched": "unmatched",
    "connections.unanswered_pings": "unanswered pings",
    "messages.received_per_second": "received",
    "messages.sent_per_second": "sent",
    "connections.dropped": "dropped",
    "fanout.completeness": "fan-out complete",
    "fanout.duplicates": "duplicates",
    "generator.late_sends": "late sends",
}


def metric_words(metric: str) -> str:
    """A metric as words: "p99", "errors", "connect p95"."""
    if metric in _WORDS:
        return _WORDS[metric]
    if metric.startswith("response."):
        return metric.removeprefix("response.")
    return sanitize(re.sub(r"\.(?!\d)", " ", metric.replace("roundtrip", "round trip")).replace("_", " "))


def figure(outcome: ThresholdOutcome) -> str:
    """The figure of a threshold in the unit of its limit, without the unit."""
    if outcome.value is None:
        return NONE
    if outcome.unit == "ms":
        return ms(outcome.value)
    if outcome.unit == "%":
        return percent(outcome.value / 100)
    return rate(outcome.value) if outcome.unit == "/s" else short(outcome.value)


def threshold_fact(outcome: ThresholdOutcome, room: int = 1000) -> str:
    """Return a threshold and its figure in a row: "✗ p99 < 20 ms in hold: 31 ms"."""
    glyph = SIGNS[threshold_level(outcome)][0].strip() or "·"
    unit = f" {outcome.unit}" if outcome.value is not None and outcome.unit else ""
    return f"{glyph} {threshold_name(outcome, room, of=' in ')}: {figure(outcome)}{unit}"


def kept_in(room: int, outcomes: Sequence[ThresholdOutcome]) -> str:
    """Return how many thresholds are kept, with a short word for those without a figure where `room` is too small."""
    words = kept_words(outcomes)
    return words if width_of(words) <= room else words.replace("not measured yet", "n/a")


class ThresholdsPanel(Panel):
    def row_count(self) -> int:
        return max(1, len(self.status.thresholds))

    def head(self, width: int) -> Line:
        title: Line = [("limits", "text")]
        if outcomes := self.status.thresholds:
            told = kept_in(width - 10, outcomes)
            title.append((f"  {told}", "strong-bad" if worst_threshold(outcomes) == "bad" else "text"))
        return title

    def rows(self, width: int, height: int) -> list[Line]:
        outcomes = self.status.thresholds
        if not outcomes:
            return [[(clip("none set: this run cannot fail", width), "muted")]]
        texts = [figure(outcome) for outcome in outcomes]
        wide = max(7, *(len(text) + 1 for text in texts))
        # the limit is worth more than its bar
        names = [threshold_name(outcome, max(12, width - wide - 4)) for outcome in outcomes]
        column = max(width_of(name) for name in names)
        lines: list[Line] = []
        for name, text, outcome in zip(names, texts, outcomes, strict=True):
            verdict = threshold_level(outcome)
            glyph, meaning = SIGNS[verdict]
            bar = width - column - 1 - wide - 3
            lines.append(
                [
                    (pad(name, column) + " ", "muted"),
                    *gauge(outcome.used, bar, BARS.get(verdict, "ok")),
                    (pad(text, wide, right=True), "muted" if outcome.value is None else "text"),
                    (f" {glyph} ", meaning),
                ]
            )
        return lines


def threshold_name(outcome: ThresholdOutcome, room: int, *, of: str = " ") -> str:
    """Return the metric, its limit and, after `of`, its stage; the limit is whole as long as it has room."""
    more = f"{of}{sanitize(outcome.stage)}" if outcome.stage else ""
    limit = limit_words(outcome.limit)
    told = f"{clip(metric_words(outcome.metric), max(4, room - width_of(limit) - 1))} {limit}"
    left = room - width_of(told)
    if outcome.default:  # says less than what is left to the bar
        return told + " (default)" if left > width_of(" (default)") else clip(told, room)
    return told + clip(more, left) if left > len(of) + 1 else clip(told, room)
