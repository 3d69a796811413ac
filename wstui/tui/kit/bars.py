"""Bars: a share of a limit, a column for each interval of time, the parts of a whole."""

from __future__ import annotations

import math
from collections.abc import Sequence

from wstui.tui.kit.row_widget import Line

_EIGHTHS = "▁▂▃▄▅▆▇█"


def meter(share: float | None, width: int, meaning: str = "ok") -> Line:
    """A thin horizontal gauge of a share of 0…1; more than 1 fills it."""
    if width <= 0:
        return []
    if share is None or not math.isfinite(share):
        return [("─" * width, "track")]
    full = round(min(1.0, max(0.0, share)) * width)
    if share > 0 and full == 0:
        return [("╸", meaning), ("─" * (width - 1), "track")]
    return [("━" * full, meaning), ("─" * (width - full), "track")]


def gauge(share: float | None, width: int, meaning: str = "ok") -> Line:
    """Return a `meter` if there is a share and room for it, else blank cells."""
    if share is None or width < 4:
        return [(" " * max(0, width), "text")]
    return meter(share, width, meaning)


def columns(samples: Sequence[float], width: int, *, top: float = 0.0) -> str:
    """A row of columns from zero up, one for each interval of time, filling from the left.

    Stretches always start at sample 0 and lengthen only when the row is full, so columns never dance; a column is as
    high as the highest sample of its interval. `top` is the least value of a full column.
    """
    if width <= 0 or not samples:
        return ""
    step = 1
    while math.ceil(len(samples) / step) > width:
        step += max(1, step // 2)  # 1, 2, 3, 4, 6, 9, 13 …: the row stays at least two thirds full
    highs = [max(samples[i : i + step]) for i in range(0, len(samples), step)]
    top = max(top, *highs)
    if not math.isfinite(top) or top <= 0:
        return " " * len(highs)
    out = []
    for high in highs:
        level = math.ceil(high / top * 8) if math.isfinite(high) and high > 0 else 0
        out.append(_EIGHTHS[min(level, 8) - 1] if level else " ")
    return "".join(out)


def parts(shares: Sequence[tuple[float, str, str]], width: int) -> Line:
    """Return the parts of a whole as one bar, each (amount, character, meaning); a part above zero gets a cell."""
    total = sum(max(0.0, amount) for amount, _, _ in shares)
    if width <= 0:
        return []
    if total <= 0:
        return [("░" * width, "track")]
    lengths = [max(1, round(amount / total * width)) if amount > 0 else 0 for amount, _, _ in shares]
    widest = max(range(len(lengths)), key=lambda i: lengths[i])
    lengths[widest] = max(0, lengths[widest] + width - sum(lengths))
    return [(char * n, meaning) for n, (_, char, meaning) in zip(lengths, shares, strict=True) if n]
