"""What a worker reports of its own accord: snapshots, closed broadcasts, traces, watched clients, failures."""

from __future__ import annotations

import time
from collections.abc import Callable

from wstui.load.connect_outcome import Cause
from wstui.load.connector import Connector
from wstui.load.context import WorkerContext
from wstui.load.conversation.roles import Roles
from wstui.load.conversation.watched_client import ClientWatch
from wstui.load.protocol import BroadcastReport, Message, ScriptMistake, Spec, Traced, TraceLine, Watched
from wstui.load.selfcheck import SelfCheck
from wstui.measure.counters import Tally
from wstui.measure.sanitize import sanitize
from wstui.measure.steps import Steps
from wstui.scenario.source_addresses import source_addresses

SNAPSHOT_NS = 200_000_000


class Reports:
    """Calls `emit` with a snapshot every 200 ms, and with the rest as it comes."""

    def __init__(self, spec: Spec, emit: Callable[[Message], None]) -> None:
        self.zero_ns = 0
        """When the clock of the run was 0."""
        self.traced: list[TraceLine] = []
        self.watch = ClientWatch(lambda: self.zero_ns)
        self.health = SelfCheck(len(source_addresses(spec.connect.local_addresses)))
        self.mistake = ""  # of a script
        self._worker = spec.worker
        self.emit = emit
        self._sequence = 0

    def begin(self, at_ns: int) -> None:
        """The clock of the run stands at `at_ns` now."""
        self.zero_ns = time.monotonic_ns() - at_ns

    @property
    def now_ns(self) -> int:
        """The time on the clock of the run."""
        return time.monotonic_ns() - self.zero_ns

    def is_due(self, now: int) -> bool:
        """Return whether it is time for a snapshot."""
        return now - self.zero_ns >= (self._sequence + 1) * SNAPSHOT_NS

    def snapshot(self, now: int, context: WorkerContext, connector: Connector, steps: Steps) -> None:
        """Report what has been counted since the last time."""
        at = now - self.zero_ns
        self._sequence = at // SNAPSHOT_NS
        counters = context.counters
        health = self.health.take(counters.open + counters.opening + counters.closing)
        snapshot = context.tally.snapshot(self._worker, self._sequence, at, health, steps)
        snapshot.addresses = connector.dialer.opened
        self.emit(snapshot)
        lines, missed = self.watch.take()
        if lines or missed:
            self.emit(Watched(self._worker, lines, missed))

    def broadcasts(self, now: int, context: WorkerContext, *, last: bool = False) -> None:
        """Report the broadcasts whose windows have closed; `last`: all of them."""
        if context.broadcasts is None:
            return
        context.counters.late_broadcasts = context.broadcasts.late
        receipts = context.broadcasts.expired(now, context.epoch_ns, last=last)
        if receipts:
            low, high = context.clock.low, context.clock.high
            clock = None if low is None or high is None else (int(low), int(high))
            self.emit(BroadcastReport(self._worker, now, receipts, clock))

    def roles(self, roles: Roles, planned: int) -> None:
        """Report what the conversations have traced, who waits at a meeting, and a script's mistake, once."""
        if self.traced:
            self.emit(Traced(self._worker, self.traced[:]))
            self.traced.clear()
        if (waiting := roles.meetings.report(planned)) is not None:
            self.emit(waiting)
        if roles.mistake is not None and not self.mistake:
            self.mistake = str(roles.mistake)
            self.emit(ScriptMistake(self._worker, self.mistake))


class FailureReports:
    """The failures of one worker. Implements `MessageEvents`."""

    def __init__(self, tally: Tally, reports: Reports, connector: Connector) -> None:
        self._tally = tally
        self._counters = tally.counters
        self._reports = reports
        self._connector = connector

    def reply_timed_out(self, number: int, waited_ns: int, cause: Cause) -> None:
        """An unanswered message enters the response times with the time that it was waited for."""
        self._counters.reply_timeouts += 1
        self._tally.response.record(waited_ns)
        self.record(number, cause, "", "unanswered")

    def expectation_failed(self, number: int, cause: Cause, detail: str) -> None:
        self._counters.broken_expectations += 1
        self.record(number, cause, detail, "unexpected")

    def step_failed(self, number: int, cause: Cause, detail: str) -> None:
        """Something failed that is not among the messages of the load: a wait, a request, a heartbeat."""
        self._counters.failed_steps += 1
        self.record(number, cause, detail, "step")

    def invalid_text(self, number: int, payload: bytes) -> None:
        self._counters.invalid_texts += 1
        cause = Cause("invalid text", "a text message is not UTF-8")
        self.record(number, cause, sanitize(payload, 120), "unexpected")

    def record(self, number: int, cause: Cause, detail: str, outcome: str) -> None:
        """Keep a failure of client `number`."""
        self._tally.failures.record(
            cause.kind,
            cause.message,
            self._reports.now_ns,
            number,
            detail,
            local=cause.local,
            outcome=outcome,
            address=self._connector.address_of(number),
        )
