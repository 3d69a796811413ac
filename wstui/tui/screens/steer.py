"""Dialogs that steer the load: lead it to a number of clients, or change how often each of them sends."""

from __future__ import annotations

from collections.abc import Iterable

from wstui.execution.status import Status
from wstui.scenario.quantity import format_duration, parse_duration
from wstui.tui.amount import parse_clients
from wstui.tui.screens.dialog import Field, Form
from wstui.tui.widgets.figures import count, duration, rate


class RampDialog(Form[tuple[int, float]]):
    """Asks for the clients to lead to and the seconds to take."""

    title_text = "Lead the load to"
    SEND = "Ramp"
    STEERS = True

    def __init__(self, status: Status) -> None:
        super().__init__()
        self._status = status

    def fields(self) -> Iterable[Field]:
        """How many, over how long."""
        status = self._status
        yield Field("clients", "clients", str(status.target_clients), parse_clients, self._clients_hint)
        yield Field("over", "over", "10s", parse_duration, self._over_hint)

    def _clients_hint(self, clients: int) -> str:
        change = clients - self._status.counters.open
        if not change:
            return f"{count(clients)} are open now"
        return f"{count(abs(change))} {'more' if change > 0 else 'fewer'} than are open now"

    def _over_hint(self, seconds: float) -> str:
        if seconds <= 0:
            return "all at once"
        try:
            change = abs(self.query_one("#field-clients", Field).value - self._status.counters.open)
        except ValueError:
            return ""
        return f"{rate(change / seconds)} connections/s"

    def on_input_changed(self) -> None:
        """The rate depends on both fields."""
        self.query_one("#field-over", Field).check()

    def answer(self, values: dict[str, int | float]) -> tuple[int, float]:
        """Clients and seconds."""
        return int(values["clients"]), float(values["over"])


class PaceDialog(Form[float]):
    """Asks for the interval between the sends of a client; 0 sends as soon as the reply is there."""

    title_text = "Let each client send every"
    SEND = "Set"
    STEERS = True

    def __init__(self, status: Status) -> None:
        super().__init__()
        self._status = status

    def fields(self) -> Iterable[Field]:
        """The interval."""
        yield Field("every", "interval", format_duration(self._status.every_s), parse_duration, self._hint)

    def _hint(self, seconds: float) -> str:
        clients = self._status.counters.open
        if seconds <= 0:
            return "closed loop: the next message as soon as the reply is there"
        now = duration(self._status.every_s)
        return f"{rate(clients / seconds)} messages/s from {count(clients)} clients; now every {now}"

    def answer(self, values: dict[str, float]) -> float:
        """Seconds."""
        return float(values["every"])
