"""Begins a run from a screen, after a yes where it would load another machine than this one."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wstui.scenario.model import Scenario
from wstui.scenario.route import is_unix
from wstui.scenario.secrets import mask_url
from wstui.tui.dialogs.confirm import ConfirmDialog
from wstui.tui.kit.format import clock, count

if TYPE_CHECKING:
    from wstui.tui.app import WstuiApp


def is_local(url: str, moved: str = "") -> bool:
    """Whether a URL leads to this machine; `moved` is the address that is connected to in its place."""
    if is_unix(url):
        return True
    try:
        host = urlsplit(f"//{moved}" if moved else url).hostname or ""
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
    """Begin a run; ask first when it would load another machine than this one, or is a large one."""
    begin = _Begin(owner, scenarios, name, cooldown_s)
    strangers = [s for s in scenarios if not is_local(s.target.url, s.target.connect_to)]
    peak = max((scenario.peak_clients for scenario in strangers or scenarios), default=0)
    if not strangers and peak <= owner.ask_above:
        begin(True)
        return
    host = mask_url((strangers or scenarios)[0].target.url)
    length = clock(sum(scenario.duration_s for scenario in scenarios))
    text = f"{name} opens up to {count(peak)} clients over {length}."
    if strangers:
        target = strangers[0].target
        host = target.connect_to or urlsplit(target.url).hostname or host
        text += " Load only what is yours to load: this is another machine."
    owner.push_screen(ConfirmDialog(f"Load {host}?", text, "Run"), begin)
