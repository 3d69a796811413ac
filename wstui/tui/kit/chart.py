"""Line charts in braille. The only file that knows plotext.

plotext's kernel can end the process on values that are not finite or lie far off the axis, and its logarithmic rulers
collapse. So it only ever sees finite points in cells of its canvas, already clamped; rulers, limit line and marks
are drawn here, around and under its curves.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from types import ModuleType
from typing import Any

from wstui.report.model.cell_text import clip, pad, width_of, wrap
from wstui.scenario.load_curve import LoadCurve
from wstui.tui.kit.axis import LARGEST, TIME, Across, Scale, along, clamped, label, linear_scale, log_scale
from wstui.tui.kit.bars import columns
from wstui.tui.kit.row_widget import Line


@cache
def kernel() -> Any:
    """Import plotext when the first chart is drawn, without its manual, which takes longer than all else in it."""
    manual = ModuleType("plotext._doc.doc")
    manual.docs = None  # type: ignore[attr-defined]
    sys.modules.setdefault(manual.__name__, manual)
    import plotext

    plotext.terminal.limit(False, False)
    return plotext


_SGR = re.compile(r"\x1b\[([\d;]*)m")
_MAX_CELLS = 2000
_TURN = 2
"""Cells in a row that one of several curves colours."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One line: times in seconds, values (anything not finite is a gap), and its meaning in the palette."""

    xs: Sequence[float]
    ys: Sequence[float]
    meaning: str


@dataclass(frozen=True, slots=True)
class Spot:
    """A character at a point, in its meaning."""

    x: float
    y: float
    char: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Plot:
    """The contents of a chart, over time in seconds or over what `across` says.

    The ruler starts at zero, or at the smallest value when `log`. `limit` is a horizontal line, `marks` are vertical
    ones with a short text each (may be empty), `spots` single points with a character of their own, `note` is shown
    when there is nothing to draw.
    """

    curves: Sequence[Curve]
    x_from: float = 0.0
    x_to: float = 60.0
    log: bool = False
    limit: float | None = None
    marks: Sequence[tuple[float, str]] = field(default=())
    note: str = ""
    least_top: float = 0.0
    spots: Sequence[Spot] = field(default=())
    across: Across = TIME
    named: bool = False  # write the texts of the marks beside them


def end_of(curve: Curve, char: str) -> list[Spot]:
    """A character on the last point of a curve, so that it is not told from others by its colour alone."""
    points = zip(reversed(curve.xs), reversed(curve.ys), strict=True)
    last = next(((x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)), None)
    return [Spot(*last, char, curve.meaning)] if last is not None else []


def is_ready() -> bool:
    """Whether a chart can be drawn without a wait for the kernel."""
    return kernel.cache_info().currsize > 0


def draw(plot: Plot, width: int, height: int) -> list[Line]:
    """The chart in `height` rows of `width` cells; one that cannot be drawn is an empty frame and a note."""
    if width < 1 or height < 1:
        return []
    width, height = min(width, _MAX_CELLS), min(height, _MAX_CELLS)
    if width < 12 or height < 3:
        return [[(" " * width, "text")] for _ in range(height)]
    try:
        return _draw(plot, width, height)
    except Exception as error:
        empty = Plot((), plot.x_from, plot.x_to, note=f"this chart cannot be drawn: {type(error).__name__}")
        return _draw(empty, width, height)


