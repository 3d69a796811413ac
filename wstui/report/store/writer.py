"""Writes a run into the store while it runs, from a thread of its own, without disturbing the run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from wstui.execution.run.result import Result, SuiteResult, stamp
from wstui.execution.run.result_sections import Event, FailureSummary
from wstui.execution.run.status import RunView, Status
from wstui.measure.append_log import new_since
from wstui.measure.histogram import Distribution, encode_hdr
from wstui.report.live.observer import ExportError, Observer
from wstui.report.model.environment import environment
from wstui.report.model.labels import name_of, runs_of, url_of
from wstui.report.store.database import StoreBusy, StoreDamaged, StoreError, StoreStale
from wstui.report.store.owner import this_writer
from wstui.report.store.pictures import Packed, PicturePacker
from wstui.report.store.retention import apply_retention
from wstui.report.store.store import Store
from wstui.scenario.presets import file_key


class StoreWriter(Observer):
    """Writes each second of a run into the store as soon as it is over.

    `ids` are the runs written so far.
    """

    def __init__(
        self,
        run: RunView,
        path: Path | None = None,
        *,
        every_s: float = 0.25,
        on_problem: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__("run store", run, every_s=every_s, on_problem=on_problem)
        self.ids: list[int] = []
        self._path = path
        self._store: Store | None = None
        self._open: dict[
            str, _Written
        ] = {}  # by when they started: the next run of a suite may begin before this looks
        self._finished: list[str] = []
        self._environment: dict[str, Any] = {}
        self._writer = ""

    def pause_s(self) -> float:
        """Return a shorter pause until the run is in the store, so that its first second is kept."""
        return self._every_s if self.ids else min(self._every_s, 0.1)

    def follow(self) -> None:
        with self._opened() as store:
            self._follow(store)

    def finish(self, result: Result | SuiteResult | None) -> None:
        """Write the result, or mark the run as interrupted."""
        with self._opened() as store:
            self._follow(store)
            self._finish(store, result)

    def release(self) -> None:
        if self._store is not None:
            self._store.close()

    @contextmanager
    def _opened(self) -> Iterator[Store]:
        try:
            if self._store is None:
                self._environment = environment()
                self._writer = this_writer()
                self._store = Store(self._path)
            yield self._store
        except StoreError as error:
            lasting = isinstance(error, StoreDamaged) or (self._store is None and not isinstance(error, StoreBusy))
            if isinstance(error, StoreStale) and self._store is not None:
                self._store.close()
                self._store = None
            raise ExportError(str(error), lasting=lasting) from None

    def _follow(self, store: Store) -> None:
        status = self._run.status
        if status.started is None:
            return
        started = stamp(status.started)
        if started in self._finished:
            return
        if started not in self._open:
            self._open[started] = self._begin(store, status, started)
        written = self._open[started]
        if written.behind(status):
            written.extend(store, status)
        if not status.result.verdict.running and status.result.started == started:
            self._conclude(store, written, status.result, status)

    def _begin(self, store: Store, status: Status, started: str) -> _Written:
        suite = status.suite
        written = _Written(
            _insert(
                store,
                status.result,
                host=status.host,
                environment=self._environment,
                writer=self._writer,
                suite="/".join(suite.names) if suite else "",
                suite_name=suite.name if suite else "",
                position=suite.index if suite else 0,
                file=_file_of(status, status.result),
            ),
            started,
        )
        self.ids.append(written.id)
        return written

    def _conclude(self, store: Store, written: _Written, result: Result, status: Status | None = None) -> None:
        written.conclude(store, result, status)
        self._finished.append(written.started)
        self._open.pop(written.started, None)

    def _finish(self, store: Store, whole: Result | SuiteResult | None) -> None:
        suite = self._run.status.suite
        for position, result in enumerate(runs_of(whole) if whole else []):
            if result.started in self._finished or _is_before(result, whole):
                continue
            written = self._open.get(result.started)
            if written is None:
                number = _insert(
                    store,
                    result,
                    host=self._run.status.host,
                    environment=self._environment,
                    writer=self._writer,
                    suite="/".join(suite.names) if suite else "",
                    suite_name=suite.name if suite else "",
                    position=position,
                    file=_file_of(self._run.status, result),
                )
                self.ids.append(number)
                written = _Written(number, result.started)
            self._conclude(store, written, result)
        with store.transaction() as db:
            for written in self._open.values():
                db.execute("UPDATE runs SET state = 'interrupted' WHERE id = ?", (written.id,))
        apply_retention(store)


def _is_before(result: Result, whole: Result | SuiteResult | None) -> bool:
    """Return whether a result is older than its resumed suite: it is in the store, or was deleted on purpose."""
    if not isinstance(whole, SuiteResult) or not whole.started:
        return False
    return datetime.fromisoformat(result.started) < datetime.fromisoformat(whole.started)


class _Written:
    """A run in the store, and how much of it is written."""

    def __init__(self, number: int, started: str) -> None:
        self.id = number
        self.started = started
        self._rows = 0
        self._events = 0
        self._failures: list[FailureSummary] = []
        self._histograms: Mapping[str, Distribution] = {}
        self._packer = PicturePacker()

    def behind(self, status: Status) -> bool:
        """Return whether there is a new second or mark to write."""
        return (
            not self._rows
            or bool(new_since(status.rows, self._rows)[0])
            or bool(new_since(status.marks, self._events)[0])
        )

    def extend(self, store: Store, status: Status) -> None:
        """Write what is new since the last call."""
        result, histograms = status.result, status.histograms
        rows, rows_end = new_since(status.rows, self._rows)
        marks, marks_end = new_since(status.marks, self._events)
        self._write(
            store,
            result,
            "running",
            rows=[row.values() for row in rows],
            events=[Event(mark.at_s, mark.kind, mark.text) for mark in marks],
            failures=result.failures if result.failures != self._failures else None,
            histograms={
                name: encode_hdr(data) for name, data in histograms.items() if data != self._histograms.get(name)
            },
            pictures=[self._packer.pack(status)],
        )
        # Only after the commit, so that a failed write is repeated.
        self._rows, self._events = rows_end, marks_end
        self._histograms, self._failures = histograms, result.failures

    def conclude(self, store: Store, result: Result, status: Status | None) -> None:
        """Replace what was written by the final result; `status` is the last picture, if it is of this run.

        A long run has folded its old seconds and marks; those written before are kept.
        """
        rows, events = result.timeline, result.events
        replaced = ["histograms"]
        if len(rows) < self._rows:
            rows = []
        else:
            self._rows = 0
            replaced.append("timeline")
        if len(events) < self._events:
            events = []
        else:
            self._events = 0
            replaced.append("events")
        self._write(
            store,
            result,
            "finished",
            rows=rows,
            events=events,
            failures=result.failures,
            histograms=result.histograms,
            replaced=replaced,
            pictures=[] if status is None else [self._packer.pack(status)],
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
        pictures: Sequence[Packed],
        replaced: Sequence[str] = (),
    ) -> None:
        with store.transaction() as db:
            db.execute(
                "UPDATE runs SET state = ?, updated = ?, summary = ? WHERE id = ?",
                (state, time.time(), _without_bulk(summary), self.id),
            )
            for table in replaced:
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
            db.executemany(
                "INSERT INTO pictures (run, number, key, at_s, picture) VALUES (?, ?, ?, ?, ?)",
                [(self.id, *picture) for picture in pictures],
            )
        self._packer.stored()


def _insert(
    store: Store,
    summary: Result,
    *,
    host: str,
    environment: dict[str, Any],
    writer: str,
    suite: str,
    suite_name: str,
    position: int,
    file: str,
) -> int:
    with store.transaction() as db:
        cursor = db.execute(
            "INSERT INTO runs (name, url, host, started, state, suite, suite_name, position, file, writer, updated, "
            "summary, environment) VALUES (?, ?, ?, ?, 'running', ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                name_of(summary),
                url_of(summary),
                host,
                summary.started,
                suite,
                suite_name,
                position,
                file,
                writer,
                time.time(),
                _without_bulk(summary),
                _json(environment),
            ),
        )
    return int(cursor.lastrowid or 0)


def _file_of(status: Status, result: Result) -> str:
    file = status.scenario.origin.file
    return file_key(file) if file and name_of(result) == status.scenario.name else ""


def _without_bulk(result: Result) -> str:
    return _json(msgspec.structs.replace(result, timeline=[], events=[], failures=[], histograms={}))


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
