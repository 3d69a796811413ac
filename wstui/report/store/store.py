"""The run store: a SQLite database with every run, written while it runs, readable at any time."""

from __future__ import annotations

import contextlib
import difflib
import json
import re
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import platformdirs

from wstui.execution.run.machine_sections import GeneratorSummary
from wstui.execution.run.result import Result, SuiteResult
from wstui.execution.run.result_sections import Connections, Event, FailureSummary, LatencySet, Traffic, Verdict
from wstui.report.store.database import StoreError, changing, explained, opened
from wstui.report.store.owner import alive
from wstui.report.store.pictures import Recording

INTERRUPTED = "interrupted: wstui ended before the run did"


class UnknownRun(Exception):
    """No run has that id or tag; the text names the nearest."""


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run in the store. `summary` is its result without timeline, events, failures, histograms (see `Store.result`).

    `suite` has the names of the presets of its suite, `suite_name` the suite's own name. `state` is "running",
    "finished", "interrupted" (its process ended first) or "unreadable" (damaged; it can only be deleted).
    """

    id: int
    name: str
    url: str
    host: str
    started: str
    state: str
    suite: str
    position: int
    tags: tuple[str, ...]
    summary: Result
    environment: dict[str, Any]
    suite_name: str = ""
    file: str = ""
    """The preset's file as `presets.file_key` has it; "" if unknown."""

    def may_be_of(self, file: str, name: str) -> bool:
        """Return whether the run is one of this preset: by its file, or by its name if a file is unknown."""
        return self.file == file if self.file and file else self.name == name


def find(reference: str, names: Mapping[int, str], tags: Mapping[str, int]) -> int:
    """See `Store.find`: `names` maps ids to scenarios, newest first, `tags` maps tags to ids."""
    if not names:
        raise UnknownRun(f"no run {reference!r}: no run has been recorded yet")
    if reference in tags:
        return tags[reference]
    if re.fullmatch(r"[0-9]{1,18}", reference):
        wanted = int(reference)
        if wanted in names:
            return wanted
        nearest = sorted(sorted(names, key=lambda known: abs(known - wanted))[:3])
        raise UnknownRun(f"no run {wanted}: the nearest are {', '.join(map(str, nearest))}")
    name, _, back = reference.partition("~")
    candidates = [run for run, known in names.items() if name in ("last", known)]
    if candidates and re.fullmatch(r"[0-9]{0,9}", back):
        if int(back or 0) < len(candidates):
            return candidates[int(back or 0)]
        raise UnknownRun(f"no run {reference!r}: there are only {len(candidates)}")
    near = difflib.get_close_matches(name, [*tags, *names.values(), "last"], n=1, cutoff=0.5)
    newest = next(iter(names))
    advice = f"did you mean {near[0]!r}?" if near else f"give an id (the last is {newest}), a tag or a scenario's name"
    raise UnknownRun(f"no run {reference!r}: {advice}")


def default_path() -> Path:
    return platformdirs.user_data_path("wstui", appauthor=False) / "runs.db"


