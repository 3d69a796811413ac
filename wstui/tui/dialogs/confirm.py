"""A question with a safe answer that has the focus."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button, Static

from wstui.tui.bindings import key
from wstui.tui.dialogs.dialog import Dialog, button
from wstui.tui.kit.format import clean


class ConfirmDialog(Dialog[bool]):
    """True when the operator is sure."""

    AUTO_FOCUS = "#button-no"
    BINDINGS: ClassVar[list[BindingType]] = [
        key("y", "answer(True)", "Yes", "confirm.yes", "Yes, do it"),
        key("n", "answer(False)", "No", "confirm.no", "No, the same as escape"),
    ]

    def __init__(self, question: str, text: str, yes: str) -> None:
        super().__init__()
        self._question, self._text, self._yes = question, text, yes

    @property
    def question(self) -> str:
        """With what follows from a yes."""
        return clean(f"{self._question} {self._text}")

    def body(self) -> Iterable[Widget]:
        """The question and what follows from a yes."""
        yield Static(Content.styled(clean(self._question), "bold"))
        yield Static(Content(f"\n{clean(self._text)}"))

    def buttons(self) -> Iterable[Button]:
        """The safe one first."""
        return button("Cancel", "n", "no", classes="send"), button(self._yes, "y", "yes", classes="danger")

    @on(Button.Pressed)
    def pressed(self, event: Button.Pressed) -> None:
        """Answer."""
        self.dismiss(event.button.id == "button-yes")

    def action_answer(self, sure: bool) -> None:
        """Close with this answer."""
        self.dismiss(sure)
