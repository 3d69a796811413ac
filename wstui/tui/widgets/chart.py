"""Line charts in braille. The only file that knows plotext.

plotext's kernel can end the process on values that are not finite or lie far off the axis, and its logarithmic rulers
collapse. So it only ever sees finite points in cells of its canvas, already clamped; rulers, limit line and marks
are drawn here, around and under its curves.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import plotext

from wstui.tui.widgets.figures import clock, pad, short, width_of
from wstui.tui.widgets.lines import Line

_SGR = re.compile(r"\x1b\[([\d;]*)m")
_MAX_CELLS = 2000
_LARGEST = 1e15
_SMALLEST = 1e-12
"""No figure of a run is larger or smaller; what is counts as the largest, or as nothing: rulers stay legible."""
_TIME_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)


@dataclass(frozen=True, slots=True)
class Curve:
    """One line: times in seconds, values (anything not finite is a gap), and its meaning in the palette."""

    xs: Sequence[float]
    ys: Sequence[float]
    meaning: str


@dataclass(frozen=True, slots=True)
class Plot:
    """What a chart shows; times in seconds.

    The ruler starts at zero, or at the smallest value when `log`. `limit` is a horizontal line, `marks` are vertical
    ones with a short text each (may be empty), `note` is said when there is nothing to draw.
    """

    curves: Sequence[Curve]
    x_from: float = 0.0
    x_to: float = 60.0
    log: bool = False
    limit: float | None = None
    marks: Sequence[tuple[float, str]] = field(default=())
    note: str = ""
    least_top: float = 0.0


@dataclass(frozen=True, slots=True)
class _Scale:
    low: float
    high: float
    log: bool
    ticks: tuple[float, ...]

    def at(self, value: float) -> float:
        """The height of a value as a share of the ruler, 0…1, clamped."""
        if self.log:
            value = math.log10(max(value, self.low))
            low, high = math.log10(self.low), math.log10(self.high)
        else:
            low, high = self.low, self.high
        return min(1.0, max(0.0, (value - low) / (high - low)))


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
    curves = [replace(curve, ys=[_tamed(y) for y in curve.ys]) for curve in plot.curves]
    plot = replace(plot, curves=curves, limit=None if plot.limit is None else _tamed(plot.limit))
    values = [y for curve in curves for y in curve.ys if math.isfinite(y)]
    scale = (
        _log_scale(values, plot.limit, rows) if plot.log else _linear_scale(values, plot.limit, rows, plot.least_top)
    )
    labels = {tick: _label(tick, max(scale.ticks)) for tick in scale.ticks} if values else {}
    gutter = max(4, *(width_of(text) for text in labels.values())) if labels else 4
    columns = width - gutter - 1
    plot_from, span = plot.x_from, plot.x_to - plot.x_from
    if not (0 < span < _LARGEST and abs(plot_from) < _LARGEST):
        plot_from, span = 0.0, 60.0

    def column(x: float) -> float:
        return (x - plot_from) / span * columns

    grid: list[list[tuple[str, str]]] = [[(" ", "text")] * columns for _ in range(rows)]
    for x, _ in plot.marks:
        if math.isfinite(x) and 0 <= (at := column(x)) < columns:
            for cells in grid:
                cells[int(at)] = ("┊", "track")
    if plot.limit is not None and math.isfinite(plot.limit) and values:
        row = min(rows - 1, int((1 - scale.at(plot.limit)) * rows))
        grid[row] = [("┈" if char == " " else "┼", "limit") for char, _ in grid[row]]
    if values:
        _lay_curves(plot, scale, grid, column)
    elif plot.note:
        text = pad(plot.note, min(columns, width_of(plot.note)))
        start = (columns - width_of(text)) // 2
        rest = columns - start - width_of(text)
        grid[rows // 2] = [(" " * start, "text"), (text, "muted"), (" " * rest, "text")]

    tick_rows = {min(rows - 1, int((1 - scale.at(tick)) * rows)): text for tick, text in labels.items()}
    lines: list[Line] = []
    for y, cells in enumerate(grid):
        label = tick_rows.get(y)
        head = (pad(label or "", gutter, right=True) + ("┤" if label else "│"), "rule" if label is None else "muted")
        lines.append([head, *_merged(cells)])
    lines.extend(_time_ruler(plot_from, span, gutter, columns))
    return lines


def _lay_curves(plot: Plot, scale: _Scale, grid: list[list[tuple[str, str]]], column: Any) -> None:
    rows, columns = len(grid), len(grid[0])
    figure = _figure(columns, rows)
    meanings: list[str] = []
    for curve in plot.curves:
        marker = plotext.marker("braille", pixel=plotext.pixel(len(meanings) + 1))
        meanings.append(curve.meaning)
        for xs, ys in _runs(curve, scale, column, columns, rows):
            signal = figure.signal(xs, ys, marker=marker)
            figure.draw(signal.lines().density("full") if len(xs) > 1 else signal)
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
                    grid[y][x] = (char, meaning)
                x += 1


def _figure(columns: int, rows: int) -> Any:
    """A bare canvas whose coordinates are its cells, the origin at the lower left."""
    plotext.terminal.limit(False, False)
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


def _runs(curve: Curve, scale: _Scale, column: Any, columns: int, rows: int) -> list[tuple[list[float], list[float]]]:
    """The unbroken stretches of a curve, in cells of the canvas; points outside the times shown end a stretch."""
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
        # the lowest row belongs to the lowest value, so that a line at zero stays visible
        ys.append(0.05 + scale.at(y) * (rows - 0.1))
    if xs:
        runs.append((xs, ys))
    return runs


def _tamed(value: float) -> float:
    """The value as a chart can take it: NaN stays a gap, and so is what is infinite."""
    if not math.isfinite(value):
        return math.nan
    return min(_LARGEST, max(-_LARGEST, value)) if abs(value) > _SMALLEST else 0.0


def _linear_scale(values: list[float], limit: float | None, rows: int, least_top: float) -> _Scale:
    high = max([*values, least_top if least_top < _LARGEST else 0.0])
    if limit is not None and math.isfinite(limit) and 0 < limit <= high * 4:
        high = max(high, limit)
    low = min(0.0, min(values, default=0.0))
    if high <= low:
        high = low + 1.0
    step = _nice((high - low) / max(1, min(6, rows // 2)))
    first, last = math.floor(low / step), math.ceil(high / step)
    return _Scale(first * step, last * step, False, tuple(i * step for i in range(first, last + 1)))


def _log_scale(values: list[float], limit: float | None, rows: int) -> _Scale:
    shown = [value for value in values if value > 0]
    if limit is not None and math.isfinite(limit) and limit > 0 and shown and limit <= max(shown) * 100:
        shown.append(limit)
    if not shown:
        shown = [1.0, 10.0]
    steps = _decades(min(shown), max(shown))
    low = max((s for s in steps if s <= min(shown) * 1.0001), default=steps[0])
    high = min((s for s in steps if s >= max(shown) * 1.1), default=steps[-1])
    if high <= low:
        high = low * 10
    inside = [s for s in steps if low <= s <= high]
    scale = _Scale(low, high, True, tuple(inside))
    for leading in ((1, 2, 5), (1, 5), (1,)):
        ticks = tuple(s for s in inside if round(s / 10 ** math.floor(math.log10(s) + 1e-9)) in leading)
        places = [(1 - scale.at(tick)) * rows for tick in ticks]
        if ticks and all(a - b >= 1.5 for a, b in pairwise(places)):
            break
    return replace(scale, ticks=ticks or (low, high))


def _label(tick: float, largest: float) -> str:
    """A tick without needless digits; all thousands of a ruler are written alike."""
    text = f"{tick / 1000:g}k" if largest >= 10_000 and 1000 <= tick < 10_000 else short(tick)
    return re.sub(r"\.0+(?=\D|$)", "", text)


def _decades(low: float, high: float) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1
    return [digit * 10.0**power for power in range(first, last + 1) for digit in (1, 2, 5)]


def _nice(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return next((digit * power for digit in (1, 2, 5) if step <= digit * power * 1.0001), 10 * power)


def _time_ruler(start: float, span: float, gutter: int, columns: int) -> list[Line]:
    room = max(1, columns // 12)
    step = next((s for s in _TIME_STEPS if span / s <= room), 10.0 ** math.ceil(math.log10(span / room)))
    axis = ["─"] * columns
    labels = [" "] * (columns + gutter + 1)
    tick = math.ceil(start / step - 1e-9) * step
    while tick <= start + span:
        at = int((tick - start) / span * columns)
        text = clock(tick)
        begin = min(gutter + 1 + at - (0 if at == 0 else len(text) // 2), len(labels) - len(text))
        if at < columns and all(char == " " for char in labels[max(0, begin - 1) : begin + len(text) + 1]):
            axis[at] = "┬"
            labels[begin : begin + len(text)] = text
        tick += step
    return [[(" " * gutter + "└" + "".join(axis), "rule")], [("".join(labels), "muted")]]


def _merged(cells: list[tuple[str, str]]) -> Line:
    """Neighbours of one meaning as one part."""
    line: Line = []
    for text, meaning in cells:
        if line and line[-1][1] == meaning:
            line[-1] = (line[-1][0] + text, meaning)
        else:
            line.append((text, meaning))
    return line
