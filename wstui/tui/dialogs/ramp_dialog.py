"""Dialogs that steer the load: ramp to a number of clients, or change how often each of them sends."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic

from wstui.execution.run.commands import unsteered
from wstui.execution.run.limits import shortage
from wstui.execution.run.status import Status
from wstui.measure.format import count, duration, rate
from wstui.scenario.units import format_duration, parse_duration
from wstui.tui.dialogs.confirm import ConfirmDialog
from wstui.tui.dialogs.dialog import Answer, DialogField, Form
from wstui.tui.kit.amount import parse_clients


class LoadForm(Form[Answer], Generic[Answer]):
    """Asks how to change the load of a run that goes on."""

    def __init__(self, status: Status) -> None:
        super().__init__()
        self._status = status

    def moot(self, status: Status) -> str:
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

    def moot(self, status: Status) -> str:
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
