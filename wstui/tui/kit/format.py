"""The kit of numbers and text, as the screens import it."""

from __future__ import annotations

from pathlib import Path

from wstui.measure.sanitize import visible as clean
from wstui.report.model.format import NONE, clock, count, duration, fitting, ms, percent, rate, short, size, stamp
from wstui.report.model.text import clip, pad, width_of, wrap

__all__ = [
    "NONE", "clean", "clip", "clock", "count", "duration", "fitting", "ms", "pad", "percent", "rate", "short", "size",
    "stamp", "tilde", "width_of", "wrap",
]  # fmt: skip


def tilde(path: Path) -> str:
    """Return a path with "~" for the home folder."""
    try:
        return f"~/{path.relative_to(Path.home())}"
    except (ValueError, RuntimeError):
        return str(path)
