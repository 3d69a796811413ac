"""The steps of a search for the limit as a table, and what charts of latency against load share with it."""

from __future__ import annotations

from dataclasses import replace

from wstui.execution.run.result import BreakpointStep, BreakpointSummary, Result
from wstui.execution.run.result_sections import Latency
from wstui.execution.run.status import BreakpointStatus
from wstui.measure import format
from wstui.report.model.labels import Sign, Tone
from wstui.report.model.table import Column, Row, Table

Search = BreakpointStatus | BreakpointSummary
"""What is known of a search: while it goes on, or at its end."""


def by_load(search: Search) -> list[BreakpointStep]:
    """Return the steps in the order of their loads; a load that was tried again stands there twice."""
    return sorted(search.steps, key=lambda step: (step.load, step.started_s))


def latency_of(search: Search, step: BreakpointStep) -> Latency:
    """Return the latency of the curve: response time, or the time to connect where connects are the load."""
    return step.latency_ms.connect if search.of == "connects" else step.latency_ms.response


def limits_prefix(search: Search) -> str:
    """Return how the metrics of thresholds on that latency begin."""
    return "connect." if search.of == "connects" else "response."


def step_sign(step: BreakpointStep) -> Sign:
    """Return whether a load held, as glyph and word."""
    if step.held is None:
        return Sign("▲", "limited", Tone.NEAR)
    return Sign("✓", "holds", Tone.GOOD) if step.held else Sign("✗", "breaks", Tone.BAD)


def steps_table(search: Search, *, reasons: bool = False) -> Table:
    """Return the steps, smallest load first; with `reasons`, also why a load broke, where there is room."""
    steps = by_load(search)
    most = max((latency_of(search, step).p99 or 0.0 for step in steps), default=0.0)
    names = ("reached", "connect p50" if search.of == "connects" else "p50 ms", "p95 ms", "p99 ms", "out/s", "in/s")
    columns = [Column("", number=False), *map(Column, (search.unit, *names, "CPU"))]
    if reasons:
        columns.append(Column("", number=False, rank=1))
    rows = []
    for step in steps:
        sign, latency = step_sign(step), latency_of(search, step)
        sent, received = step.messages.sent_per_second, step.messages.received_per_second
        cells = [
            f"{sign.glyph} {sign.word}",
            format.count(step.load),
            format.count(step.reached),
            *(format.significant(value, 3) for value in (latency.p50, latency.p95, latency.p99, sent, received)),
            format.NONE if step.cpu is None else f"{step.cpu * 100:.0f} %",
            *([step.why] if reasons else []),
        ]
        rows.append(Row(cells, sign.tone, (latency.p99 or 0.0) / most if most else None))
    return Table("Breakpoint", columns, rows, bar="p99")


def search(run: Result) -> Table | None:
    """Return the steps of a run that looked for a limit, with its sentence if the verdict does not say it."""
    found = run.breakpoint
    if found is None:
        return None
    notes = (found.sentence,) if found.sentence != run.verdict.reason else ()
    return replace(steps_table(found), notes=notes)