class Store:
    """An open store, created and migrated as needed. Do not share it between threads."""

    def __init__(self, path: Path | None = None, *, create: bool = True) -> None:
        """Open the store at `path`. Raises StoreError if it is damaged, newer than this program, or not ours."""
        self.path = path or default_path()
        if not create and not self.path.exists():
            raise StoreError(f"no run store at {self.path}: no run has been recorded yet")
        with explained(self.path):
            self._db = opened(self.path)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()

    # -- reading -----------------------------------------------------------------------------------------------

    def runs(self, *, name: str = "", limit: int = -1) -> list[StoredRun]:
        """Return the newest runs first; with `name`, those of that scenario only."""
        with explained(self.path):
            found = self._db.execute(
                "SELECT * FROM runs WHERE ? IN ('', name) ORDER BY id DESC LIMIT ?", (name, limit)
            ).fetchall()
            tags: dict[int, list[str]] = {}
            for tag, run in self._db.execute("SELECT name, run FROM tags ORDER BY name"):
                tags.setdefault(run, []).append(tag)
        return [self._stored(row, tuple(tags.get(row["id"], ()))) for row in found]

    def run(self, number: int) -> StoredRun:
        """Return a run by its id. Raises UnknownRun."""
        with explained(self.path):
            row = self._db.execute("SELECT * FROM runs WHERE id = ?", (number,)).fetchone()
            tags = self._db.execute("SELECT name FROM tags WHERE run = ? ORDER BY name", (number,)).fetchall()
        if row is None:
            raise UnknownRun(f"no run {number} in {self.path}")
        return self._stored(row, tuple(tag["name"] for tag in tags))

    def find(self, reference: str) -> int:
        """Return the id for "12", a tag, "last", a scenario's name (its last run), or "…~1" (one before).

        Raises UnknownRun, which names the nearest.
        """
        with explained(self.path):
            names = {row["id"]: row["name"] for row in self._db.execute("SELECT id, name FROM runs ORDER BY id DESC")}
            tags = {row["name"]: row["run"] for row in self._db.execute("SELECT name, run FROM tags")}
        return find(reference, names, tags)

    def result(self, number: int) -> Result:
        """Return the whole result of a run, or what was written of an interrupted one. Raises UnknownRun."""
        stored = self.run(number)
        if stored.state == "unreadable":
            raise StoreError(f"run {number} in {self.path} {stored.summary.verdict.reason}")
        with explained(self.path):
            timeline = [json.loads(row[0]) for row in self._column("timeline", "row", number)]
            events = [msgspec.json.decode(row[0], type=Event) for row in self._column("events", "event", number)]
            failures = [
                msgspec.json.decode(row[0], type=FailureSummary) for row in self._column("failures", "failure", number)
            ]
            histograms = dict(
                tuple(row)
                for row in self._db.execute("SELECT name, histogram FROM histograms WHERE run = ?", (number,))
            )
        return msgspec.structs.replace(
            stored.summary,
            timeline=timeline,
            events=events,
            failures=failures,
            histograms=histograms,
        )

    def notes(self, number: int) -> list[str]:
        """Return the texts of the operator's notes of a run."""
        kind = "json_extract(event, '$.kind') IN ('note', 'span')"
        with explained(self.path):
            rows = self._db.execute(
                f"SELECT json_extract(event, '$.text') FROM events WHERE run = ? AND {kind} ORDER BY number", (number,)
            ).fetchall()
        return [str(row[0]) for row in rows]

    def recording(self, number: int) -> Recording:
        """Return a run second by second. Raises UnknownRun."""
        result, stored = self.result(number), self.run(number)
        with explained(self.path):
            found = self._db.execute(
                "SELECT number, key, at_s, picture FROM pictures WHERE run = ? ORDER BY number", (number,)
            ).fetchall()
        return Recording(result, [tuple(row) for row in found], stored.host, number)

    def suite(self, number: int) -> SuiteResult:
        """Return the stored suite of a run. Raises UnknownRun if it has none."""
        from wstui.execution.suite import combine  # imports the engine

        members = self._members(self.run(number))
        results = [self.result(member.id) for member in members]
        names, first = members[0].suite.split("/"), members[0].position
        found: list[Result | None] = [None] * first + results
        return SuiteResult(
            name=members[0].suite_name or members[0].suite,
            started=results[0].started,
            finished=results[-1].finished,
            verdict=combine(found, names, first=first),
            runs=results,
            skipped=names[:first],
        )

    def _members(self, run: StoredRun) -> list[StoredRun]:
        """Return the runs of the same execution of its suite, in order."""
        if not run.suite:
            raise UnknownRun(f"run {run.id} is not part of a suite: omit --suite")
        with explained(self.path):
            rows = self._db.execute(
                "SELECT * FROM runs WHERE suite = ? AND writer = (SELECT writer FROM runs WHERE id = ?) ORDER BY id",
                (run.suite, run.id),
            ).fetchall()
        group: list[StoredRun] = []
        for member in (self._stored(row, ()) for row in rows):
            # A process may run a suite several times; positions then restart.
            if group and member.position <= group[-1].position:
                if group[-1].id >= run.id:
                    break
                group = []
            group.append(member)
        return group

    # -- changing ----------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Make several changes in one transaction. Raises StoreBusy if another process holds the store."""
        with explained(self.path), changing(self._db):
            yield self._db

    def tag(self, number: int, name: str) -> None:
        """Name a run, and take the name from another one. Tagged runs are never pruned."""
        if not re.fullmatch(r"[A-Za-z][\w.\-]*", name) or re.fullmatch(r"last(~.*)?", name):
            raise StoreError(f'{name!r} cannot be a tag: use letters, digits, "-", "." and begin with a letter')
        self.run(number)
        with self.transaction() as db:
            db.execute("INSERT OR REPLACE INTO tags (name, run) VALUES (?, ?)", (name, number))

    def untag(self, name: str) -> bool:
        """Remove a tag; return whether it existed."""
        with self.transaction() as db:
            return db.execute("DELETE FROM tags WHERE name = ?", (name,)).rowcount > 0

    def delete(self, numbers: Sequence[int]) -> None:
        """Delete runs and free their space."""
        with self.transaction() as db:
            db.executemany("DELETE FROM runs WHERE id = ?", [(number,) for number in numbers])
        with explained(self.path):
            self._db.executescript("PRAGMA incremental_vacuum")  # execute() would free a single page

    def prunable(self, *, keep: int | None = None, older_than_s: float | None = None) -> list[int]:
        """Return the ids to prune: beyond the newest `keep`, or older; never tagged or running ones."""
        candidates = [run for run in self.runs() if not run.tags and run.state != "running"]
        doomed = set() if keep is None else {run.id for run in candidates[keep:]}
        if older_than_s is not None:
            with explained(self.path):
                limit = time.time() - older_than_s
                old = {row["id"] for row in self._db.execute("SELECT id FROM runs WHERE updated < ?", (limit,))}
            doomed |= {run.id for run in candidates} & old
        return sorted(doomed)

    def setting(self, name: str) -> str:
        """Return a setting of the store, or ""."""
        with explained(self.path):
            row = self._db.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return str(row["value"]) if row else ""

    def set(self, name: str, value: str) -> None:
        with self.transaction() as db:
            db.execute("INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)", (name, value))

    # -- inside ------------------------------------------------------------------------------------------------

    def _column(self, table: str, column: str, number: int) -> list[sqlite3.Row]:
        return self._db.execute(
            f"SELECT {column} FROM {table} WHERE run = ? ORDER BY number",
            (number,),
        ).fetchall()

    def _stored(self, row: sqlite3.Row, tags: tuple[str, ...]) -> StoredRun:
        state = row["state"]
        if state == "running" and not alive(row["writer"], row["updated"]):
            state = "interrupted"
        try:
            summary = msgspec.json.decode(row["summary"], type=Result)
            environment = json.loads(row["environment"])
            if state == "interrupted" and summary.verdict.running:
                verdict = msgspec.structs.replace(summary.verdict, reason=INTERRUPTED, running=False, aborted=True)
                summary = msgspec.structs.replace(summary, verdict=verdict)
        except (json.JSONDecodeError, msgspec.DecodeError) as error:
            # A damaged run must not hide the others, and must be deletable.
            state, summary, environment = "unreadable", _unreadable(row, str(error)), {}
        return StoredRun(
            row["id"],
            row["name"],
            row["url"],
            row["host"],
            row["started"],
            state,
            row["suite"],
            row["position"],
            tags,
            summary,
            environment,
            row["suite_name"],
            row["file"],
        )


def _unreadable(row: sqlite3.Row, error: str) -> Result:
    reason = f"cannot be read ({error}); delete it: wstui runs delete {row['id']}"
    return Result(
        scenario={"name": row["name"], "target": {"url": row["url"]}},
        started=row["started"],
        finished=row["started"],
        duration_s=0.0,
        verdict=Verdict(passed=False, reason=reason, aborted=True),
        connections=Connections(),
        messages=Traffic(),
        latency_ms=LatencySet(),
        generator=GeneratorSummary(),
    )
