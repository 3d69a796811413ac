"""The first row where no run is going on: what this is, and the time."""

from __future__ import annotations

from datetime import datetime

from wstui.tui.widgets.lines import Line, Lines, spread


class Masthead(Lines):
    """Name, place and time of day (UTC)."""

    DEFAULT_CSS = "Masthead { height: 1; background: $panel; }"

    def __init__(self, place: str = "load tester for WebSocket servers", *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._place: Line = [(place, "muted")]
        self._now: datetime | None = None

    def place(self, place: Line) -> None:
        """Name another place."""
        self._place = place
        self.redraw()

    def show(self, now: datetime) -> None:
        """Draw it with this time."""
        self._now = now
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        """One row."""
        right: Line = [(self._now.strftime("%H:%MZ "), "muted")] if self._now else []
        return [spread([(" wstui ", "badge-accent"), (" ", "muted"), *self._place], right, width)]
