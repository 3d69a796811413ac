"""Latency against load: what a search for the limit has found so far, or found in the end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from wstui.execution.run.result import BreakpointStep
from wstui.execution.run.result_sections import Latency
from wstui.measure.format import count, ms, percent, rate, short
from wstui.measure.sanitize import sanitize
from wstui.report.model.cell_text import pad
from wstui.scenario.breakpoint import UNITS
from wstui.tui.dashboard.thresholds import limit_ms
from wstui.tui.kit import chart
from wstui.tui.kit.axis import LOAD
from wstui.tui.kit.row_widget import Line

_CURVES = (("p50", "p50"), ("p95", "p95"), ("p99", "p99"))
_SIGNS = {
    True: ("✓", "holds", "strong-ok"),
    False: ("✗", "breaks", "strong-bad"),
    None: ("▲", "limited", "strong-warn"),
}


class BreakpointChart(Protocol):
    """What is known of a search: while it goes on, or at its end."""

    @property
    def of(self) -> str: ...

    @property
    def low(self) -> int | None:
        """The largest load that held."""
        ...

    @property
    def high(self) -> int | None: ...

    @property
    def steps(self) -> Sequence[BreakpointStep]:
        """In the order in which they were tried."""
        ...


def latency_of(of: str, step: BreakpointStep) -> Latency:
    """Response time, or the time to connect where connects are the load."""
    return step.latency_ms.connect if of == "connects" else step.latency_ms.response


def by_load(steps: Sequence[BreakpointStep]) -> list[BreakpointStep]:
    """In the order of their loads; a load that was tried again stands there twice."""
    return sorted(steps, key=lambda step: (step.load, step.started_s))


def curve_plot(search: BreakpointChart, *, log: bool = True) -> chart.Plot:
    """The quantiles of each load, joined; ✓, ✗ and ▲ on the highest of them; a line up where the target breaks."""
    steps = by_load(search.steps)
    last = {step.load: step for step in steps}  # of several tries the last one counts
    loads = [float(load) for load in last]
    curves = [
        chart.Curve(loads, [_value(getattr(latency_of(search.of, step), name)) for step in last.values()], meaning)
        for name, meaning in _CURVES
    ]
    spots = [
        chart.Spot(
            float(step.load), _value(latency_of(search.of, step).p99), _SIGNS[step.held][0], _SIGNS[step.held][2]
        )
        for step in steps
    ]
    most = max(loads, default=0.0)
    return chart.Plot(
        curves,
        0.0,
        most * 1.08 or 1.0,
        log,
        _limit(search),
        [(float(search.high), "")] if search.high is not None else [],
        "no load was measured yet",
        spots=spots,
        across=LOAD,
    )


def curve_title(search: BreakpointChart) -> Line:
    """What it shows, and its colours."""
    what = "connect ms" if search.of == "connects" else "latency ms"
    title: Line = [(f"{what} against {_unit(search)}", "text")]
    for name, meaning in _CURVES:
        title += [("  ━ ", meaning), (name, "text")]
    if (limit := _limit(search)) is not None:
        title.append((f"  ┄ limit {short(limit)}", "limit"))
    return title


def curve_rows(search: BreakpointChart, width: int) -> list[Line]:
    """The steps as a table, smallest load first."""
    latency = "connect" if search.of == "connects" else "response"
    heads = (_unit(search), "reached", "p50", "p95", "p99", "sent/s", "cpu %")
    wide = max(7, min(11, (width - 11) // len(heads)))
    lines: list[Line] = [[(" " + pad("", 9), "muted"), *((pad(head, wide, right=True), "muted") for head in heads)]]
    for step in by_load(search.steps):
        glyph, word, meaning = _SIGNS[step.held]
        shown = latency_of(search.of, step)
        figures = (
            count(step.load), rate(step.reached), ms(shown.p50), ms(shown.p95), ms(shown.p99),
            rate(step.messages.sent_per_second), percent(step.cpu),
        )  # fmt: skip
        line: Line = [(f" {glyph} {pad(word, 7)}", meaning)]
        line += [(pad(text, wide, right=True), "strong" if i == 0 else "text") for i, text in enumerate(figures)]
        if step.why and width > 110:
            line.append((f"  {sanitize(step.why).partition(', the limit is')[0]}", "muted"))
        lines.append(line)
    lines.append([(f" {latency} time in ms", "muted")])
    return lines


def _unit(search: BreakpointChart) -> str:
    return next((unit for of, unit in UNITS.items() if of == search.of), search.of)


def _limit(search: BreakpointChart) -> float | None:
    """The tightest limit on what the curve shows."""
    family = "connect." if search.of == "connects" else "response."
    outcomes = search.steps[-1].thresholds if search.steps else ()
    limits = [limit for o in outcomes if o.metric.startswith(family) and (limit := limit_ms(o)) is not None]
    return min(limits, default=None)


def _value(value: float | None) -> float:
    return math.nan if value is None else value
