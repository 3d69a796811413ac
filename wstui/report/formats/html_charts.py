"""The charts of a run as plain data for the page. Colours are named by role: the page has them in light and dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from wstui.execution.run.result import Result
from wstui.execution.run.result_figures import distribution_in
from wstui.execution.run.result_sections import NS_PER_MS
from wstui.measure.format import limit_words
from wstui.measure.sanitize import sanitize
from wstui.measure.timeline import MARKS, step_columns
from wstui.report.model.breakpoint_table import by_load, latency_of, limits_prefix, step_sign
from wstui.report.model.labels import limit_ms

MOST_POINTS = 1000
"""A longer timeline is thinned to this many points, so that a day's run still opens on a phone."""
MOST_MARKS = 200
QUIET = ("start", "end")
"""Kinds of events that need no mark: a chart begins and ends there."""
_NEARBY = 30.0
"""A limit is shown on the chart where it lies within this multiple of what was measured."""

Row = dict[str, Any]
Line = dict[str, Any]
_SHARES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999, 0.99999, 0.999999)
_NAMED_SHARES = (0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart; `note` tells what to know before reading it.

    A line has `x`, `y` (None is a gap), `name`, `role` (its colour), `dash`, and `text` and `unit` for the tooltip.
    `axes` has `x`, `y` and perhaps `y2`: `title`, `suffix`, `log`, `ticks` as (value, text), `range`.
    `marks` are events as (second, glyph, text, whether it is bad news), `limits` thresholds as (value, text).
    """

    name: str
    title: str
    note: str
    lines: list[dict[str, Any]]
    axes: dict[str, dict[str, Any]]
    limits: tuple[tuple[float, str], ...] = ()
    marks: tuple[tuple[float, str, str, bool], ...] = ()


def charts(run: Result) -> list[Chart]:
    """Every chart that the run has data for."""
    rows = thin(run.timeline)
    marks = _marks(run)
    thinned = f" Each point stands for {len(run.timeline) / len(rows):.0f} s." if len(rows) < len(run.timeline) else ""
    along_time = [
        _latency(run, rows),
        *_steps(run, rows),
        _throughput(rows),
        _connections(rows),
        _failures(rows),
        _generator(rows),
    ]
    made = [replace(chart, note=chart.note + thinned, marks=marks) for chart in along_time if chart is not None]
    beside = [_curve(run), *made[:1], _distribution(run), _fan_out(run)]
    return [*(chart for chart in beside if chart is not None), *made[1:]]


def thin(rows: Sequence[Row], most: int = MOST_POINTS) -> list[Row]:
    """The timeline in at most `most` rows: rates and shares are averaged, latencies keep their highest value."""
    if len(rows) <= most:
        return list(rows)
    size = math.ceil(len(rows) / most)
    return [_together(rows[start : start + size]) for start in range(0, len(rows), size)]


def _together(rows: Sequence[Row]) -> Row:
    joined: Row = dict(rows[-1])
    for name in joined:
        values = [value for row in rows if (value := _number(row.get(name))) is not None]
        if values and name != "at_s":
            joined[name] = max(values) if name.endswith("_ms") else sum(values) / len(values)
    return joined


def _latency(run: Result, rows: Sequence[Row]) -> Chart | None:
    lines = [
        _line(rows, "response_p50_ms", "p50", "first", "solid", "ms"),
        _line(rows, "response_p95_ms", "p95", "second", "dash", "ms"),
        _line(rows, "response_p99_ms", "p99", "third", "solid", "ms"),
        _line(rows, "response_max_ms", "max", "faint", "dot", "ms"),
    ]
    note = "Per second, from the intended send; logarithmic."
    chart = _chart("latency", "Response time", note, lines, "ms", log=True)
    return None if chart is None else _with_limits(chart, run, "response.")


_STEP_POINTS = 3_000
"""Points of the lines of all steps: the page stays small enough to fetch over ssh."""


def _steps(run: Result, rows: Sequence[Row]) -> list[Chart | None]:
    """The p99 of the steps of each role, second by second."""
    looks = [(role, dash) for dash in ("solid", "dash", "dot") for role in ("first", "second", "third", "fourth")]
    made = []
    rows = thin(rows, max(60, _STEP_POINTS // max(1, len(run.steps))))
    for number, role in enumerate(dict.fromkeys(step.role for step in run.steps)):
        named = [step for step in run.steps if step.role == role]
        lines = [
            _line(rows, step_columns(role, step.name)[3], _text(step.name), *look, "ms")
            for step, look in zip(named, looks, strict=False)
        ]
        note = "p99 per second, from when a step was due; logarithmic."
        made.append(
            _chart(f"steps-{number}", f"Steps of {_text(role)}" if role else "Logins", note, lines, "ms", log=True)
        )
    return made


def _with_limits(chart: Chart, run: Result, prefix: str) -> Chart:
    """The chart with the limits on metrics that begin so and are near enough to be told from the lines."""
    low, high = _extremes(chart.lines)
    limits = tuple(limit for limit in _limits(run, prefix) if low / _NEARBY <= limit[0] <= high * _NEARBY)
    low, high = min(low, *(limit for limit, _ in limits), low), max(high, *(limit for limit, _ in limits), high)
    margin = 0.05 * max(math.log10(high / low), 0.5)
    chart.axes["y"] |= {"ticks": _ladder(low, high), "range": [low / 10**margin, high * 10**margin]}
    return replace(chart, limits=limits)


def _limits(run: Result, prefix: str) -> tuple[tuple[float, str], ...]:
    named = [outcome for outcome in run.verdict.thresholds if outcome.metric.startswith(prefix)]
    return tuple(
        (limit, _text(f"{outcome.metric} {limit_words(outcome.limit)}"))
        for outcome in named
        if (limit := limit_ms(outcome))
    )


def _curve(run: Result) -> Chart | None:
    found = run.breakpoint
    if found is None:
        return None
    steps = by_load(found)
    lines = []
    for name, role, dash in (("p50", "first", "solid"), ("p95", "second", "dash"), ("p99", "third", "solid")):
        values = [_number(getattr(latency_of(found, step), name)) for step in steps]
        if any(value is not None for value in values):
            lines.append(
                {
                    "x": [step.load for step in steps],
                    "y": values,
                    "text": [step_sign(step).word for step in steps],
                    "name": name,
                    "unit": "ms",
                    "points": True,
                    "role": role,
                    "dash": dash,
                }
            )
    what = "Time to connect" if found.of == "connects" else "Response time"
    chart = _chart("curve", "Latency against load", f"{what} of each step; logarithmic.", lines, "ms", log=True)
    if chart is None:
        return None
    chart.axes["x"] = {"title": found.unit}
    return _with_limits(chart, run, limits_prefix(found))


def _distribution(run: Result) -> Chart | None:
    lines = [
        _percentiles(run, "response", "response", "third", "solid"),
        _percentiles(run, "roundtrip", "round trip", "first", "dash"),
        _percentiles(run, "connect", "connect", "second", "dot"),
        _percentiles(run, "reconnect", "reconnect", "fourth", "dashdot"),
    ]
    note = "How long the slowest took, over the whole run; logarithmic."
    return _by_percentile("distribution", "Latency by percentile", note, lines)


def _fan_out(run: Result) -> Chart | None:
    lines = [
        _percentiles(run, "fanout.spread", "spread", "first", "solid"),
        _percentiles(run, "delivery", "delivery", "fourth", "dash"),
    ]
    note = "Spread: from the first receipt anywhere. Delivery: from the server's timestamp. Logarithmic."
    return _by_percentile("fan-out", "Fan-out by percentile", note, lines)


def _percentiles(run: Result, family: str, label: str, role: str, dash: str) -> Line | None:
    histogram = distribution_in(run, family)
    if histogram is None or not histogram.count:
        return None
    # A percentile beyond the number of values says nothing.
    shares = [share for share in _SHARES if share < 1 - 0.5 / histogram.count]
    quantiles = [value / NS_PER_MS if value is not None else None for value in histogram.quantiles(shares)]
    return {
        "x": [_nines(share) for share in shares],
        "y": quantiles,
        "text": [_percentile(share) for share in shares],
        "name": label,
        "unit": "ms",
        "points": True,
        "role": role,
        "dash": dash,
    }


def _by_percentile(name: str, title: str, note: str, lines: Sequence[Line | None]) -> Chart | None:
    chart = _chart(name, title, note, lines, "ms", log=True)
    if chart is not None:
        chart.axes["x"] = {"ticks": [(_nines(share), _percentile(share)) for share in _NAMED_SHARES]}
    return chart


def _nines(share: float) -> float:
    """Return the place of a percentile on the axis: each further nine is one step to the right."""
    return -math.log10(1 - share)


def _percentile(share: float) -> str:
    return f"{share * 100:.6g} %"


def _throughput(rows: Sequence[Row]) -> Chart | None:
    lines = [
        _line(rows, "sent_per_s", "sent", "first", "dash", "/s"),
        _line(rows, "received_per_s", "received", "fourth", "solid", "/s"),
    ]
    return _chart("throughput", "Messages per second", "", lines, "messages/s")


def _connections(rows: Sequence[Row]) -> Chart | None:
    lines = [
        _line(rows, "wanted", "wanted", "faint", "dash", ""),
        _line(rows, "open", "open", "fourth", "solid", ""),
        _line(rows, "opening", "opening", "second", "dot", ""),
    ]
    if any(row.get("away") for row in rows):
        lines.append(_line(rows, "away", "dropped, to come back", "third", "dashdot", ""))
    return _chart("connections", "Clients", "", lines, "clients")


def _failures(rows: Sequence[Row]) -> Chart | None:
    lines = [
        _line(rows, "attempted_per_s", "connects tried", "first", "dash", "/s"),
        _line(rows, "ready_per_s", "became ready", "fourth", "solid", "/s"),
        _line(rows, "failures_per_s", "failures", "third", "solid", "/s"),
    ]
    return _chart("failures", "Connects and failures per second", "", lines, "per second")


def _generator(rows: Sequence[Row]) -> Chart | None:
    cpu = _line(rows, "cpu", "CPU of the busiest worker", "second", "solid", "%")
    lag = _line(rows, "loop_lag_ms", "loop lag", "third", "dot", "ms")
    if cpu:
        cpu["y"] = [None if value is None else value * 100 for value in cpu["y"]]
    chart = _chart("generator", "This generator", "Near 100 % CPU it measures itself.", [cpu, lag], "% of a core")
    if chart is not None and lag:
        lag["axis"] = "y2"
        chart.axes["y2"] = {"title": "ms"}
    return chart


def _chart(
    name: str, title: str, note: str, lines: Sequence[dict[str, Any] | None], unit: str, *, log: bool = False
) -> Chart | None:
    data = [line for line in lines if line]
    if not data:
        return None
    scale = {"log": True, "ticks": _ladder(*_extremes(data))} if log else {}
    return Chart(name, title, note, data, {"x": {"suffix": " s"}, "y": {"title": unit, **scale}})


def _extremes(data: Sequence[Line]) -> tuple[float, float]:
    """The smallest and the largest value that a logarithm can show; 1 and 1 without any."""
    values = [value for line in data for value in line["y"] if value]
    return min(values, default=1.0), max(values, default=1.0)


def _ladder(least: float, most: float) -> list[tuple[float, str]]:
    """Ticks that people would choose: the fewer to a power of ten, the more of those the values span."""
    low, high = math.floor(math.log10(least)), math.ceil(math.log10(most))
    steps: Sequence[float] = (1, 2, 5) if high - low <= 3 else (1,)
    if most < 8 * least:
        steps = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
    ticks = [step * 10.0**power for power in range(low, high + 1) for step in steps]
    return [(tick, f"{tick:g}") for tick in ticks]


def _line(rows: Sequence[Row], column: str, name: str, role: str, dash: str, unit: str) -> dict[str, Any] | None:
    values = [_number(row.get(column)) for row in rows]
    if all(value is None for value in values):
        return None
    return {
        "x": [_number(row.get("at_s")) for row in rows],
        "y": values,
        "name": name,
        "unit": unit,
        "role": role,
        "dash": dash,
    }


def _marks(run: Result) -> tuple[tuple[float, str, str, bool], ...]:
    events = [event for event in run.events if event.kind not in QUIET]
    return tuple(
        (event.at_s, MARKS.get(event.kind, "·"), _text(event.text), event.kind in ("broken", "worker", "generator"))
        for event in events[:MOST_MARKS]
    )


def _text(text: str) -> str:
    return sanitize(text, 120)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(f"{value:.5g}")
