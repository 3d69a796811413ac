"""The verdict of a run, what limited it, each threshold with its figure, and what changed since the last run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from wstui.execution.run.limits import threshold_level
from wstui.execution.run.result import Result, SuiteResult
from wstui.execution.run.result_sections import ThresholdOutcome
from wstui.measure.format import moment
from wstui.measure.sanitize import sanitize
from wstui.report.analysis.diagnosis import findings
from wstui.report.model.cell_text import clip, flow, pad, width_of, wrap
from wstui.report.model.labels import facts_of
from wstui.tui.dashboard.status_line import verdict_badge
from wstui.tui.dashboard.thresholds import BARS, SIGNS, figure, threshold_fact, threshold_name
from wstui.tui.kit.bars import gauge
from wstui.tui.kit.compact_view import as_rows
from wstui.tui.kit.row_widget import Line, rule
from wstui.tui.runs.comparison import change_rows, warning_rows
from wstui.tui.services import SessionOutcome

if TYPE_CHECKING:
    from wstui.report.analysis.compare import Comparison


def error_rows(text: str, width: int) -> list[Line]:
    """Why a run could not be carried out."""
    lines: list[Line] = [[(" ✗ THE RUN COULD NOT BE CARRIED OUT ", "badge-bad")], []]
    for paragraph in text.splitlines():
        lines += [[(" " + part, "text")] for part in wrap(sanitize(paragraph), width - 2)]
    return lines


def verdict_rows(result: Result | SuiteResult, name: str, width: int) -> list[Line]:
    """The verdict and its reason; of a single run also which load was on what."""
    verdict = result.verdict
    word, meaning = verdict_badge(verdict)
    head: Line = [(f" {word} ", meaning), ("  ", "text")]
    if name:
        head.append((f"{sanitize(name)}  ", "strong"))
    set_in = len(word) + 4
    lines: list[Line] = []
    for index, part in enumerate(wrap(sanitize(verdict.reason), max(20, width - set_in - len(name) - 2))):
        lines.append([*head, (part, "text")] if index == 0 else [(" " * set_in + part, "text")])
    lines = lines or [head]
    if isinstance(result, Result):
        facts = flow(map(sanitize, facts_of(result)), width=width, indent=" " * set_in)
        lines += [[(row, "muted")] for row in facts]
    if verdict.generator_limited and "generator was the limit" not in verdict.reason:
        warning = "generator-limited: these figures are not the server's limit"
        lines.append([(" ▲ ", "strong-warn"), (clip(warning, width - 3), "warn")])
    return lines


def outcome_facts(outcome: SessionOutcome, width: int) -> list[Line]:
    """The verdict, why, and each broken threshold, in plain rows."""
    result = outcome.result
    if result is None:
        return [[("✗ the run could not be carried out", "strong-bad")], *as_rows(sanitize(outcome.error), width)]
    word, meaning = verdict_badge(result.verdict)
    lines: list[Line] = [[(f" {word} ", meaning)], *as_rows(sanitize(result.verdict.reason), width)]
    for outcome_ in result.verdict.thresholds:
        mark = SIGNS[threshold_level(outcome_)][1]
        glyph, _, fact = threshold_fact(outcome_, width - 16).partition(" ")
        lines.append([(f"{glyph} ", mark), (fact, "text")])
    return lines


def finding_rows(result: Result, width: int) -> list[Line]:
    """Return the findings, with the figures that show them and what to look at next."""
    lines = [rule([("what limited it", "text")], width)]
    found = findings(result)
    if not found:
        return [*lines, [(" ✓ ", "strong-ok"), ("nothing that the figures show", "text")]]
    for finding in found:
        for index, part in enumerate(wrap(sanitize(finding.headline), width - 4)):
            lines.append([(" ▲ " if index == 0 else "   ", "strong-warn"), (part, "warn")])
        lines += [[("   " + part, "text")] for part in wrap(sanitize(finding.evidence), width - 4)]
        for index, part in enumerate(wrap(sanitize(finding.next_step), width - 6)):
            lines.append([("   → " if index == 0 else "     ", "accent"), (part, "muted")])
    return lines


def threshold_rows(outcomes: Sequence[ThresholdOutcome], width: int) -> list[Line]:
    """Each threshold: its verdict, how much of it was used up, its figure."""
    lines = [rule([("thresholds", "text")], width)]
    if not outcomes:
        return [*lines, [(" none set: this run cannot fail", "muted")]]
    names = [threshold_name(outcome, max(16, width - 20), of=" in ") for outcome in outcomes]
    column = max(width_of(name) for name in names)
    for name, outcome in zip(names, outcomes, strict=True):
        verdict = threshold_level(outcome)
        glyph, meaning = SIGNS[verdict]
        unit = f" {outcome.unit}" if outcome.value is not None else ""
        lines.append(
            [
                (f" {glyph if verdict else '·'} ", meaning),
                (pad(name, column) + " ", "text"),
                *gauge(outcome.used, max(0, min(24, width - column - 20)), BARS.get(verdict, "ok")),
                (pad(figure(outcome), 10, right=True), "strong"),
                (pad(unit, 6), "muted"),
            ]
        )
    return lines


def since_rows(number: int, started: str, comparison: Comparison, warning: str, width: int) -> list[Line]:
    """Return the changes since the last run of the same preset: warnings, and the main figures."""
    title: Line = [("against run ", "text"), (f"{number}", "strong"), (f"  {moment(started)}, ", "muted")]
    title.append(("the last of this preset", "muted"))
    return [rule(title, width), *warning_rows(warning, width), *change_rows(comparison, width, brief=True)]
