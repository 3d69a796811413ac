"""Dialogs of an operator's notes: what to write on the timeline, and what changed at a note."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from wstui.execution.run.commands import NOTE_LENGTH, unsteered
from wstui.execution.run.status import Status
from wstui.measure.format import clock
from wstui.measure.sanitize import sanitize
from wstui.report.analysis.compare import compare_around
from wstui.report.formats import compare_text
from wstui.report.model.stretches import noted
from wstui.tui.dialogs.dialog import Dialog, DialogField, Form
from wstui.tui.kit.page import Page
from wstui.tui.kit.row_widget import Line

_MEANINGS = {"✓": "ok", "✗": "bad", "▲": "warn"}


class NoteDialog(Form[str]):
    """Asks for a text for the timeline."""

    def __init__(self, title: str, example: str, send: str) -> None:
        """`send` is the word on the button."""
        super().__init__()
        self.title_text, self.SEND = title, send  # type: ignore[misc]
        self._example = example

    def moot(self, status: Status) -> str:
        return unsteered(status)

    def fields(self) -> Iterable[DialogField]:
        yield DialogField("text", "text", "", self._read, placeholder=self._example)

    def _read(self, text: str) -> str:
        if len(text) > NOTE_LENGTH:
            raise ValueError(f"{len(text)} characters: {NOTE_LENGTH} at most")
        return text

    def answer(self, values: dict[str, str]) -> str | None:
        if not values["text"]:
            self.refuse("text", "a note needs a text")
            return None
        return values["text"]


class ChangeDialog(Dialog[None]):
    """Shows the change at a note or a span: the stretch before and the one after, compared like two runs."""

    title_text = "Before and after"

    def __init__(self, status: Status) -> None:
        """The last note or span of a run that has one."""
        super().__init__()
        self._what = noted(status.marks, status.elapsed_s)[-1]
        self._comparison = compare_around(status.result, [row.values() for row in status.rows], self._what)
        self.add_class("wide-dialog")

    def body(self) -> Iterable[Widget]:
        what = self._what
        parts = " and ".join(f"{clock(start)}–{clock(end)}" for start, end in (what.before, what.after))
        yield Static(Content(f"{sanitize(what.text)}\n{parts}; each figure is the mean of its seconds\n"))
        yield Page([self._changes])

    def _changes(self, width: int) -> list[Line]:
        rows = compare_text.render(self._comparison, width=max(40, width)).split("\n")
        return [[(row, _MEANINGS.get(row.strip()[:1], "text"))] for row in rows]

    def subtitle(self) -> str:
        return "esc closes"
