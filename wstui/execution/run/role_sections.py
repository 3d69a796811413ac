"""The sections of a result about roles: their steps, their rounds, and numbered messages."""

from __future__ import annotations

import msgspec

from wstui.execution.run.result_sections import Latency
from wstui.measure.steps import StepData


class StepSummary(msgspec.Struct, frozen=True):
    """A named step of a role. `kind` is "step", "heartbeat" (not among the messages) or "delivery" (stamps received).

    begun = done + lost + abandoned + those under way. `failed` are among the done, `late` are answers to lost ones.
    `response_ms` counts from when the step was due, with lost ones at their time limit; `round_trip_ms` from the write.
    """

    role: str
    name: str
    kind: str = "step"
    begun: int = 0
    done: int = 0
    lost: int = 0
    abandoned: int = 0
    failed: int = 0
    late: int = 0
    duplicates: int = 0
    per_second: float | None = None
    response_ms: Latency = Latency()
    round_trip_ms: Latency = Latency()

    @property
    def histogram(self) -> str:
        """The name of its response times among the histograms of a result."""
        return f"{self.kind}.{self.role}.{self.name}"

    @classmethod
    def of(cls, row: StepData, active_s: float) -> StepSummary:
        """The summary of what was counted in `active_s` seconds."""
        n = row.counts
        return cls(
            row.role,
            row.name,
            row.kind,
            n.begun,
            n.done,
            n.lost,
            n.abandoned,
            n.failed,
            n.late,
            n.duplicates,
            n.done / active_s if active_s > 0 else None,
            Latency.of(row.response),
            Latency.of(row.round_trip),
        )


class RoleSummary(msgspec.Struct, frozen=True):
    """The clients of a role that became ready, and its rounds: begun = completed + failed + cut + those under way."""

    name: str
    ready: int = 0
    rounds: int = 0
    completed: int = 0
    failed: int = 0
    cut: int = 0  # the connection ended in the middle, or the client was to leave


class SequenceSummary(msgspec.Struct, frozen=True):
    """Numbered messages, followed by client: numbers missing, repeated, and after a later one."""

    received: int = 0
    gaps: int = 0
    repeats: int = 0
    disorder: int = 0
