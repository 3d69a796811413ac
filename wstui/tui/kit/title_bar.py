"""The first row where no run is going on: what this is, and the time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from wstui.tui.kit.row_widget import Line, RowWidget, spread

_LATE_S = 0.05
"""How long after the full minute the clock is looked at, so that it is not seen just before it."""


class TitleBar(RowWidget):
    """Name, place and time of day (UTC)."""

    DEFAULT_CSS = "TitleBar { height: 1; background: $panel; }"

    def __init__(self, clock: Callable[[], datetime], place: str = "load tester for WebSocket servers") -> None:
        super().__init__()
        self._clock = clock
        self._place: Line = [(place, "muted")]
        self._now: datetime | None = None

    def place(self, place: Line) -> None:
        self._place = place
        self.redraw()

    def on_mount(self) -> None:
        """Show the time, and go on with it."""
        self.tick()

    def tick(self) -> None:
        """Show the time until the next minute."""
        self._now = now = self._clock()
        self.redraw()
        self.set_timer(60.0 - now.second - now.microsecond / 1e6 + _LATE_S, self.tick)

    def paint(self, width: int, height: int) -> list[Line]:
        right: Line = [(self._now.strftime("%H:%MZ "), "muted")] if self._now else []
        return [spread([(" wstui ", "badge-accent"), (" ", "muted"), *self._place], right, width)]
