"""The abilities of an output stream: the width of its lines, and colours or none."""

from __future__ import annotations

import os
import shutil
from typing import TextIO

import click

from wstui.report.model.labels import Tone

_COLOURS = {Tone.GOOD: "green", Tone.NEAR: "yellow", Tone.BAD: "red"}


def terminal_width(stream: TextIO) -> int:
    """Return how many columns a report may take: as wide as a terminal is within 80 to 120, and 80 elsewhere."""
    return min(max(shutil.get_terminal_size().columns, 80), 120) if stream.isatty() else 80


def wants_colour(stream: TextIO) -> bool:
    """Return whether `stream` is a terminal that may be coloured (https://no-color.org, TERM=dumb)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class Paint:
    """Colours text, or leaves it as it is."""

    def __init__(self, on: bool) -> None:
        self._on = on

    def tone(self, text: str, tone: Tone, *, bold: bool = False) -> str:
        """`text` in the colour of good, near or bad news; plain news stay as they are."""
        if not self._on or (tone is Tone.PLAIN and not bold):
            return text
        return click.style(text, fg=_COLOURS.get(tone), bold=bold or None)

    def heading(self, text: str) -> str:
        """`text` as a heading."""
        return click.style(text, bold=True) if self._on else text

    def dim(self, lines: list[str]) -> list[str]:
        """Lines that are less important."""
        return [click.style(line, dim=True) for line in lines] if self._on else lines
