"""The states of a run."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    DRAINING = "draining"
    FINISHED = "finished"
    ABORTED = "aborted"
    COOLDOWN = "cooldown"  # between two runs of a suite

    @property
    def ended(self) -> bool:
        """Return whether the run is over."""
        return self in (State.FINISHED, State.ABORTED)
