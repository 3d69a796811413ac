"""Questions whose safe answer has the focus: before a run, after a refused first client, and before a stop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import ClassVar, Literal
from urllib.parse import urlsplit

from textual import on
from textual.binding import BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button, Static

from wstui.execution.run.state import State
from wstui.execution.run.status import Status
from wstui.measure.format import clock, count
from wstui.measure.sanitize import sanitize
from wstui.scenario.model import Scenario
from wstui.scenario.secret_fields import shown_url
from wstui.scenario.secrets import mask_url
from wstui.scenario.url import is_unix
from wstui.tui.bindings import key
from wstui.tui.dialogs.dialog import Dialog, button
from wstui.tui.services import How


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
        return sanitize(f"{self._question} {self._text}")

    def body(self) -> Iterable[Widget]:
        """The question and what follows from a yes."""
        yield Static(Content.styled(sanitize(self._question), "bold"))
        yield Static(Content(f"\n{sanitize(self._text)}"))

    def buttons(self) -> Iterable[Button]:
        return button("Cancel", "n", "no", classes="send"), button(self._yes, "y", "yes", classes="danger")

    @on(Button.Pressed)
    def pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "button-yes")

    def action_answer(self, sure: bool) -> None:
        self.dismiss(sure)


def is_local(url: str, moved: str = "") -> bool:
    """Return whether a URL leads to this machine; `moved` is the address that is connected to in its place."""
    if is_unix(url):
        return True
    try:
        host = urlsplit(f"//{moved}" if moved else url).hostname or ""
        return host == "localhost" or host.endswith(".localhost") or ip_address(host).is_loopback
    except ValueError:
        return False


def launch_dialog(scenarios: Sequence[Scenario], name: str, ask_above: int) -> ConfirmDialog | None:
    """Return the question before a run, if it would load another machine than this one or is a large one."""
    remote = [s for s in scenarios if not is_local(s.target.url, s.target.connect_to)]
    peak, length = _size(remote or scenarios)[0], _size(scenarios)[1]
    if not remote and peak <= ask_above:
        return None
    target = (remote or scenarios)[0].target
    host, text = mask_url(target.url), f"{name} opens up to {count(peak)} clients over {length}."
    if remote:
        host = target.connect_to or urlsplit(target.url).hostname or host
        text += " Load only what is yours to load: this is another machine."
    return ConfirmDialog(f"Load {host}?", text, "Run")


def rerun_dialog(scenarios: Sequence[Scenario], name: str, *, to: str = "") -> ConfirmDialog:
    """Return the question before a run is repeated: one key must not be enough to load a server.

    `to` is where the load goes, if that is not known yet.
    """
    peak, length = _size(scenarios)
    to = to or shown_url(scenarios[0])
    return ConfirmDialog(f"Run {name} again?", f"Up to {count(peak)} clients for {length}, to {to}.", "Run")


def _size(scenarios: Sequence[Scenario]) -> tuple[int, str]:
    return max((s.peak_clients for s in scenarios), default=0), clock(sum(s.duration_s for s in scenarios))


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

    def obsolete_because(self, status: Status) -> str:
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
