"""The latency spread: how the response times of the whole run are distributed."""

from __future__ import annotations

import math
from collections.abc import Sequence

from wstui.tui.kit.bars import solid
from wstui.tui.kit.format import pad, short
from wstui.tui.kit.panel import Panel
from wstui.tui.kit.row_widget import Line


class Spread(Panel):
    """The panel of the spread: a bar for each class of response time."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._spread: Sequence[tuple[float, float]] = ()
        self._limit: float | None = None

    def show(self, spread: Sequence[tuple[float, float]], limit: float | None, accent: str = "rule") -> None:
        """Draw this spread; classes beyond `limit` milliseconds are marked."""
        self._spread, self._limit = spread, limit
        self.draw(accent)

    def high(self) -> int:
        """A row for each class."""
        return max(1, len(self._spread))

    def head(self, width: int) -> Line:
        """What it is about."""
        title: Line = [("latency spread ms", "text"), ("  whole run", "muted")]
        if self._limit is not None:
            title.append((f"  ▲ over {short(self._limit)}", "muted"))
        return title

    def rows(self, width: int, height: int) -> list[Line]:
        """Bound, bar and share of each class."""
        if not self._spread:
            return [[("no replies yet", "muted")]]
        lines: list[Line] = []
        top = max(share for _, share in self._spread) or 1.0
        below = 0.0
        for bound, share in self._spread:
            over = self._limit is not None and below >= self._limit
            name = f"> {short(below)}" if math.isinf(bound) else f"≤ {short(bound)}"
            room = max(0, width - 8 - 11)
            bar = solid(share / top, room)
            lines.append(
                [
                    (pad(name, 7, right=True) + " ", "muted"),
                    (bar, "p99" if over else "fill"),
                    (" " * (room - len(bar)), "text"),
                    (f"{share * 100:>7.2f} %", "text" if share else "muted"),
                    (" ▲" if over and share else "  ", "strong-warn"),
                ]
            )
            if not math.isinf(bound):
                below = bound
        return lines
