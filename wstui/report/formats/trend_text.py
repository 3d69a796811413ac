"""A trend for the terminal: a line a run with a bar, changes, tags and notes marked."""

from __future__ import annotations

from wstui.measure import format
from wstui.measure.sanitize import sanitize
from wstui.report.analysis.significance import ALPHA
from wstui.report.analysis.trend import FEWEST, ChangePoint, Point, Trend
from wstui.report.model.cell_text import GAP, bar, paragraph, width_of
from wstui.report.model.labels import Tone
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


def note(trend: Trend) -> str:
    """Return how changes were looked for."""
    if len(trend.points) < 2 * FEWEST:
        return f"Changes are looked for in {2 * FEWEST} runs or more: {FEWEST} on each side."
    count = len(trend.changes)
    return (
        f"{count} change{'' if count == 1 else 's'} found (◆; Pettitt's test, p < {ALPHA:g}, at least {FEWEST} runs on "
        "each side)."
    )


def render(trend: Trend, *, width: int, colour: bool) -> str:
    """Return the lines of the trend, oldest run first; marks that do not fit beside a bar go below it."""
    paint, points = Paint(colour), trend.points
    room = max(min(_BAR, width - _REST), 4)
    most = max((point.value for point in points if point.value is not None), default=0.0)
    rows = []
    for point in points:
        started = sanitize(format.moment(point.started))
        share = point.value / most if most > 0 and point.value is not None else None
        rows.append(Row((str(point.run), started, format.limit_figure(point.value, trend.unit), bar(share, room))))
    scale = f"0{format.limit_figure(most, trend.unit):>{room - 1}}" if most else ""
    columns = [Column("run"), Column("started", number=False, rank=2), Column(trend.metric)]
    cut = fitted(Table("", [*columns, Column(scale, number=False, rank=1)], rows), width)
    lines = [paint.heading(GAP.join(cut.head).rstrip())]
    for row, point in zip(cut.rows, points, strict=True):
        line, marks = GAP.join(row), GAP.join(remarks(point, trend))
        tone = Tone.NEAR if trend.change_at(point) else Tone.PLAIN
        if width_of(line + GAP + marks) <= width:
            found = [line + GAP + marks]
        else:
            found = [line, *paragraph(marks, width=width, indent=" " * (width_of(cut.head[0]) + len(GAP)))]
        lines += [paint.tone(text.rstrip(), tone) for text in found]
    return "\n".join([*lines, "", *paint.dim(paragraph(note(trend), width=width, indent=""))])
