"""A warning across the screen: the generator is the limit, so the figures say little about the server."""

from __future__ import annotations

from collections.abc import Sequence

from wstui.tui.widgets.figures import clean, clip
from wstui.tui.widgets.lines import Line, Lines


class Banner(Lines):
    """One row, shown only when there is something to warn of."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._text = ""

    def show(self, limited_by: Sequence[str]) -> None:
        """Say what limits the generator; hide when nothing does."""
        what = ", ".join(clean(reason) for reason in limited_by)
        self._text = f" ▲ GENERATOR-LIMITED by {what}: these figures are not the server's limit" if what else ""
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        """One row."""
        text = clip(self._text, width)
        return [[(text + " " * (width - len(text)), "badge-warn")]]
