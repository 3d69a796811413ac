"""The result as one HTML file that needs no network: tables by themselves, charts with plotly.js inside the file."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib import resources
from typing import Any

import jinja2
from plotly.offline import get_plotlyjs

from wstui.execution.result import BreakpointSummary, Latency, Result, SuiteResult
from wstui.report import curve, figures
from wstui.report.charts import charts
from wstui.report.findings import findings
from wstui.report.wording import (
    name_of,
    peak_clients,
    ramp_rates,
    runs_of,
    shown,
    threshold_sign,
    url_of,
    verdict_sign,
)

_QUANTILES = ("mean", "min", "p50", "p90", "p95", "p99", "p999", "max")


def render(result: Result | SuiteResult) -> str:
    """The result as HTML. Jinja escapes every value; what could steer a reader's eye is made visible before."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "shown": shown,
        "count": figures.count,
        "percent": figures.percent,
        "rate": figures.rate,
        "ms": figures.milliseconds,
        "signed_ms": figures.signed_ms,
        "clock": figures.clock,
        "duration": figures.duration,
        "size": figures.size,
    }
    runs = [_run(run, number) for number, run in enumerate(runs_of(result))]
    return environment.get_template("report.html.j2").render(
        title=shown(name_of(result)),
        suite=isinstance(result, SuiteResult),
        sign=verdict_sign(result.verdict),
        verdict=result.verdict,
        runs=runs,
        style=_template("report.css"),
        script=_template("report.js"),
        plotly=get_plotlyjs(),
        charts=_json({chart["id"]: chart for run in runs for chart in run["charts"]}),
    )


def _template(name: str) -> str:
    return resources.files("wstui.report").joinpath("templates", name).read_text(encoding="utf-8")


def _run(run: Result, number: int) -> dict[str, Any]:
    return {
        "result": run,
        "name": name_of(run),
        "url": url_of(run),
        "clients": peak_clients(run),
        "sign": verdict_sign(run.verdict),
        "findings": findings(run),
        "thresholds": [
            {
                "outcome": outcome,
                "sign": threshold_sign(outcome),
                "figure": figures.limit_figure(outcome.value, outcome.unit),
            }
            for outcome in run.verdict.thresholds
        ],
        "curve": _curve(run.breakpoint),
        "ramps": ramp_rates(run),
        "latency": [_row(name, latency) for name, latency in _latencies(run)],
        "types": sorted(run.messages.by_type.items(), key=lambda item: -item[1]),
        "failures_total": sum(failure.count for failure in run.failures),
        "charts": [{**asdict(chart), "id": f"chart-{number}-{chart.name}"} for chart in charts(run)],
        "scenario": _pretty(run.scenario),
    }


def _curve(found: BreakpointSummary | None) -> dict[str, Any] | None:
    if found is None:
        return None
    rows = [(curve.step_sign(step).tone.value, curve.row(found, step)) for step in curve.points(found)]
    return {"sentence": found.sentence, "head": curve.head(found), "rows": rows}


def _latencies(run: Result) -> list[tuple[str, Latency]]:
    named = [
        ("response", run.latency_ms.response),
        ("round trip", run.latency_ms.round_trip),
        ("connect", run.latency_ms.connect),
    ]
    if run.fanout is not None:
        named += [("fan-out spread", run.fanout.spread_ms), ("delivery", run.fanout.delivery_ms)]
    return named


def _row(name: str, latency: Latency) -> list[str]:
    values = [figures.significant(getattr(latency, quantile), 3) for quantile in _QUANTILES]
    return [name, figures.count(latency.count), *values]


def _pretty(scenario: dict[str, Any]) -> str:
    lines = json.dumps(scenario, indent=2, ensure_ascii=False).split("\n")
    return "\n".join(shown(line) for line in lines)


def _json(value: object) -> str:
    """JSON that can stand in a script element: nothing in it can end the element."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
