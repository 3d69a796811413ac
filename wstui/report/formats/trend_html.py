"""A trend as one HTML page that needs no network: the chart of the report, and the runs as a table."""

from __future__ import annotations

from collections.abc import Sequence

from wstui.measure import format
from wstui.measure.sanitize import sanitize
from wstui.report.analysis.trend import ChangePoint, Point
from wstui.report.formats.html import page_environment, script_json, template
from wstui.report.formats.trend_text import change_words


def render(points: Sequence[Point], changes: Sequence[ChangePoint], *, title: str, metric: str, unit: str) -> str:
    """Return the page; `title` is the preset's name."""
    place = {point.run: index for index, point in enumerate(points)}
    line = {
        "x": list(range(len(points))),
        "y": [point.value for point in points],
        "text": [sanitize(f"run {point.run} {', '.join(point.tags)}") for point in points],
        "name": metric,
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
        "marks": [(place[change.run], "◆", change_words(change, unit), True) for change in changes],
    }
    rows = [
        (point, format.limit_figure(point.value, unit), next((c for c in changes if c.run == point.run), None))
        for point in reversed(points)
    ]
    return (
        page_environment()
        .get_template("trend.html.j2")
        .render(
            title=sanitize(title),
            metric=metric,
            rows=[(point, figure, change and change_words(change, unit)) for point, figure, change in rows],
            changes=[(change.run, change_words(change, unit)) for change in changes],
            style=template("report.css"),
            script=template("report.js"),
            charts=script_json({"trend": chart} if any(point.value is not None for point in points) else {}),
        )
    )
