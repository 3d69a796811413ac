"""The curve of latency against load that a search for the limit leaves behind, as rows of a table."""

from __future__ import annotations

from wstui.execution.run.result import BreakpointStep, BreakpointSummary, Result
from wstui.execution.run.result_sections import Latency
from wstui.measure import format
from wstui.report.model.labels import Sign, Tone
from wstui.report.model.table import Column, Row, Table

_EIGHTHS = " ▏▎▍▌▋▊▉"


def points(found: BreakpointSummary) -> list[BreakpointStep]:
    """The steps in the order of their loads; a load that was tried again stands there twice."""
    return sorted(found.steps, key=lambda step: (step.load, step.started_s))


def latency_of(found: BreakpointSummary, step: BreakpointStep) -> Latency:
    """Return the latency of the curve: response time, or the time to connect where connects are the load."""
    return step.latency_ms.connect if found.of == "connects" else step.latency_ms.response


def step_sign(step: BreakpointStep) -> Sign:
    """Return whether a load held, as glyph and word."""
    if step.held is None:
        return Sign("▲", "limited", Tone.NEAR)
    return Sign("✓", "holds", Tone.GOOD) if step.held else Sign("✗", "breaks", Tone.BAD)


def search(run: Result) -> Table | None:
    """The curve as a table, if the run looked for a limit."""
    found = run.breakpoint
    if found is None:
        return None
    steps = points(found)
    most = max((latency_of(found, step).p99 or 0.0 for step in steps), default=0.0)
    names = ("reached", "connect p50" if found.of == "connects" else "p50 ms", "p95 ms", "p99 ms", "out/s", "in/s")
    columns = [Column("", number=False), *map(Column, (found.unit, *names, "CPU"))]
    rows = []
    for step in steps:
        sign, latency = step_sign(step), latency_of(found, step)
        sent, received = step.messages.sent_per_second, step.messages.received_per_second
        cells = [
            f"{sign.glyph} {sign.word}",
            format.count(step.load),
            format.count(step.reached),
            *(format.significant(value, 3) for value in (latency.p50, latency.p95, latency.p99, sent, received)),
            format.NONE if step.cpu is None else f"{step.cpu * 100:.0f} %",
        ]
        rows.append(Row(cells, sign.tone, (latency.p99 or 0.0) / most if most else None))
    notes = (found.sentence,) if found.sentence != run.verdict.reason else ()
    return Table("Breakpoint", columns, rows, notes=notes, bar="p99")


def bar(value: float | None, most: float, width: int) -> str:
    """A bar as long as `value` is of `most`, at most `width` cells; one that is not 0 is never empty."""
    if value is None or most <= 0 or width <= 0:
        return ""
    eighths = max(1, round(min(value / most, 1.0) * width * 8)) if value > 0 else 0
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
