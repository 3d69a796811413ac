"""The stop dialog: keep running, drain, or abort. Keeping on is what happens by accident."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button, Static

from wstui.execution.run.status import State, Status
from wstui.measure.format import clock, count
from wstui.measure.sanitize import sanitize
from wstui.tui.bindings import key
from wstui.tui.dialogs.dialog import Dialog, button
from wstui.tui.services import How


class StopDialog(Dialog[How]):
    """Asks how to end a run; None keeps it running."""

    BINDINGS: ClassVar[list[BindingType]] = [
        key("d", "stop('drain')", "Drain", "stop.drain", "Finish what is in flight, then close", shown=True),
        key("a", "stop('abort')", "Abort", "stop.abort", "Drop every connection at once", shown=True),
        key("n", "close", "Keep running", "stop.keep", "Keep running, the same as escape"),
    ]
    title_text = "Stop this run?"
    AUTO_FOCUS = "#button-keep"

    def __init__(self, status: Status, *, leaving: bool = False) -> None:
        super().__init__()
        self._status = status
        self._leaving = leaving

    def moot(self, status: Status) -> str:
        return "the run has ended by itself" if status.state.ended else ""

    @property
    def question(self) -> str:
        return f"{self.title_text} {count(self._status.counters.open)} connections are open."

    def body(self) -> Iterable[Widget]:
        """Return the state of the run, and what each answer does."""
        if self._status.state is State.DRAINING:
            yield from self._draining()
            return
        yield Static(self._about_run(), id="stop-run")
        text = "Results so far are kept either way."
        if self._leaving:
            text += " wstui then quits."
        yield Static(Content(text), classes="muted")

    def follow(self, status: Status) -> None:
        """Keep stage, clock and connections as they are on the dashboard behind."""
        if (self._status.state is State.DRAINING) == (status.state is State.DRAINING):
            self._status = status
            for shown in self.query("#stop-run").results(Static):
                shown.update(self._about_run())

    def _about_run(self) -> Content:
        status = self._status
        stage = next((s for s in status.stages if s.current), None)
        where = (
            f" is in {sanitize(stage.name)}, {clock(stage.elapsed_s)} of {clock(stage.planned_s)}."
            if stage
            else " is over; the next run has not begun."
            if status.state is State.COOLDOWN
            else f" is {status.state}."
        )
        return Content.assemble(
            (sanitize(status.scenario.name), "bold"),
            f"{where}\n{count(status.counters.open)} connections are open.\n\n",
            ("Drain", "bold"),
            " finishes in-flight messages, then closes each socket with 1000.\n",
            ("Abort", "bold"),
            " drops every socket at once. The target sees 1006.\n",
        )

    def _draining(self) -> Iterable[Widget]:
        """It ends already: what is left is not to wait for it."""
        yield Static(
            Content.assemble(
                (sanitize(self._status.scenario.name), "bold"),
                f" ends already: {count(self._status.counters.open)} connections are still open.\n\n",
                ("Abort", "bold"),
                " drops them at once. The target sees 1006.\n",
            )
        )
        text = "Drain quits wstui when the run has ended, Abort at once." if self._leaving else "Results are kept."
        yield Static(Content(text), classes="muted")

    def buttons(self) -> Iterable[Button]:
        if self._status.state is State.DRAINING:
            return (
                button("Wait", "esc", "keep", classes="send"),
                *([button("Drain", "d", "drain")] if self._leaving else []),
                button("Abort", "a", "abort", classes="danger"),
            )
        return (
            button("Keep running", "esc", "keep", classes="send"),
            button("Drain", "d", "drain"),
            button("Abort", "a", "abort", classes="danger"),
        )

    @on(Button.Pressed)
    def pressed(self, event: Button.Pressed) -> None:
        """A button instead of its key."""
        if event.button.id == "button-keep":
            self.dismiss(None)
        else:
            self.dismiss("drain" if event.button.id == "button-drain" else "abort")

    def action_stop(self, how: How) -> None:
        self.dismiss(how)
