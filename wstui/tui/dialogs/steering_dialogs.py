"""Dialogs that ask for what steers a run: clients, pace, notes, which client to watch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic

from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from wstui.execution.run.commands import NOTE_LENGTH, WatchClient, refusal, unsteered
from wstui.execution.run.limits import shortage
from wstui.execution.run.status import Status
from wstui.measure.format import clock, count, duration, rate
from wstui.measure.sanitize import sanitize
from wstui.report.analysis.compare import compare_around
from wstui.report.formats import compare_text
from wstui.report.model.intervals import noted_intervals
from wstui.scenario.units import format_duration, parse_duration
from wstui.tui.dialogs.dialog import Answer, Dialog, DialogField, Form
from wstui.tui.dialogs.questions import ConfirmDialog
from wstui.tui.kit.amount import parse_clients
from wstui.tui.kit.page import Page
from wstui.tui.kit.row_widget import Line


class LoadForm(Form[Answer], Generic[Answer]):
    """Asks how to change the load of a run that goes on."""

    def __init__(self, status: Status) -> None:
        super().__init__()
        self._status = status

    def obsolete_because(self, status: Status) -> str:
        """The load can't be steered any more."""
        return unsteered(status)

    def follow(self, status: Status) -> None:
        """Reckon with the clients that are open now."""
        self._status = status
        for field in self.query(DialogField):
            field.check()


class RampDialog(LoadForm[tuple[int, float]]):
    """Asks for the clients to ramp to and the seconds to take."""

    title_text = "Ramp to"
    SEND = "Ramp"

    def fields(self) -> Iterable[DialogField]:
        status = self._status
        yield DialogField("clients", "clients", str(status.target_clients), parse_clients, self._clients_hint)
        yield DialogField("over", "over", "10s", parse_duration, self._over_hint)

    def _clients_hint(self, clients: int) -> str:
        change = clients - self._status.counters.open
        if change > 0 and (lacking := shortage(clients, self._status.counters.open, self._status.generator)):
            return f"▲ {lacking}"
        if not change:
            return f"{count(clients)} are open now"
        if clients == self._status.target_clients:
            return f"the target now; {count(self._status.counters.open)} are open"
        return f"{count(abs(change))} {'more' if change > 0 else 'fewer'} than are open now"

    def _over_hint(self, seconds: float) -> str:
        if seconds <= 0:
            return "all at once"
        try:
            change = abs(self.query_one("#field-clients", DialogField).value - self._status.counters.open)
        except ValueError:
            return ""
        return f"{rate(change / seconds)} connections/s"

    def on_input_changed(self) -> None:
        """The rate depends on both fields."""
        self.query_one("#field-over", DialogField).check()

    def answer(self, values: dict[str, int | float]) -> tuple[int, float]:
        return int(values["clients"]), float(values["over"])


def _current(status: Status) -> tuple[int, str]:
    """Which stage of which run of a suite is going on."""
    name = next((stage.name for stage in status.stages if stage.current), "")
    return (status.suite.index if status.suite is not None else 0, name)


class SkipDialog(ConfirmDialog):
    """Asks before the last stage is ended, because the run ends with it. True when the operator is sure."""

    def __init__(self, status: Status) -> None:
        self._asked = _current(status)
        suite = status.suite
        stage = next((stage.name for stage in status.stages if stage.current), "stage")
        question, what = f"End {stage}, the last stage?", "the run"
        if status.breakpoint is not None:
            question, what = "End the search here?", "the search"
        after = " The next one follows." if suite is not None and suite.index + 1 < len(suite.names) else ""
        text = f"Nothing comes after it: {what} ends, every connection is closed with 1000.{after}"
        super().__init__(question, text, "End it")

    def obsolete_because(self, status: Status) -> str:
        return unsteered(status) or ("" if _current(status) == self._asked else "the stage has ended by itself")


class PaceDialog(LoadForm[float]):
    """Asks for the interval between the sends of a client; 0 sends as soon as the reply is there."""

    title_text = "Send interval"
    SEND = "Set"

    def fields(self) -> Iterable[DialogField]:
        yield DialogField("every", "interval", format_duration(self._status.every_s), parse_duration, self._hint)

    def _hint(self, seconds: float) -> str:
        clients = self._status.counters.open
        if seconds <= 0:
            return "closed loop: the next message as soon as the reply is there"
        now = duration(self._status.every_s)
        return f"{rate(clients / seconds)} messages/s from {count(clients)} clients; now every {now}"

    def answer(self, values: dict[str, float]) -> float:
        return float(values["every"])


class WatchDialog(Form[int]):
    """Asks for the number of a client; the one given stands there already."""

    SEND = "Watch"
    title_text = "Watch one client"

    def __init__(self, client: int) -> None:
        super().__init__()
        self._client = client

    def obsolete_because(self, status: Status) -> str:
        return refusal(WatchClient(0), status)

    def fields(self) -> Iterable[DialogField]:
        yield DialogField("client", "client", str(self._client), self._read)

    def _read(self, text: str) -> int:
        if not text.isdecimal() or len(text) > 9:
            raise ValueError("takes the number of a client, such as 0 or 4711")
        return int(text)

    def answer(self, values: dict[str, Any]) -> int:
        return int(values["client"])


_MEANINGS = {"✓": "ok", "✗": "bad", "▲": "warn"}


class NoteDialog(Form[str]):
    """Asks for a text for the timeline."""

    def __init__(self, title: str, example: str, send: str) -> None:
        """`send` is the word on the button."""
        super().__init__()
        self.title_text, self.SEND = title, send  # type: ignore[misc]
        self._example = example

    def obsolete_because(self, status: Status) -> str:
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
    """Shows the change at a note or a span: the interval before and the one after, compared like two runs."""

    title_text = "Before and after"

    def __init__(self, status: Status) -> None:
        """The last note or span of a run that has one."""
        super().__init__()
        self._what = noted_intervals(status.marks, status.elapsed_s)[-1]
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
