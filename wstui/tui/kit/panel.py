"""A panel of the side: a head set into a line, and rows below it."""

from __future__ import annotations

from wstui.tui.kit.row_widget import Line, RowWidget, rule


class Panel(RowWidget):
    """Base of the side panels: subclasses give a `head` and `rows`; `draw` follows a change of either.

    `accent` is the meaning of the line in the head: "rule", or "warn" while the run is paused.
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.accent = "rule"
        self._high = 0

    def head(self, width: int) -> Line:
        """The title."""
        raise NotImplementedError

    def rows(self, width: int, height: int) -> list[Line]:
        """What stands below the title, for this many cells and rows."""
        raise NotImplementedError

    def high(self) -> int:
        """How many rows there are to show."""
        raise NotImplementedError

    def draw(self, accent: str) -> None:
        """Draw what changed; ask for another height where that is what changed."""
        self.accent = accent
        if self.high() != self._high:
            self._high = self.high()
            self.refresh(layout=True)
        self.redraw()

    def get_content_height(self, *_: object) -> int:
        """A head and the rows."""
        return 1 + self.high()

    def paint(self, width: int, height: int) -> list[Line]:
        """Head and rows, the rows set in by one cell."""
        lines = [rule(self.head(width), width, meaning=self.accent)]
        lines += [[(" ", "text"), *row] for row in self.rows(width - 1, height - 1)]
        return lines
