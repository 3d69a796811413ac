"""How far one client came: each step, or the reason why there is no way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from wstui.tui.screens.dialog import Dialog
from wstui.tui.widgets.figures import clean


class CheckDialog(Dialog[None]):
    """Shows what was seen."""

    def __init__(self, seen: Sequence[str], reason: str) -> None:
        super().__init__()
        self._seen, self._reason = seen, reason
        self.add_class("wide-dialog")

    def body(self) -> Iterable[Widget]:
        """The verdict, then the steps."""
        if self._reason:
            yield Static(Content.styled("✗ one client cannot connect", "bold $error"))
            yield Static(Content(f"\n{clean(self._reason)}"))
        else:
            yield Static(Content.styled("✓ one client connects all the way", "bold $success"))
        for line in self._seen:
            yield Static(Content(clean(line)))

    def subtitle(self) -> str:
        """How to leave."""
        return "esc closes"
