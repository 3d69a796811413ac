"""Failures of messages and of clients: counted, and kept with their cause, time and client."""

from __future__ import annotations

from wstui.load.connect_outcome import Cause
from wstui.load.connector import Connector
from wstui.load.reports import Reports
from wstui.measure.counters import Tally
from wstui.measure.sanitize import sanitize


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
