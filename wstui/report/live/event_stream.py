"""A run as JSON lines, one event a line, written as they happen: for jq, log shippers and scripts.

Every line has `event`, `run` (the scenario's name) and `at_s` (seconds since the start of that run). The events:

| event | further keys | when |
|---|---|---|
| `start` | `scenario` (secrets masked), `url`, `host`, `started` | a run begins; each run of a suite has its own |
| `state` | `state` | it starts, pauses, goes on, drains, cools down |
| `row` | one second of the timeline, as in the JSON result | every second |
| `mark` | `kind`, `text` | a stage, a command of the operator, a broken limit |
| `failures` | `kind`, `message`, `count`, `local` | the count of a kind of failure has grown |
| `threshold` | `metric`, `limit`, `stage`, `value`, `passed` | a threshold is broken or kept, or so again |
| `end` | `passed`, `reason`, and of the result `connections`, `latency_ms`, `steps`, … | the run has its verdict |
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

import msgspec

from wstui.execution.run.result import Result, SuiteResult, stamp
from wstui.execution.run.status import RunView, Status
from wstui.measure.append_log import new_since
from wstui.report.live.observer import ExportError, Observer
from wstui.report.model.labels import name_of, runs_of
from wstui.scenario.secret_fields import masked


class RunEvents:
    def __init__(self) -> None:
        self._reported: _EventCursor | None = None
        self._ended: set[str] = set()
        self._made: list[dict[str, Any]] = []

    def new(self, status: Status) -> list[dict[str, Any]]:
        """Return what has happened since the last call."""
        if status.started is None:
            return []
        started = stamp(status.started)
        if self._reported is None or self._reported.started != started:
            self._reported = _EventCursor(started, status.scenario.name)
            self._add(
                "start",
                0.0,
                scenario=masked(status.scenario),
                url=status.url,
                host=status.host,
                started=started,
            )
        self._changes(self._reported, status)
        result = status.result
        if not result.verdict.running and result.started == started and started not in self._ended:
            self._end_of(result)
        return self._taken()

    def ends(self, result: Result | SuiteResult | None) -> list[dict[str, Any]]:
        """Return the verdicts that were not reported on the way."""
        for run in runs_of(result) if result else []:
            if run.started not in self._ended:
                self._end_of(run)
        return self._taken()

    def _taken(self) -> list[dict[str, Any]]:
        made, self._made = self._made, []
        return made

    def _changes(self, reported: _EventCursor, status: Status) -> None:
        at_s = round(status.elapsed_s, 3)
        if not status.state.ended:
            self._state(reported, status, at_s)
        rows, reported.rows = new_since(status.rows, reported.rows)
        for row in rows:
            self._add("row", row.at_s, **{k: v for k, v in row.values().items() if k != "at_s"})
        marks, reported.marks = new_since(status.marks, reported.marks)
        for mark in marks:
            self._add("mark", mark.at_s, kind=mark.kind, text=mark.text)
        # After the end only the summary of the whole follows.
        self._state(reported, status, at_s)
        for failure in status.result.failures:
            key = (failure.kind, failure.message, failure.outcome)
            if failure.count != reported.failures.get(key):
                reported.failures[key] = failure.count
                self._add(
                    "failures",
                    failure.last_s,
                    kind=failure.kind,
                    message=failure.message,
                    count=failure.count,
                    local=failure.local,
                    outcome=failure.outcome,
                )
        for outcome in status.thresholds:
            place = (outcome.metric, outcome.limit, outcome.stage)
            if outcome.passed is not None and outcome.passed is not reported.thresholds.get(place):
                reported.thresholds[place] = outcome.passed
                self._add(
                    "threshold",
                    at_s,
                    metric=outcome.metric,
                    limit=outcome.limit,
                    stage=outcome.stage,
                    value=outcome.value,
                    passed=outcome.passed,
                    default=outcome.default,
                )

    def _state(self, reported: _EventCursor, status: Status, at_s: float) -> None:
        if status.state is not reported.state:
            reported.state = status.state
            self._add("state", at_s, state=str(status.state))

    def _end_of(self, result: Result) -> None:
        if self._reported is None or self._reported.started != result.started:
            self._reported = _EventCursor(result.started, name_of(result))
        self._ended.add(result.started)
        self._add(
            "end",
            result.duration_s,
            passed=result.verdict.passed,
            reason=result.verdict.reason,
            connections=result.connections,
            messages=result.messages,
            latency_ms=result.latency_ms,
            steps=result.steps,
            roles=result.roles,
            login=result.login,
            sequence=result.sequence,
            thresholds=result.verdict.thresholds,
        )

    def _add(self, event: str, at_s: float, **content: Any) -> None:
        run = self._reported.name if self._reported else ""
        self._made.append({"event": event, "run": run, "at_s": at_s, **content})


class EventStream(Observer):
    """Writes the events of a run to a file, a pipe or an open stream, as JSON lines, flushed every time.

    `reader_gone` says that it ended because its reader is gone.
    """

    def __init__(
        self,
        run: RunView,
        target: str | Path | TextIO,
        *,
        every_s: float = 0.5,
        on_problem: Callable[[str], None] | None = None,
    ) -> None:
        """`target` is a path, which is opened again at the first event, or a stream, which stays open at the end."""
        super().__init__("event stream", run, every_s=every_s, on_problem=on_problem)
        self.reader_gone = False
        self._target = target
        self._stream: TextIO | None = None
        self._events = RunEvents()

    def follow(self) -> None:
        """Write what is new."""
        self._write(self._events.new(self._run.status))

    def finish(self, result: Result | SuiteResult | None) -> None:
        """Write what is new, and the verdicts that were not reported on the way."""
        self.follow()
        self._write(self._events.ends(result))

    def release(self) -> None:
        """Close the file that was opened here."""
        if self._stream is not None and self._stream is not self._target:
            with suppress(OSError):  # what is left in its buffer has nowhere to go
                self._stream.close()

    def _write(self, events: list[dict[str, Any]]) -> None:
        try:
            for event in events:
                stream = self._open()
                stream.write(msgspec.json.encode(event).decode() + "\n")
                stream.flush()
        except (OSError, ValueError) as error:
            # ValueError: somebody closed the stream.
            self.reader_gone = isinstance(error, BrokenPipeError)
            told = getattr(error, "strerror", None) or str(error)
            raise ExportError(f"the events can't be written to {self._where()}: {told}", lasting=True) from None

    def _open(self) -> TextIO:
        if self._stream is None:
            if isinstance(self._target, str | Path):
                self._stream = Path(self._target).open("w", encoding="utf-8")  # noqa: SIM115 - `release` closes it
            else:
                self._stream = self._target
        return self._stream

    def _where(self) -> str:
        return str(self._target) if isinstance(self._target, str | Path) else "their stream"


class _EventCursor:
    """How much of a run has been written."""

    def __init__(self, started: str, name: str) -> None:
        self.started = started
        self.name = name
        self.state: object = None
        self.rows = 0
        self.marks = 0
        self.failures: dict[tuple[str, str, str], int] = {}
        self.thresholds: dict[tuple[str, str, str], bool] = {}
