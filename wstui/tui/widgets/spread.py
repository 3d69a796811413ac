"""The latency spread: how the response times of the whole run are distributed."""

from __future__ import annotations

import math
from collections.abc import Sequence

from wstui.tui.widgets.bars import solid
from wstui.tui.widgets.figures import pad, percent, short
from wstui.tui.widgets.lines import Line, Lines, rule


class Spread(Lines):
    """The panel of the spread: a bar for each class of response time."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._spread: Sequence[tuple[float, float]] = ()
        self._limit: float | None = None
        self._rule = "rule"

    def show(self, spread: Sequence[tuple[float, float]], limit: float | None, rule_meaning: str = "rule") -> None:
        """Draw this spread; classes beyond `limit` milliseconds are marked."""
        changed = len(spread) != len(self._spread)
        self._spread, self._limit, self._rule = spread, limit, rule_meaning
        if changed:
            self.refresh(layout=True)
        self.redraw()

    def get_content_height(self, *_: object) -> int:
        """A head and a row for each class."""
        return 1 + max(1, len(self._spread))

    def paint(self, width: int, height: int) -> list[Line]:
        """Head; bound, bar and share of each class."""
        lines = [rule([("latency spread ms, whole run", "text")], width, meaning=self._rule)]
        if not self._spread:
            return [*lines, [("no replies yet", "muted")]]
        top = max(share for _, share in self._spread) or 1.0
        below = 0.0
        for bound, share in self._spread:
            over = self._limit is not None and below >= self._limit
            name = f"> {short(below)}" if math.isinf(bound) else f"≤ {short(bound)}"
            room = width - 8 - 10
            bar = solid(share / top, room)
            lines.append(
                [
                    (pad(name, 7, right=True) + " ", "muted"),
                    (bar, "p99" if over else "fill"),
                    (" " * max(0, room - len(bar)), "text"),
                    (pad(percent(share), 7, right=True) + " %", "text" if share else "muted"),
                ]
            )
            if not math.isinf(bound):
                below = bound
        return lines
