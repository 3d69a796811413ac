"""Rulers of a chart: which values its height stands for, where the ticks are, and what is written at them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from wstui.measure.format import clock, short
from wstui.tui.kit.row_widget import Line

LARGEST = 1e15
SMALLEST = 1e-12
"""No figure of a run is larger or smaller; what is counts as the largest, or as nothing: rulers stay legible."""
_TIME_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)


_EDGE = 0.05
"""How far, in rows, the lowest and the highest value stay away from the edges of a chart."""


@dataclass(frozen=True, slots=True)
class Scale:
    """`low` and `high` are the values at the lower and the upper edge of the chart, `ticks` lie between them."""

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

    def height(self, value: float, rows: int) -> float:
        """The height of a value in rows from below, so that the lowest row belongs to the lowest value."""
        return _EDGE + self.at(value) * (rows - 2 * _EDGE)

    def row(self, value: float, rows: int) -> int:
        """The row of a value, from above."""
        return min(rows - 1, max(0, rows - 1 - int(self.height(value, rows))))


def clamped(value: float) -> float:
    """The value as a chart can take it: NaN stays a gap, and so is what is infinite."""
    if not math.isfinite(value):
        return math.nan
    return min(LARGEST, max(-LARGEST, value)) if abs(value) > SMALLEST else 0.0


def linear_scale(values: list[float], limit: float | None, rows: int, least_top: float) -> Scale:
    """A ruler whose ticks are the same number of rows apart, each in the middle of its row."""
    high = max([*values, least_top if least_top < LARGEST else 0.0])
    if limit is not None and math.isfinite(limit) and 0 < limit <= high * 4:
        high = max(high, limit)
    low = min(0.0, min(values, default=0.0))
    if high <= low:
        high = low + 1.0
    found = [
        (first, step, apart)
        for apart in range(1 if rows < 8 else 2, max(2, rows))
        for step in _steps(high - low, rows / apart)
        if (high - (first := math.floor(low / step) * step)) / step * apart <= rows - 0.5 - _EDGE
    ]

    def fitness(choice: tuple[float, float, int]) -> float:
        first, step, apart = choice
        ticks = 1 + (rows - 1) // apart
        wrong = 0.15 * max(0, min(3, rows // 2) - ticks) + 0.06 * max(0, ticks - 6) + (0.1 if apart == 1 else 0.0)
        return (high - first) / step * apart / rows - wrong

    first, step, apart = max(found, key=fitness, default=(low, (high - low) * 2, max(1, rows - 1)))
    a_row = step / apart
    ticks = [first + number * step for number in range(1 + (rows - 1) // apart)]
    bottom, top = first - (0.5 - _EDGE) * a_row, first + (rows - 0.5 - _EDGE) * a_row
    return Scale(bottom, top, False, tuple(ticks))


def _steps(span: float, ticks: float) -> list[float]:
    """Return round distances between ticks for a number of them across a range."""
    power = 10.0 ** math.floor(math.log10(span / ticks))
    return [digit * power * more for more in (1, 10) for digit in (1, 2, 2.5, 5)]


def log_scale(values: list[float], limit: float | None, rows: int) -> Scale:
    """A ruler whose ticks are near the middle of their rows."""
    shown = [value for value in values if value > 0]
    if limit is not None and math.isfinite(limit) and limit > 0 and shown and limit <= max(shown) * 100:
        shown.append(limit)
    if not shown:
        shown = [1.0, 10.0]
    # in coarse steps, so that the ruler stands still while the values move a little
    low = math.floor(math.log10(min(shown)) * 16 + 1e-9) / 16
    high = max(low + 0.5, math.ceil(math.log10(max(shown)) * 16 + 0.3) / 16)
    return _log_scale(low, high, rows)


_TICKS: tuple[tuple[tuple[int, ...], int], ...] = (((1, 2, 5), 1), ((1, 3), 1), ((1,), 1), ((1,), 2), ((1,), 3))
"""Leading digits, and in which decades: every one, each second, each third."""


@lru_cache(64)
def _log_scale(low: float, high: float, rows: int) -> Scale:
    """The ruler from 10^low to 10^high: of all that show it large, one whose ticks are true to their rows."""
    room = max(0.5, rows - 2 * _EDGE)
    best: tuple[float, Scale] | None = None
    for share in range(20, 13, -1):
        decade = room / (high - low) * share / 20  # in rows
        spare = room - (high - low) * decade
        for shift in {min(spare, part / 10) for part in range(11)}:
            bottom = low - shift / decade
            for leading, every in _TICKS:
                ticks = _log_ticks(bottom, bottom + room / decade, leading, every)
                heights = [_EDGE + (math.log10(tick) - bottom) * decade for tick in ticks]
                if len(ticks) < max(1, min(2, rows - 1)) or any(b - a < 1.5 for a, b in pairwise(heights)):
                    continue
                off = max(abs(height % 1 - 0.5) for height in heights)
                many = min(1.0, len(ticks) / max(1.0, min(6.0, rows / 2.2)))
                fitness = share / 20 - max(0.0, off - 0.25) * 2 + many * 0.4
                if best is None or fitness > best[0]:
                    best = fitness, Scale(10**bottom, 10 ** (bottom + room / decade), True, ticks)
    if best is not None:
        return best[1]
    ticks = _log_ticks(low, high, (1,)) or _log_ticks(low, high, (1, 2, 5)) or (10**low,)
    return Scale(10**low, 10**high, True, ticks[:1] if rows < 3 else (ticks[0], ticks[-1]))


def _log_ticks(low: float, high: float, leading: tuple[int, ...], every: int = 1) -> tuple[float, ...]:
    """The numbers with such a leading digit from 10^low to 10^high, of every decade or of each second or third one."""
    powers = (power for power in range(math.floor(low), math.floor(high) + 1) if power % every == 0)
    return tuple(
        float(f"{digit}e{power}")
        for power in powers for digit in leading
        if low - 1e-9 <= math.log10(digit) + power <= high + 1e-9
    )  # fmt: skip


def label(tick: float, largest: float) -> str:
    """A tick without needless digits; all thousands of a ruler are written alike."""
    text = f"{tick / 1000:g}k" if largest >= 10_000 and 1000 <= tick < 10_000 else short(tick)
    if 0 < tick < 0.1:
        text = f"{tick:g}".replace("e-0", "e-")
    return re.sub(r"\.0+(?=\D|$)", "", text)


def _nice(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return next((digit * power for digit in (1, 2, 5) if step <= digit * power * 1.0001), 10 * power)


def time_steps(span: float, room: int) -> float:
    """Return the seconds between two ticks of a time axis with room for a number of them."""
    return next((s for s in _TIME_STEPS if span / s <= room), 10.0 ** math.ceil(math.log10(span / room)))


def load_steps(span: float, room: int) -> float:
    """Return the distance between two ticks of a load axis with room for a number of them."""
    return max(1.0, _nice(span / room))


@dataclass(frozen=True, slots=True)
class Across:
    """The horizontal axis of a chart: the distance of its ticks and their labels."""

    step: Callable[[float, int], float]
    text: Callable[[float], str]


TIME = Across(time_steps, clock)
LOAD = Across(load_steps, lambda load: re.sub(r"\.0+(?=\D|$)", "", short(load)))


def along(across: Across, start: float, span: float, gutter: int, columns: int) -> list[Line]:
    """The lower ruler: its line with the ticks, and what is written below them."""
    step = across.step(span, max(1, columns // 12))
    axis = ["─"] * columns
    labels = [" "] * (columns + gutter + 1)
    tick = math.ceil(start / step - 1e-9) * step
    while tick <= start + span * (1 + 1e-9):
        at = min(int((tick - start) / span * columns), columns - 1)
        text = across.text(tick)
        begin = min(gutter + 1 + at - (0 if at == 0 else len(text) // 2), len(labels) - len(text))
        if all(char == " " for char in labels[max(0, begin - 1) : begin + len(text) + 1]):
            axis[at] = "┬"
            labels[begin : begin + len(text)] = text
        tick += step
    return [[(" " * gutter + "└" + "".join(axis), "rule")], [("".join(labels), "muted")]]
