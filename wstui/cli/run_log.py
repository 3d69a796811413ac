"""A log file of what happens in a run, where LOG_LEVEL or --log-level asks for one; never on the screen.

The operator's side writes it from the run's picture, so the processes that make the load spend nothing on it: of
thousands of clients that fail alike a few are named, as many as the picture holds. Files rotate, and old ones go.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path

from platformdirs import user_log_dir

from wstui.execution.run.result import Result, SuiteResult
from wstui.execution.run.result_sections import FailureSummary
from wstui.execution.run.status import RunView, Status
from wstui.measure.append_log import new_since
from wstui.measure.sanitize import sanitize
from wstui.report.live.observer import ExportError, Observer
from wstui.report.model.labels import runs_of
from wstui.scenario.model import Scenario
from wstui.scenario.secret_fields import secrets_of
from wstui.scenario.secrets import mask_text

FILE_BYTES = 2 << 20
FILES_OF_A_RUN = 3
FILES_KEPT = 30
LONGEST = 600
_GRAVE = ("broken", "worker", "generator", "health", "warning")
_log = logging.getLogger("wstui.run")


def folder() -> Path:
    return Path(user_log_dir("wstui", appauthor=False))


class RunLog(Observer):
    """Log the events of a run to the file at `path`."""

    def __init__(
        self, run: RunView, level: str, *, every_s: float = 0.5, on_problem: Callable[[str], None] | None = None
    ) -> None:
        """Create the file at once. `level` is a name, such as "info". Raises ExportError if it can't be written."""
        super().__init__("log file", run, every_s=every_s, on_problem=on_problem)
        self.path = folder() / f"wstui-{datetime.now().astimezone():%Y%m%d-%H%M%S}-{os.getpid()}.log"
        self._secrets = dict.fromkeys(secrets_of(run.status.scenario))
        self._root = logging.getLogger("wstui")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _make_room(self.path.parent)
            self._handler = _LogFile(self.path, maxBytes=FILE_BYTES, backupCount=FILES_OF_A_RUN - 1, encoding="utf-8")
        except OSError as error:
            raise ExportError(f"no log is written: {self.path}: {error.strerror or error}", lasting=True) from None
        self._handler.setFormatter(_Lines(self._secrets))
        self._handler.setLevel(level.upper())
        self._level_before = self._root.level
        self._root.addHandler(self._handler)
        self._root.setLevel(level.upper())
        self._reported = _Logged()

    def follow(self) -> None:
        """Write what is new."""
        self._follow(self._run.status)
        self._check()

    def _check(self) -> None:
        if self._handler.fault:
            raise ExportError(f"the log is cut short: {self.path}: {self._handler.fault}", lasting=True)

    def finish(self, result: Result | SuiteResult | None) -> None:
        """Write what is new, and how it ended."""
        self._follow(self._run.status)
        if result is None:
            _log.error("cut short")
        for run in runs_of(result) if result is not None else ():
            verdict = run.verdict
            _log.log(
                logging.INFO if verdict.passed else logging.WARNING,
                "%s: %s: %s",
                run.scenario.get("name", ""),
                "passed" if verdict.passed else "failed",
                verdict.reason,
            )
        self._check()

    def release(self) -> None:
        self._root.removeHandler(self._handler)
        self._root.setLevel(self._level_before)
        with contextlib.suppress(OSError):  # what its buffer holds finds no room
            self._handler.close()

    def _follow(self, status: Status) -> None:
        if status.started is not None and self._reported.started != status.started:
            self._reported = _Logged(status.started)
            self._secrets.update(dict.fromkeys(secrets_of(status.scenario)))
            _log.info("%s on %s from %s", _told(status.scenario), status.url, status.host)
        reported = self._reported
        if status.state is not reported.state:
            reported.state = status.state
            _log.info("%.1f s: %s", status.elapsed_s, status.state)
        marks, reported.marks = new_since(status.marks, reported.marks)
        for mark in marks:
            grave = mark.kind in _GRAVE
            _log.log(logging.WARNING if grave else logging.INFO, "%.1f s: %s: %s", mark.at_s, mark.kind, mark.text)
        if not _log.isEnabledFor(logging.DEBUG):
            return
        rows, reported.rows = new_since(status.rows, reported.rows)
        for row in rows:
            _log.debug(
                "%.1f s: %s: %d of %d clients, %d opening, %.0f/s out, %.0f/s in, p99 %s ms, CPU %.0f %%, lag %.0f ms",
                row.at_s,
                row.stage,
                row.open,
                row.wanted,
                row.opening,
                row.sent_per_s,
                row.received_per_s,
                "n/a" if row.response_p99_ms is None else f"{row.response_p99_ms:.3g}",
                row.cpu * 100,
                row.loop_lag_ms,
            )
        self._failures(status.result.failures)

    def _failures(self, groups: Iterable[FailureSummary]) -> None:
        """Log new failures: how often, and the clients of the new samples."""
        for group in groups:
            count, last_s = self._reported.failures.get(group.key, (0, -1.0))
            if group.count == count:
                continue
            _log.debug("%.1f s: %d × %s: %s", group.last_s, group.count - count, group.kind, group.message)
            for sample in group.samples:
                if sample.at_s > last_s:
                    _log.debug("%.1f s: client %d: %s: %s", sample.at_s, sample.client, group.kind, sample.detail)
            self._reported.failures[group.key] = (group.count, group.last_s)


class _LogFile(RotatingFileHandler):
    """A log file that stops after a failed write; `fault` says why."""

    fault = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        if not self.fault:
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name that logging calls
        """Keep why, instead of a traceback on the terminal for every line."""
        error = sys.exception()
        self.fault = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__


class _Logged:
    """The part of a run that has been written."""

    def __init__(self, started: datetime | None = None) -> None:
        self.started = started
        self.state: object = None
        self.marks = 0
        self.rows = 0
        self.failures: dict[tuple[str, str, str], tuple[int, float]] = {}


class _Lines(logging.Formatter):
    """Format time, level and text on one line, without secrets and control characters."""

    converter = time.gmtime  # type: ignore[assignment]

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ %(levelname)-7s %(message)s", "%Y-%m-%dT%H:%M:%S")
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, followed by the traceback of an internal error."""
        return "\n".join(
            sanitize(mask_text(line, self._secrets), LONGEST) for line in super().format(record).split("\n")
        )


def _told(scenario: Scenario) -> str:
    stages = ", ".join(f"{stage.name} {stage.over:g} s" for stage in scenario.stages) or "a search for the limit"
    return f"{scenario.name}: up to {scenario.peak_clients} clients, {stages}"


def _make_room(place: Path) -> None:
    """Delete the oldest log files beyond those that are kept."""
    files = sorted(place.glob("wstui-*.log*"), key=lambda path: path.stat().st_mtime)
    for path in files[: max(0, len(files) - FILES_KEPT + 1)]:
        with contextlib.suppress(OSError):
            path.unlink()
