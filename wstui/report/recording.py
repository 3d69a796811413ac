"""Writes a run into the store while it goes, from a thread of its own. Whatever happens here, the run goes on."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from wstui.execution.result import Event, FailureSummary, Result, SuiteResult
from wstui.execution.status import Status, Steerable
from wstui.measure.hdr import encode
from wstui.measure.histogram import HistogramData
from wstui.report.environment import environment
from wstui.report.partial import RowSums, failures_so_far, partial_result, stamp
from wstui.report.retention import apply_retention
from wstui.report.store import Store, StoreBusy, StoreError
from wstui.report.wording import name_of, runs_of, url_of
from wstui.report.writer import this_writer

log = logging.getLogger(__name__)


class Recording:
    """Polls a run and writes what is new into the store, every `every_s` seconds.

    `problem` says why nothing (more) is written, "" while all is well; `on_problem` is called with it, from the
    recording's thread. `ids` are the ids of the runs written so far: one, or those of a suite.
    """

    def __init__(
        self,
        run: Steerable,
        path: Path | None = None,
        *,
        every_s: float = 1.0,
        on_problem: Callable[[str], None] | None = None,
    ) -> None:
        self.problem = ""
        self.ids: list[int] = []
        self._run = run
        self._path = path
        self._every_s = every_s
        self._on_problem = on_problem
        self._store: Store | None = None
        self._current: _Written | None = None
        self._finished: list[str] = []
        self._environment: dict[str, Any] = {}
        self._writer = ""
        self._result: Result | SuiteResult | None = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="run store", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def close(self, result: Result | SuiteResult | None, *, timeout_s: float = 10.0) -> None:
        """Write the end of the run: its result, or None when it was cut short. Waits `timeout_s` at most."""
        self._result = result
        self._end.set()
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            self._report(f"the run store did not answer within {timeout_s:g} s: the run's end is not in it")

    def _watch(self) -> None:
        self._environment = environment()
        self._writer = this_writer()
        lasting = False
        while not lasting:
            ending = self._end.wait(self._every_s if self._current or self._finished else 0.1)
            lasting = self._attempt(self._finish if ending else self._follow)
            if ending:
                break
        if self._store is not None:
            self._store.close()

    def _attempt(self, step: Callable[[Store], None]) -> bool:
        """Do a step; True when no further one can succeed."""
        try:
            if self._store is None:
                self._store = Store(self._path)
            step(self._store)
        except StoreBusy as error:
            self._report(str(error))
            return False
        except StoreError as error:
            self._report(str(error))
            return self._store is None
        except Exception as error:
            # A mistake of ours in here must not cost anybody a run.
            log.exception("the run could not be recorded")
            self._report(f"the run could not be recorded: {error!r}")
            return True
        self.problem = ""
        return False

    def _report(self, problem: str) -> None:
        if problem != self.problem:
            self.problem = problem
            if self._on_problem is not None:
                self._on_problem(problem)

    def _follow(self, store: Store) -> None:
        status = self._run.status
        if status.started is None:
            return
        started = stamp(status.started)
        if started in self._finished:
            return
        if self._current is None or self._current.started != started:
            self._current = self._begin(store, status, started)
        if status.result is not None and status.result.started == started:
            self._conclude(store, self._current, status.result)
        else:
            self._current.extend(store, status)

    def _begin(self, store: Store, status: Status, started: str) -> _Written:
        summary = partial_result(status, {}, RowSums())
        suite = status.suite
        written = _Written(
            _insert(
                store,
                summary,
                host=status.host,
                environment=self._environment,
                writer=self._writer,
                suite="/".join(suite.names) if suite else "",
                position=suite.index if suite else 0,
            ),
            started,
        )
        self.ids.append(written.id)
        return written

    def _conclude(self, store: Store, written: _Written, result: Result) -> None:
        written.conclude(store, result)
        self._finished.append(written.started)
        if self._current is written:
            self._current = None

    def _finish(self, store: Store) -> None:
        self._follow(store)
        for position, result in enumerate(runs_of(self._result) if self._result else []):
            if result.started in self._finished:
                continue
            current = self._current
            if current is None or current.started != result.started:
                number = _insert(
                    store,
                    result,
                    host=self._run.status.host,
                    environment=self._environment,
                    writer=self._writer,
                    suite=name_of(self._result) if isinstance(self._result, SuiteResult) else "",
                    position=position,
                )
                self.ids.append(number)
                current = _Written(number, result.started)
            self._conclude(store, current, result)
        if self._current is not None:
            with store.transaction() as db:
                db.execute("UPDATE runs SET state = 'interrupted' WHERE id = ?", (self._current.id,))
        apply_retention(store)


class _Written:
    """A run in the store and how much of it is there already."""

    def __init__(self, number: int, started: str) -> None:
        self.id = number
        self.started = started
        self._rows = 0
        self._sums = RowSums()
        self._events = 0
        self._failures: tuple[object, ...] = ()
        self._histograms: Mapping[str, HistogramData] = {}

    def extend(self, store: Store, status: Status) -> None:
        """Write what is new since the last time."""
        histograms = live_histograms(status)
        rows = status.rows[self._rows :]
        sums = dataclasses.replace(self._sums)
        sums.add(rows)
        events = [Event(mark.at_s, mark.kind, mark.text) for mark in status.marks[self._events :]]
        failures = failures_so_far(status) if status.failures != self._failures else None
        self._write(
            store,
            partial_result(status, histograms, sums),
            "running",
            rows=[dataclasses.asdict(row) for row in rows],
            events=events,
            failures=failures,
            histograms={name: encode(data) for name, data in histograms.items() if data != self._histograms.get(name)},
        )
        # Only after the commit: what could not be written is tried again.
        self._rows += len(rows)
        self._sums = sums
        self._histograms = histograms
        self._events += len(events)
        self._failures = status.failures

    def conclude(self, store: Store, result: Result) -> None:
        """Write the result in the place of what was written so far: the run is finished."""
        self._rows = self._events = 0
        self._write(
            store,
            result,
            "finished",
            rows=result.timeline,
            events=result.events,
            failures=result.failures,
            histograms=result.histograms,
        )

    def _write(
        self,
        store: Store,
        summary: Result,
        state: str,
        *,
        rows: list[dict[str, Any]],
        events: list[Event],
        failures: list[FailureSummary] | None,
        histograms: Mapping[str, str],
    ) -> None:
        with store.transaction() as db:
            db.execute(
                "UPDATE runs SET state = ?, updated = ?, summary = ? WHERE id = ?",
                (state, time.time(), _without_bulk(summary), self.id),
            )
            if state == "finished":
                for table in ("timeline", "events", "histograms"):
                    db.execute(f"DELETE FROM {table} WHERE run = ?", (self.id,))
            db.executemany(
                "INSERT INTO timeline (run, number, row) VALUES (?, ?, ?)",
                [(self.id, number, _json(row)) for number, row in enumerate(rows, self._rows)],
            )
            db.executemany(
                "INSERT INTO events (run, number, event) VALUES (?, ?, ?)",
                [(self.id, number, _json(event)) for number, event in enumerate(events, self._events)],
            )
            if failures is not None:
                db.execute("DELETE FROM failures WHERE run = ?", (self.id,))
                db.executemany(
                    "INSERT INTO failures (run, number, failure) VALUES (?, ?, ?)",
                    [(self.id, number, _json(failure)) for number, failure in enumerate(failures)],
                )
            db.executemany(
                "INSERT OR REPLACE INTO histograms (run, name, histogram) VALUES (?, ?, ?)",
                [(self.id, name, text) for name, text in histograms.items()],
            )


def live_histograms(status: Status) -> Mapping[str, HistogramData]:
    """The distributions so far, by the names of `Result.histograms`; none where the run does not publish them."""
    return status.histograms


def _insert(
    store: Store,
    summary: Result,
    *,
    host: str,
    environment: dict[str, Any],
    writer: str,
    suite: str,
    position: int,
) -> int:
    with store.transaction() as db:
        cursor = db.execute(
            "INSERT INTO runs (name, url, host, started, state, suite, position, writer, updated, summary, environment)"
            " VALUES (?, ?, ?, ?, 'running', ?, ?, ?, ?, ?, ?)",
            (
                name_of(summary),
                url_of(summary),
                host,
                summary.started,
                suite,
                position,
                writer,
                time.time(),
                _without_bulk(summary),
                _json(environment),
            ),
        )
    return int(cursor.lastrowid or 0)


def _without_bulk(result: Result) -> str:
    return _json(msgspec.structs.replace(result, timeline=[], events=[], failures=[], histograms={}))


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
