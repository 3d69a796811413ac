"""A warning across the screen: the generator is the limit, so the figures say little about the server."""

from __future__ import annotations

from collections.abc import Sequence

from wstui.tui.kit.format import clean, pad, width_of
from wstui.tui.kit.row_widget import Line, RowWidget

_MORE = (
    ": these figures are not the server's limit",
    ": this is not the server's limit",
    ": not the server's limit",
    ": not the server",
)
"""What follows from it, in as many words as there is room for."""


class Banner(RowWidget):
    """One row, shown only when there is something to warn of."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._text = ""

    def show(self, limited_by: Sequence[str]) -> None:
        """Say what limits the generator; hide when nothing does."""
        what = ", ".join(clean(reason) for reason in limited_by)
        self._text = f" ▲ GENERATOR-LIMITED: {what}" if what else ""
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        """One row."""
        said = (f"{self._text}{more}" for more in _MORE)
        return [[(pad(next((text for text in said if width_of(text) <= width), self._text), width), "badge-warn")]]
