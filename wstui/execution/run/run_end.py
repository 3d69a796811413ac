"""Why a run ends before its plan does, by whom, and how: the first reason stands, and an abort may overtake a drain."""

from __future__ import annotations

from wstui.execution.run.result_builder import Ending
from wstui.load.protocol import Abort, Drain
from wstui.scenario.model import Scenario

DRAIN_GRACE_S = 5.0
SHORT_DRAIN = Drain(round(DRAIN_GRACE_S * 1e9))


def last_drain(scenario: Scenario) -> Drain:
    """Return the drain after the plan: it takes as long as a pending reply or connect may take."""
    longest = max(DRAIN_GRACE_S, scenario.messages.timeout, scenario.target.connect_timeout)
    return Drain(round(longest * 1e9))


class RunEnd:
    """The end that a run has been given: None while it goes on."""

    def __init__(self) -> None:
        self.command: Drain | Abort | None = None
        self.why = ""
        self.aborted = False  # by the operator
        self.drained = False  # and by a drain

    def complete(self, drain: Drain) -> None:
        """The plan is over, unless the run has been ended already."""
        self.command = self.command or drain

    def stop(self, command: Drain | Abort, why: str, *, asked: bool) -> bool:
        """End the run early; `asked`: by the operator. Return whether this changes the end that it was given before."""
        if self.command is None:
            self.why, self.aborted, self.drained = why, asked, asked and isinstance(command, Drain)
        elif isinstance(command, Abort):
            self.why = f"{self.why}, then aborted" if self.drained and asked else self.why or why
            self.aborted, self.drained = self.aborted or asked, False
        else:
            return False
        self.command = command
        return True

    def explain(self, why: str) -> None:
        """Say why, if nothing has been said before."""
        self.why = self.why or why

    def ending(self, *, all_lost: bool, script_failed: bool) -> Ending:
        """Return what the result says of it."""
        return Ending(self.why, self.aborted, self.drained, all_lost, script_failed)
