"""A trend as one HTML page that needs no network: the chart of the report, and the runs as a table."""

from __future__ import annotations

from typing import Any

from wstui.measure import format
from wstui.measure.sanitize import sanitize
from wstui.report.analysis.trend import Trend
from wstui.report.formats.html import page_environment, script_json, template
from wstui.report.formats.trend_text import change_words, note, remarks


def render(trend: Trend) -> str:
    points, unit = trend.points, trend.unit
    across = list(range(len(points)))
    line = {
        "x": across,
        "y": [point.value for point in points],
        "text": [" · ".join([f"run {point.run}", *remarks(point, trend)]) for point in points],
        "name": trend.metric,
        "unit": unit,
        "points": True,
        "role": "first",
        "dash": "solid",
    }
    level: dict[str, Any] = {
        "x": [],
        "y": [],
        "name": "median between changes",
        "unit": unit,
        "role": "faint",
        "dash": "dash",
    }
    for index, (point, median) in enumerate(zip(points, trend.levels, strict=False)):
        indexes = [None, index] if trend.change_at(point) else [index]
        level["x"] += indexes
        level["y"] += [median] * len(indexes)
    marked = [(index, found) for index, point in enumerate(points) if (found := remarks(point, trend))]
    chart = {
        "lines": [line, level],
        "axes": {
            "x": {"title": "run", "ticks": [(index, str(point.run)) for index, point in enumerate(points)]},
            "y": {"title": unit},
        },
        "limits": (),
        "marks": [
            (index, "".join(dict.fromkeys(mark[0] for mark in found)), "\n".join(found), found[0][0] == "◆")
            for index, found in marked
        ],
    }
    rows = [
        (
            point.run,
            format.moment(point.started),
            format.limit_figure(point.value, unit),
            "  ".join(remarks(point, trend)),
            trend.change_at(point) is not None,
        )
        for point in reversed(points)
    ]
    return (
        page_environment()
        .get_template("trend.html.j2")
        .render(
            title=sanitize(trend.preset),
            metric=trend.metric,
            rows=rows,
            note=note(trend),
            changes=[(change.run, change_words(change, unit)) for change in trend.changes],
            style=template("report.css"),
            script=template("report.js"),
            charts=script_json({"trend": chart} if trend.levels else {}),
            is_measured=bool(trend.levels),
        )
    )
