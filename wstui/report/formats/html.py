"""The result as one HTML file that needs no network: tables by themselves, charts drawn by a small script in it."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib import resources
from typing import Any

import jinja2

from wstui.execution.run.result import Result, SuiteResult
from wstui.measure import format
from wstui.measure.sanitize import sanitize
from wstui.measure.timeline import MARKS
from wstui.report.analysis.diagnosis import findings
from wstui.report.formats.html_charts import QUIET, charts
from wstui.report.model.labels import (
    facts_of,
    name_of,
    ramp_rates,
    runs_of,
    url_of,
    verdict_sign,
)
from wstui.report.model.table import MOST_ROWS
from wstui.report.model.tables import judged, measured, overview

MOST_EVENTS = 500


def page_environment() -> jinja2.Environment:
    """Return the templates' environment: Jinja escapes every value, and control characters are made visible."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(template),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "shown": sanitize,
        "count": format.count,
        "percent": format.percentage,
        "rate": format.per_second,
        "ms": format.milliseconds,
        "clock": format.clock,
    }
    return environment


def render(result: Result | SuiteResult) -> str:
    runs = [_run(run, number) for number, run in enumerate(runs_of(result))]
    return (
        page_environment()
        .get_template("report.html.j2")
        .render(
            title=sanitize(name_of(result)),
            suite=overview(result) if isinstance(result, SuiteResult) else None,
            most_rows=MOST_ROWS,
            sign=verdict_sign(result.verdict),
            verdict=result.verdict,
            runs=runs,
            style=template("report.css"),
            script=template("report.js"),
            charts=script_json({chart["id"]: chart for run in runs for chart in run["charts"]}),
        )
    )


def template(name: str) -> str:
    """Return a file of the pages."""
    return resources.files("wstui.report.formats").joinpath("templates", name).read_text(encoding="utf-8")


def _run(run: Result, number: int) -> dict[str, Any]:
    return {
        "number": number,
        "result": run,
        "name": name_of(run),
        "url": url_of(run),
        "sign": verdict_sign(run.verdict),
        "findings": findings(run),
        "facts": [fact for fact in facts_of(run) if fact != url_of(run)],
        "judged": judged(run),
        "ramps": ramp_rates(run),
        "measured": measured(run),
        "marks": _marks(run),
        "events": [(MARKS.get(event.kind, "·"), event) for event in run.events[:MOST_EVENTS]],
        "failures_total": sum(failure.count for failure in run.failures),
        "charts": [{**asdict(chart), "id": f"chart-{number}-{chart.name}"} for chart in charts(run)],
        "scenario": _pretty(run.scenario),
    }


def _marks(run: Result) -> list[tuple[str, str]]:
    """Return the legend of the glyphs on the charts: each kind of event once."""
    if not run.timeline:
        return []
    kinds = dict.fromkeys(event.kind for event in run.events if event.kind not in QUIET)
    return [(MARKS.get(kind, "·"), kind) for kind in kinds]


def _pretty(scenario: dict[str, Any]) -> str:
    lines = json.dumps(scenario, indent=2, ensure_ascii=False).split("\n")
    return "\n".join(sanitize(line) for line in lines)


def script_json(value: object) -> str:
    """Return JSON that can stand in a script element: nothing in it can end the element."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
