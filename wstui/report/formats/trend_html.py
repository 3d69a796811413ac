"""A trend as one HTML page that needs no network: the chart of the report, and the runs as a table."""

from __future__ import annotations

from wstui.measure import format
from wstui.measure.sanitize import sanitize
from wstui.report.analysis.trend import Trend
from wstui.report.formats.html import page_environment, script_json, template
from wstui.report.formats.trend_text import change_words, remarks


def render(trend: Trend) -> str:
    points, unit = trend.points, trend.unit
    line = {
        "x": list(range(len(points))),
        "y": [point.value for point in points],
        "text": [" · ".join([f"run {point.run}", *remarks(point, trend)]) for point in points],
        "name": trend.metric,
        "unit": unit,
        "points": True,
        "role": "first",
        "dash": "solid",
    }
    chart = {
        "lines": [line],
        "axes": {
            "x": {"title": "run", "ticks": [(index, str(point.run)) for index, point in enumerate(points)]},
            "y": {"title": unit},
        },
        "limits": (),
        "marks": [
            (index, mark[0], mark[1:].strip(), mark[0] == "◆")
            for index, point in enumerate(points)
            for mark in remarks(point, trend)
        ],
    }
    rows = [
        (point, format.limit_figure(point.value, unit), "  ".join(remarks(point, trend))) for point in reversed(points)
    ]
    return (
        page_environment()
        .get_template("trend.html.j2")
        .render(
            title=sanitize(trend.preset),
            metric=trend.metric,
            rows=rows,
            changes=[(change.run, change_words(change, unit)) for change in trend.changes],
            style=template("report.css"),
            script=template("report.js"),
            charts=script_json({"trend": chart} if any(point.value is not None for point in points) else {}),
        )
    )
