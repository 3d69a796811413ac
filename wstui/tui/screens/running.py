"""Begins a run from a screen, after a yes where it would load another machine than this one."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wstui.scenario.model import Scenario
from wstui.tui.screens.confirm import ConfirmDialog
from wstui.tui.widgets.figures import count

if TYPE_CHECKING:
    from wstui.tui.app import WstuiApp


def is_local(url: str) -> bool:
    """Whether a URL leads to this machine."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or host.endswith(".localhost") or ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class _Begin:
    owner: WstuiApp
    scenarios: list[Scenario]
    name: str
    cooldown_s: float

    def __call__(self, sure: bool | None) -> None:
        if sure:
            self.owner.launch(self.scenarios, self.name, self.cooldown_s)


def run_asking(owner: WstuiApp, scenarios: list[Scenario], name: str, cooldown_s: float) -> None:
    """Begin a run; ask first when it would load another machine than this one."""
    begin = _Begin(owner, scenarios, name, cooldown_s)
    strangers = [s for s in scenarios if not is_local(s.target.url)]
    if not strangers:
        begin(True)
        return
    peak = max(scenario.peak_clients for scenario in strangers)
    host = urlsplit(strangers[0].target.url).hostname or strangers[0].target.url
    text = f"Up to {count(peak)} clients are opened to a machine that is not this one. Load only what is yours to load."
    owner.push_screen(ConfirmDialog(f"Load {host}?", text, "Run"), begin)
