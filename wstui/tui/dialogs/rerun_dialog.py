"""Asks before a run is begun again: one key must not be enough to load a server."""

from __future__ import annotations

from collections.abc import Sequence

from wstui.scenario.model import Scenario
from wstui.scenario.secret_fields import shown_url
from wstui.tui.dialogs.confirm import ConfirmDialog
from wstui.tui.kit.format import clock, count


class RerunDialog(ConfirmDialog):
    """True when the operator is sure."""

    def __init__(self, scenarios: Sequence[Scenario], name: str, *, to: str = "") -> None:
        """`to` is where the load goes, where that is not known yet."""
        peak = max(scenario.peak_clients for scenario in scenarios)
        length = clock(sum(scenario.duration_s for scenario in scenarios))
        to = to or shown_url(scenarios[0])
        super().__init__(f"Run {name} again?", f"Up to {count(peak)} clients for {length}, to {to}.", "Run")
