"""Asks how to go on after the first client was refused: a server may refuse some and still be worth loading."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

from textual import on
from textual.binding import BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button, Static

from wstui.measure.sanitize import sanitize
from wstui.tui.bindings import key
from wstui.tui.dialogs.dialog import Dialog, button

NextStep = Literal["again", "anyway", "edit"]


class FailedStartDialog(Dialog[NextStep]):
    """Asks whether to try again, to begin the load without a first client, or to edit; None leads to the presets."""

    AUTO_FOCUS = "#button-again"
    BINDINGS: ClassVar[list[BindingType]] = [
        key("r", "answer('again')", "Try again", "start.again", "Try the first client once more", shown=True),
        key("g", "answer('anyway')", "Go on", "start.anyway", "Begin the load without trying a client", shown=True),
        key("e", "answer('edit')", "Edit", "start.edit", "Change the address, the token or the TLS files", shown=True),
    ]
    title_text = "The first client got no connection"

    def __init__(self, what: str, fix: str, *, editable: bool) -> None:
        super().__init__()
        self._what, self._editable = what, editable
        self._fix = "" if "--" in fix else fix  # a flag does not help inside the UI: the answers below do

    @property
    def question(self) -> str:
        return sanitize(f"{self.title_text}: {self._what}")

    def body(self) -> Iterable[Widget]:
        """Show what happened, and what each answer does."""
        yield Static(Content(sanitize(f"{self._what}{f': {self._fix}' if self._fix else ''}") + "\n"))
        answers: list[str | tuple[str, str]] = [
            ("Try again", "bold"), " after you start the server.\n",
            ("Go on", "bold"), " begins the load all the same: the server may refuse only some.\n",
        ]  # fmt: skip
        if self._editable:
            answers += [("Edit", "bold"), " changes the address, the token or the TLS files.\n"]
        yield Static(Content.assemble(*answers))
        yield Static(Content("esc goes back to the presets, where m starts a server here."), classes="muted")

    def buttons(self) -> Iterable[Button]:
        """Offer the answers, the safe one first."""
        yield button("Try again", "r", "again", classes="send")
        yield button("Go on", "g", "anyway", classes="danger")
        if self._editable:
            yield button("Edit", "e", "edit")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer to edit only a single scenario."""
        return self._editable or parameters != ("edit",)

    @on(Button.Pressed)
    def pressed(self, event: Button.Pressed) -> None:
        """Close with the answer of a button."""
        names: dict[str | None, NextStep] = {
            "button-again": "again", "button-anyway": "anyway", "button-edit": "edit",
        }  # fmt: skip
        self.dismiss(names.get(event.button.id))

    def action_answer(self, step: NextStep) -> None:
        self.dismiss(step)