def _draw(plot: Plot, width: int, height: int) -> list[Line]:
    rows = height - 2
    curves = [replace(curve, ys=[clamped(y) for y in curve.ys]) for curve in plot.curves]
    plot = replace(plot, curves=curves, limit=None if plot.limit is None else clamped(plot.limit))
    values = [y for curve in curves for y in curve.ys if math.isfinite(y)]
    scale = log_scale(values, plot.limit, rows) if plot.log else linear_scale(values, plot.limit, rows, plot.least_top)
    labels = {tick: label(tick, max(scale.ticks)) for tick in scale.ticks} if values else {}
    gutter = max(4, *(width_of(text) for text in labels.values())) if labels else 4
    columns = width - gutter - 1
    plot_from, span = plot.x_from, plot.x_to - plot.x_from
    if not (0 < span < LARGEST and abs(plot_from) < LARGEST):
        plot_from, span = 0.0, 60.0

    def column(x: float) -> float:
        return (x - plot_from) / span * columns

    grid: list[list[tuple[str, str]]] = [[(" ", "text")] * columns for _ in range(rows)]
    for x, _ in plot.marks:
        if math.isfinite(x) and 0 <= (at := column(x)) < columns:
            for cells in grid:
                cells[int(at)] = ("┊", "track")
    if plot.limit is not None and math.isfinite(plot.limit) and values:
        row = scale.row(plot.limit, rows)
        grid[row] = [("┈" if char == " " else "┼", "limit") for char, _ in grid[row]]
    if values:
        _draw_curves(plot, scale, grid, column)
        _draw_spots(plot, scale, grid, column)
        if plot.named:
            _name_marks(plot, grid, column)
    elif plot.note:
        texts = wrap(plot.note, columns)[:rows]
        for row, text in enumerate(texts, min(rows // 2, rows - len(texts))):
            start = (columns - width_of(text)) // 2
            rest = columns - start - width_of(text)
            grid[row] = [(" " * start, "text"), (text, "muted"), (" " * rest, "text")]

    tick_rows = {scale.row(tick, rows): text for tick, text in labels.items()}
    lines: list[Line] = []
    for y, cells in enumerate(grid):
        tick_text = tick_rows.get(y, "")
        head = (pad(tick_text, gutter, right=True) + ("┤" if tick_text else "│"), "muted" if tick_text else "rule")
        lines.append([head, *_merged(cells)])
    lines.extend(along(plot.across, plot_from, span, gutter, columns))
    return lines


def _name_marks(plot: Plot, grid: list[list[tuple[str, str]]], column: Any) -> None:
    """The text of each mark beside it, in the highest row that has room: to its right, else with an arrow to its left,
    else cut.
    """
    columns = len(grid[0])
    places = sorted((int(column(x)), text) for x, text in plot.marks if math.isfinite(x) and 0 <= column(x) < columns)
    ends = [at for at, _ in places[1:]] + [columns]
    for (at, text), end in zip(places, ends, strict=False):
        if not text or width_of(text) != len(text):
            continue
        short_one = clip(text, max(0, end - at - 2))
        left, right = (at - len(text) - 2, f"{text} →"), (at + 1, short_one)
        tries = [right, left] if short_one == text else [left, right]
        for start, said in tries:
            span = range(start - 1, start + len(said) + 1)
            free = (
                row for row in grid[: len(grid) // 2 + 1]
                if start >= 0 and all(x == at or row[x][0] == " " for x in span if 0 <= x < columns)
            )  # fmt: skip
            if said and (row := next(free, None)) is not None:
                row[start : start + len(said)] = [(char, "muted") for char in said]
                break


def _draw_curves(plot: Plot, scale: Scale, grid: list[list[tuple[str, str]]], column: Any) -> None:
    rows, columns = len(grid), len(grid[0])
    plotext, figure = kernel(), _figure(columns, rows)
    meanings: list[str] = []
    owners: dict[tuple[int, int], list[str]] = {}
    for curve in plot.curves:
        marker = plotext.marker("braille", pixel=plotext.pixel(len(meanings) + 1))
        meanings.append(curve.meaning)
        for xs, ys in _runs(curve, scale, column, columns, rows):
            signal = figure.signal(xs, ys, marker=marker)
            figure.draw(signal.lines().density("full") if len(xs) > 1 else signal)
            for cell in {(rows - 1 - int(y), int(x)) for x, y in zip(xs, ys, strict=True)}:
                owners.setdefault(cell, []).append(curve.meaning)
    for y, text in enumerate(figure.build().string().split("\n")[:rows]):
        x = 0
        meaning = ""
        for piece in re.split(r"(\x1b\[[\d;]*m)", text):
            if sgr := _SGR.fullmatch(piece):
                codes = sgr[1].split(";")
                meaning = meanings[int(codes[2]) - 1] if codes[:2] == ["38", "5"] else ""
                continue
            for char in piece:
                if x < columns and char not in " \u2800" and meaning:
                    grid[y][x] = (char, _in_turn(owners.get((y, x), ()), x) or meaning)
                x += 1


def _in_turn(owners: Sequence[str], x: int) -> str:
    """Return which of the curves in a cell colours it: curves side by side take turns, so that each can be seen."""
    return owners[x // _TURN % len(owners)] if len(owners) > 1 else ""


def _draw_spots(plot: Plot, scale: Scale, grid: list[list[tuple[str, str]]], column: Any) -> None:
    rows, columns = len(grid), len(grid[0])
    for spot in plot.spots:
        at = column(spot.x) if math.isfinite(spot.x) else math.nan
        if math.isfinite(spot.y) and 0 <= at <= columns:
            grid[scale.row(spot.y, rows)][min(int(at), columns - 1)] = (spot.char, spot.meaning)


def _figure(columns: int, rows: int) -> Any:
    """A bare canvas whose coordinates are its cells, the origin at the lower left."""
    plotext = kernel()
    figure = type(plotext.figure)(parent=plotext.terminal)
    figure.plot_size(columns, rows)
    figure.axes(False)
    figure.legend(False)
    figure.canvas("default")
    for axis, side, end in (("x", "lower", columns), ("y", "left", rows)):
        figure.ruler(axis, side).frequency(0)
        figure.ruler(axis, side).lim(0, end)
        figure.ruler(axis, side).alignment(lim="edge")
    return figure


def _runs(curve: Curve, scale: Scale, column: Any, columns: int, rows: int) -> list[tuple[list[float], list[float]]]:
    """The unbroken parts of a curve, in cells of the canvas; points outside the times shown end a part."""
    runs: list[tuple[list[float], list[float]]] = []
    xs: list[float] = []
    ys: list[float] = []
    for x, y in zip(curve.xs, curve.ys, strict=False):
        at = column(x) if math.isfinite(x) else math.nan
        if not math.isfinite(y) or not 0 <= at <= columns:
            if xs:
                runs.append((xs, ys))
                xs, ys = [], []
            continue
        xs.append(min(at, columns - 0.01))
        ys.append(scale.height(y, rows))
    if xs:
        runs.append((xs, ys))
    return runs


def _merged(cells: list[tuple[str, str]]) -> Line:
    """Merge neighbours with the same meaning."""
    line: Line = []
    for text, meaning in cells:
        if line and line[-1][1] == meaning:
            line[-1] = (line[-1][0] + text, meaning)
        else:
            line.append((text, meaning))
    return line


def plot(curve: LoadCurve) -> Plot:
    """Return the curve as a chart; corners alone would leave the steep parts to the eye, so it is walked densely."""
    length = max(curve.length_s, 1.0)
    steps = 200
    xs = sorted({*curve.at_s, *(length * i / steps for i in range(steps + 1))})
    return Plot(
        [Curve(xs, [curve.clients_at(x) for x in xs], "p50")],
        0.0,
        length,
        marks=[mark for mark in curve.marks if mark[0] > 0],
        least_top=1.0,
        note="no stages yet",
        named=True,
    )


def sketch(curve: LoadCurve, width: int) -> str:
    """Return the curve as columns of one row, lower than the row: there are others above and below."""
    if not curve.length_s:
        return ""
    heights = [curve.clients_at((i + 0.5) * curve.length_s / width) for i in range(width)]
    return columns(heights, width, top=max(heights) * 4 / 3)
