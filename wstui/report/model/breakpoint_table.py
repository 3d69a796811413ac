"""The curve of latency against load that a search for the limit leaves behind, as rows of a table."""

from __future__ import annotations

from wstui.execution.run.result import BreakpointStep, BreakpointSummary
from wstui.execution.run.result_sections import Latency
from wstui.report.model import format
from wstui.report.model.labels import Sign, Tone

_EIGHTHS = " ▏▎▍▌▋▊▉"


def points(found: BreakpointSummary) -> list[BreakpointStep]:
    """The steps in the order of their loads; a load that was tried again stands there twice."""
    return sorted(found.steps, key=lambda step: (step.load, step.started_s))


def latency_of(found: BreakpointSummary, step: BreakpointStep) -> Latency:
    """What the curve shows: response time, or the time to connect where connects are the load."""
    return step.latency_ms.connect if found.of == "connects" else step.latency_ms.response


def step_sign(step: BreakpointStep) -> Sign:
    """Whether a load held, as glyph and word."""
    if step.held is None:
        return Sign("▲", "limited", Tone.NEAR)
    return Sign("✓", "holds", Tone.GOOD) if step.held else Sign("✗", "breaks", Tone.BAD)


def head(found: BreakpointSummary) -> list[str]:
    """The names of the columns of `row`."""
    what = "connect p50" if found.of == "connects" else "p50 ms"
    return ["", found.unit, "reached", what, "p95 ms", "p99 ms", "out/s", "in/s", "CPU"]


def row(found: BreakpointSummary, step: BreakpointStep) -> list[str]:
    """One step as cells: verdict, load, what was reached of it, latency, rates, and this generator's CPU."""
    sign, latency = step_sign(step), latency_of(found, step)
    return [
        f"{sign.glyph} {sign.word}",
        format.count(step.load),
        format.count(step.reached),
        *(format.significant(value, 3) for value in (latency.p50, latency.p95, latency.p99)),
        format.significant(step.messages.sent_per_second, 3),
        format.significant(step.messages.received_per_second, 3),
        format.NONE if step.cpu is None else f"{step.cpu * 100:.0f} %",
    ]


def bar(value: float | None, most: float, width: int) -> str:
    """A bar as long as `value` is of `most`, at most `width` cells; one that is not 0 is never empty."""
    if value is None or most <= 0 or width <= 0:
        return ""
    eighths = max(1, round(min(value / most, 1.0) * width * 8)) if value > 0 else 0
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
