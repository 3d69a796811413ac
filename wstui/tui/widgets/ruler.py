"""Rulers of a chart: which values its height stands for, where the ticks are, and what is written at them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

from wstui.tui.widgets.figures import clock, short
from wstui.tui.widgets.lines import Line

LARGEST = 1e15
SMALLEST = 1e-12
"""No figure of a run is larger or smaller; what is counts as the largest, or as nothing: rulers stay legible."""
_TIME_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)


@dataclass(frozen=True, slots=True)
class Scale:
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
        return 0.05 + self.at(value) * (rows - 0.1)

    def row(self, value: float, rows: int) -> int:
        """The row of a value, from above."""
        return min(rows - 1, max(0, rows - 1 - int(self.height(value, rows))))


def tamed(value: float) -> float:
    """The value as a chart can take it: NaN stays a gap, and so is what is infinite."""
    if not math.isfinite(value):
        return math.nan
    return min(LARGEST, max(-LARGEST, value)) if abs(value) > SMALLEST else 0.0


def linear_scale(values: list[float], limit: float | None, rows: int, least_top: float) -> Scale:
    high = max([*values, least_top if least_top < LARGEST else 0.0])
    if limit is not None and math.isfinite(limit) and 0 < limit <= high * 4:
        high = max(high, limit)
    low = min(0.0, min(values, default=0.0))
    if high <= low:
        high = low + 1.0
    step = _nice((high - low) / max(1, min(6, rows // 2)))
    first, last = math.floor(low / step), math.ceil(high / step)
    return Scale(first * step, last * step, False, tuple(i * step for i in range(first, last + 1)))


def log_scale(values: list[float], limit: float | None, rows: int) -> Scale:
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
    scale = Scale(low, high, True, tuple(inside))
    for leading in ((1, 2, 5), (1, 5), (1,)):
        ticks = tuple(s for s in inside if round(s / 10 ** math.floor(math.log10(s) + 1e-9)) in leading)
        places = [rows - scale.height(tick, rows) for tick in ticks]
        if ticks and all(a - b >= 1.5 for a, b in pairwise(places)):
            break
    return replace(scale, ticks=ticks or (low, high))


def label(tick: float, largest: float) -> str:
    """A tick without needless digits; all thousands of a ruler are written alike."""
    text = f"{tick / 1000:g}k" if largest >= 10_000 and 1000 <= tick < 10_000 else short(tick)
    return re.sub(r"\.0+(?=\D|$)", "", text)


def _decades(low: float, high: float) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1
    return [digit * 10.0**power for power in range(first, last + 1) for digit in (1, 2, 5)]


def _nice(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return next((digit * power for digit in (1, 2, 5) if step <= digit * power * 1.0001), 10 * power)


def time_steps(span: float, room: int) -> float:
    """The seconds between two ticks of a ruler of time that has room for so many."""
    return next((s for s in _TIME_STEPS if span / s <= room), 10.0 ** math.ceil(math.log10(span / room)))


def load_steps(span: float, room: int) -> float:
    """The distance of two ticks of a ruler of loads that has room for so many."""
    return max(1.0, _nice(span / room))


@dataclass(frozen=True, slots=True)
class Across:
    """What a chart has from left to right: how far its ticks are apart, and what is written at them."""

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
