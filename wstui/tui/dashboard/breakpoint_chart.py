"""Latency against load: what a search for the limit has found so far, or found in the end."""

from __future__ import annotations

import math

from wstui.measure.format import short
from wstui.report.model.breakpoint_table import Search, by_load, latency_of, limits_prefix, step_sign
from wstui.report.model.labels import limit_ms
from wstui.tui.kit import chart
from wstui.tui.kit.axis import LOAD
from wstui.tui.kit.page import MEANINGS
from wstui.tui.kit.row_widget import Line

_CURVES = (("p50", "p50"), ("p95", "p95"), ("p99", "p99"))


def curve_plot(search: Search, *, log: bool = True) -> chart.Plot:
    """The quantiles of each load, joined; ✓, ✗ and ▲ on the highest of them; a line up where the target breaks."""
    steps = by_load(search)
    last = {step.load: step for step in steps}  # of several tries the last one counts
    loads = [float(load) for load in last]
    curves = [
        chart.Curve(loads, [_value(getattr(latency_of(search, step), name)) for step in last.values()], meaning)
        for name, meaning in _CURVES
    ]
    signs = [(step, step_sign(step)) for step in steps]
    spots = [
        chart.Spot(float(step.load), _value(latency_of(search, step).p99), sign.glyph, f"strong-{MEANINGS[sign.tone]}")
        for step, sign in signs
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


def curve_title(search: Search) -> Line:
    """What it shows, and its colours."""
    what = "connect ms" if search.of == "connects" else "latency ms"
    title: Line = [(f"{what} against {search.unit}", "text")]
    for name, meaning in _CURVES:
        title += [("  ━ ", meaning), (name, "text")]
    if (limit := _limit(search)) is not None:
        title.append((f"  ┄ limit {short(limit)}", "limit"))
    return title


def _limit(search: Search) -> float | None:
    """The tightest limit on what the curve shows."""
    outcomes = search.steps[-1].thresholds if search.steps else ()
    named = [outcome for outcome in outcomes if outcome.metric.startswith(limits_prefix(search))]
    return min((limit for outcome in named if (limit := limit_ms(outcome)) is not None), default=None)


def _value(value: float | None) -> float:
    return math.nan if value is None else value
