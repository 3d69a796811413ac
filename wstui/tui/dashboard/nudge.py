"""Ten percent more or fewer clients at a press: of what the load was led to before, so that + and - cancel out."""

from __future__ import annotations

from wstui.execution.run.status import Status

STEP = 0.1
"""What one press of + or - changes, as a share of the clients that the load was led to before the first press."""
STEP_S = 2.0
"""The seconds that such a change takes at least."""


class Steps:
    """What the next press leads to; remembers the presses before it."""

    def __init__(self) -> None:
        self._step = 0
        self._asked = -1  # the clients that were asked for last
        self._turns = 0  # how often the load had been led anywhere by then

    def next(self, status: Status, sign: int) -> tuple[int, int, float]:
        """The clients from which, and to which, the next press leads the load, and the seconds that this takes.

        Where the load is still on its way, it arrives when it would have: a press early in a ramp is no rush.
        """
        unseen = self._asked >= 0 and len(status.turns) <= self._turns
        before = self._asked if unseen else status.target_clients
        if before != self._asked:
            self._step = max(1, round((before or status.scenario.peak_clients) * STEP))
        after = max(0, before + sign * self._step)
        self._asked, self._turns = after, len(status.turns)
        turn = status.turns[-1] if status.turns else None
        left_s = turn.at_s + turn.over_s - status.plan_s if turn is not None else 0.0
        return before, after, max(STEP_S, float(round(left_s)))

    def forget(self) -> None:
        """The load was led elsewhere."""
        self._asked = -1
