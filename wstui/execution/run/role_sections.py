"""The sections of a result about roles: their steps, their rounds, and numbered messages."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from wstui.execution.run.result_sections import Latency
from wstui.measure.failure import FailureGroup
from wstui.measure.steps import StepData


class StepSummary(msgspec.Struct, frozen=True):
    """A named step of a role. `kind` is "step", "heartbeat" (not among the messages), "delivery" (stamps received),
    "stream" (parts of answers) or "login" (a named request of a login).

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


class LoginSummary(msgspec.Struct, frozen=True):
    """Logins by HTTP, all requests of a client together; each named request is among the steps, of kind "login".

    clients = succeeded + refused (an answer said no) + unanswered (no answer, or no connection) + those that were cut
    short or are under way. `by_status` counts the refusals by their HTTP status. Clients that reconnect keep theirs.
    """

    clients: int = 0
    succeeded: int = 0
    refused: int = 0
    unanswered: int = 0
    by_status: dict[str, int] = {}
    per_second: float | None = None
    latency_ms: Latency = Latency()

    @classmethod
    def of(cls, rows: Iterable[StepData], failures: Iterable[FailureGroup], active_s: float) -> LoginSummary | None:
        """Return the summary, or None if clients do not log in."""
        row = next((row for row in rows if row.kind == row.name == "login"), None)
        if row is None:
            return None
        n = row.counts
        statuses: dict[str, int] = {}
        for group in failures:
            kind, _, status = group.kind.partition(" ")
            if kind == "login" and status:
                statuses[status] = statuses.get(status, 0) + group.count
        per_second = n.done / active_s if active_s > 0 else None
        return cls(n.begun, n.done - n.failed, n.failed, n.lost, statuses, per_second, Latency.of(row.response))


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
