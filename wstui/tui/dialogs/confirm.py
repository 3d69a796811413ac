"""A question whose safe answer has the focus, and the questions before a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import ClassVar
from urllib.parse import urlsplit

from textual import on
from textual.binding import BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button, Static

from wstui.measure.format import clock, count
from wstui.measure.sanitize import sanitize
from wstui.scenario.model import Scenario
from wstui.scenario.secret_fields import shown_url
from wstui.scenario.secrets import mask_url
from wstui.scenario.url import is_unix
from wstui.tui.bindings import key
from wstui.tui.dialogs.dialog import Dialog, button


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
