"""The result as one HTML file that needs no network: tables by themselves, charts drawn by a small script in it."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib import resources
from typing import Any

import jinja2

from wstui.execution.run.result import Result, SuiteResult
from wstui.measure.sanitize import visible
from wstui.measure.timeline import MARKS
from wstui.report.analysis.diagnosis import findings
from wstui.report.formats.html_charts import QUIET, charts
from wstui.report.model import format
from wstui.report.model.labels import (
    limit_of,
    name_of,
    peak_clients,
    ramp_rates,
    route_of,
    runs_of,
    threshold_sign,
    url_of,
    verdict_sign,
)
from wstui.report.model.tables import search, tables

MOST_EVENTS = 500


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
        "shown": visible,
        "count": format.count,
        "percent": format.percentage,
        "rate": format.per_second,
        "ms": format.milliseconds,
        "signed_ms": format.signed_ms,
        "clock": format.clock,
        "duration": format.duration,
        "size": format.size,
    }
    runs = [_run(run, number) for number, run in enumerate(runs_of(result))]
    return environment.get_template("report.html.j2").render(
        title=visible(name_of(result)),
        suite=isinstance(result, SuiteResult),
        skipped=result.skipped if isinstance(result, SuiteResult) else [],
        sign=verdict_sign(result.verdict),
        verdict=result.verdict,
        runs=runs,
        style=_template("report.css"),
        script=_template("report.js"),
        charts=_json({chart["id"]: chart for run in runs for chart in run["charts"]}),
    )


def _template(name: str) -> str:
    return resources.files("wstui.report.formats").joinpath("templates", name).read_text(encoding="utf-8")


def _run(run: Result, number: int) -> dict[str, Any]:
    return {
        "number": number,
        "result": run,
        "name": name_of(run),
        "url": url_of(run),
        "route": route_of(run),
        "clients": peak_clients(run),
        "sign": verdict_sign(run.verdict),
        "findings": findings(run),
        "thresholds": [
            {
                "outcome": outcome,
                "sign": threshold_sign(outcome),
                "limit": limit_of(outcome),
                "figure": format.limit_figure(outcome.value, outcome.unit),
                "used": None if outcome.used is None else round(min(outcome.used, 1.0), 3),
            }
            for outcome in run.verdict.thresholds
        ],
        "search": search(run),
        "ramps": ramp_rates(run),
        "tables": tables(run),
        "marks": _marks(run),
        "events": [(MARKS.get(event.kind, "·"), event) for event in run.events[:MOST_EVENTS]],
        "failures_total": sum(failure.count for failure in run.failures),
        "charts": [{**asdict(chart), "id": f"chart-{number}-{chart.name}"} for chart in charts(run)],
        "scenario": _pretty(run.scenario),
    }


def _marks(run: Result) -> list[tuple[str, str]]:
    """What the glyphs on the charts stand for: each kind of event once."""
    if not run.timeline:
        return []
    kinds = dict.fromkeys(event.kind for event in run.events if event.kind not in QUIET)
    return [(MARKS.get(kind, "·"), kind) for kind in kinds]


def _pretty(scenario: dict[str, Any]) -> str:
    lines = json.dumps(scenario, indent=2, ensure_ascii=False).split("\n")
    return "\n".join(visible(line) for line in lines)


def _json(value: object) -> str:
    """JSON that can stand in a script element: nothing in it can end the element."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
