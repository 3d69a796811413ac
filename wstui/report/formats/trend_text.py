"""A trend for the terminal: a line a run with a bar, changes, tags and notes marked."""

from __future__ import annotations

from wstui.measure import format
from wstui.measure.sanitize import sanitize
from wstui.report.analysis.trend import FEWEST, ChangePoint, Point, Trend
from wstui.report.model.cell_text import GAP, paragraph, width_of
from wstui.report.model.table import Column, Row, Table, fitted
from wstui.report.model.terminal import Paint

_BAR = 24
_REST = 44
"""Cells that the other columns take."""


def change_words(change: ChangePoint, unit: str) -> str:
    """Return a change in words: "12.3 ms → 15.1 ms (+23 %, p = 0.001)"."""
    before, after = (format.limit_figure(value, unit) for value in (change.before, change.after))
    size = "" if change.ratio is None or unit == "%" else f"{change.ratio * 100:+.1f} %, "
    return f"{before} → {after} ({size}p = {change.p_value:.2g})"


def remarks(point: Point, trend: Trend) -> list[str]:
    """Return the marks of a run: the change that begins with it, its tags, its notes."""
    change = trend.change_at(point)
    return [
        *([f"◆ {change_words(change, trend.unit)}"] if change else []),
        *(f"#{sanitize(tag)}" for tag in point.tags),
        *(f"¶ {sanitize(note, 60)}" for note in point.notes),
    ]


def render(trend: Trend, *, width: int, colour: bool) -> str:
    """Return the lines of the trend, oldest run first; marks that do not fit beside a bar go below it."""
    paint, points, changes = Paint(colour), trend.points, trend.changes
    bar = max(min(_BAR, width - _REST), 4)
    most = max((point.value for point in points if point.value is not None), default=0.0)
    rows = []
    for point in points:
        cells = 0 if point.value is None or not most else round(point.value / most * bar)
        started = point.started[:16].replace("T", " ")
        rows.append(Row((str(point.run), started, format.limit_figure(point.value, trend.unit), "█" * cells)))
    columns = [Column("run"), Column("started", number=False, rank=2), Column(trend.metric)]
    cut = fitted(Table("", [*columns, Column("", number=False, rank=1)], rows), width)
    lines = [paint.heading(GAP.join(cut.head).rstrip())]
    for row, point in zip(cut.rows, points, strict=True):
        line, marks = GAP.join(row), GAP.join(remarks(point, trend))
        if width_of(line + GAP + marks) <= width:
            lines.append((line + GAP + marks).rstrip())
        else:
            lines += [line.rstrip(), *paragraph(marks, width=width, indent=" " * (width_of(cut.head[0]) + len(GAP)))]
    note = (
        f"{len(changes)} change{'' if len(changes) == 1 else 's'} found (◆; Pettitt's test, at least {FEWEST} runs on "
        "each side)."
        if len(points) >= 2 * FEWEST
        else f"Changes are looked for in {2 * FEWEST} runs or more: {FEWEST} on each side."
    )
    return "\n".join([*lines, "", *paint.dim(paragraph(note, width=width, indent=""))])
