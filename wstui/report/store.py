"""The run store: a SQLite database with every run, written while it goes, readable from anywhere at any time."""

from __future__ import annotations

import contextlib
import difflib
import json
import re
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import platformdirs

from wstui.execution.result import Event, FailureSummary, Result
from wstui.report.partial import stages_from
from wstui.report.writer import alive

_APPLICATION_ID = 0x77735455  # "wsTU"
_BUSY_S = 5.0


class StoreError(Exception):
    """The store cannot be used; the text names the file, what is wrong and what to do."""


class StoreBusy(StoreError):
    """Another process holds the store for longer than we wait; the next attempt may succeed."""


class UnknownRun(Exception):
    """No run has that id or tag; the text names the nearest."""


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run in the store. `summary` is its result without timeline, events, failures, histograms (see `Store.result`).

    `state` is "running", "finished" or "interrupted" (its process ended before it did).
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


def find(reference: str, names: Mapping[int, str], tags: Mapping[str, int]) -> int:
    """See `Store.find`: `names` are the scenarios of all runs by id, the newest first; `tags` the ids by tag."""
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
    """Where the store lies unless somebody says otherwise."""
    return platformdirs.user_data_path("wstui", appauthor=False) / "runs.db"


class Store:
    """An open store. Made when missing, brought up to date when old. Not to be shared between threads."""

    def __init__(self, path: Path | None = None, *, create: bool = True) -> None:
        """Open the store at `path`. Raises StoreError when it is damaged, newer than this program, or not ours."""
        self.path = path or default_path()
        if not create and not self.path.exists():
            raise StoreError(f"there is no run store at {self.path}: no run has been recorded yet")
        with self._explained():
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None)
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the store."""
        self._db.close()

    # -- reading -----------------------------------------------------------------------------------------------

    def runs(self, *, name: str = "", limit: int = -1) -> list[StoredRun]:
        """The newest runs first, those of the scenario `name` only if it is given."""
        with self._explained():
            found = self._db.execute(
                "SELECT * FROM runs WHERE ? IN ('', name) ORDER BY id DESC LIMIT ?", (name, limit)
            ).fetchall()
            tags: dict[int, list[str]] = {}
            for tag, run in self._db.execute("SELECT name, run FROM tags ORDER BY name"):
                tags.setdefault(run, []).append(tag)
        return [self._stored(row, tuple(tags.get(row["id"], ()))) for row in found]

    def run(self, number: int) -> StoredRun:
        """One run by its id. Raises UnknownRun."""
        with self._explained():
            row = self._db.execute("SELECT * FROM runs WHERE id = ?", (number,)).fetchone()
            tags = self._db.execute("SELECT name FROM tags WHERE run = ? ORDER BY name", (number,)).fetchall()
        if row is None:
            raise UnknownRun(f"no run {number} in {self.path}")
        return self._stored(row, tuple(tag["name"] for tag in tags))

    def find(self, reference: str) -> int:
        """The id that a person means: "12", a tag, "last", a scenario's name (its last run), or "…~1" (one before).

        Raises UnknownRun, which names the nearest.
        """
        with self._explained():
            names = {row["id"]: row["name"] for row in self._db.execute("SELECT id, name FROM runs ORDER BY id DESC")}
            tags = {row["name"]: row["run"] for row in self._db.execute("SELECT name, run FROM tags")}
        return find(reference, names, tags)

    def result(self, number: int) -> Result:
        """The whole result of a run; of one that was cut short, all that had been written. Raises UnknownRun."""
        stored = self.run(number)
        with self._explained():
            timeline = [json.loads(row[0]) for row in self._column("timeline", "row", number)]
            events = [msgspec.json.decode(row[0], type=Event) for row in self._column("events", "event", number)]
            failures = [
                msgspec.json.decode(row[0], type=FailureSummary) for row in self._column("failures", "failure", number)
            ]
            histograms = dict(
                tuple(row)
                for row in self._db.execute("SELECT name, histogram FROM histograms WHERE run = ?", (number,))
            )
        stages = stored.summary.stages
        if stored.state != "finished":
            stages = stages_from(timeline, histograms)
        return msgspec.structs.replace(
            stored.summary,
            timeline=timeline,
            events=events,
            failures=failures,
            histograms=histograms,
            stages=stages,
        )

    # -- changing ----------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Several changes as one. Raises StoreBusy when another process holds the store too long."""
        with self._explained():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def tag(self, number: int, name: str) -> None:
        """Give a run a name; a run that had the name before loses it. Tagged runs are never pruned."""
        if not re.fullmatch(r"[A-Za-z][\w.\-]*", name) or re.fullmatch(r"last(~.*)?", name):
            raise StoreError(f'{name!r} cannot be a tag: use letters, digits, "-", "." and begin with a letter')
        self.run(number)
        with self.transaction() as db:
            db.execute("INSERT OR REPLACE INTO tags (name, run) VALUES (?, ?)", (name, number))

    def untag(self, name: str) -> bool:
        """Take a tag away; False when there was none."""
        with self.transaction() as db:
            return db.execute("DELETE FROM tags WHERE name = ?", (name,)).rowcount > 0

    def delete(self, numbers: Sequence[int]) -> None:
        """Delete runs and give their room back."""
        with self.transaction() as db:
            db.executemany("DELETE FROM runs WHERE id = ?", [(number,) for number in numbers])
        with self._explained():
            self._db.executescript("PRAGMA incremental_vacuum")  # execute() would free a single page

    def prunable(self, *, keep: int | None = None, older_than_s: float | None = None) -> list[int]:
        """The ids that pruning would delete: beyond the newest `keep`, or older; never tagged or running ones."""
        candidates = [run for run in self.runs() if not run.tags and run.state != "running"]
        doomed = set() if keep is None else {run.id for run in candidates[keep:]}
        if older_than_s is not None:
            with self._explained():
                limit = time.time() - older_than_s
                old = {row["id"] for row in self._db.execute("SELECT id FROM runs WHERE updated < ?", (limit,))}
            doomed |= {run.id for run in candidates} & old
        return sorted(doomed)

    def setting(self, name: str) -> str:
        """A setting that lies in the store itself, "" when it was never set."""
        with self._explained():
            row = self._db.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return str(row["value"]) if row else ""

    def set(self, name: str, value: str) -> None:
        """Set a setting."""
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
        with self._explained():
            summary = msgspec.json.decode(row["summary"], type=Result)
            environment = json.loads(row["environment"])
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
        )

    def _prepare(self) -> None:
        db = self._db
        db.row_factory = sqlite3.Row
        version = self._version()
        known = migrations()
        if version == 0 and not db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        elif db.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID:
            raise StoreError(f"{self.path} is a database of another program; name another file with --store")
        if version > len(known):
            raise StoreError(
                f"{self.path} was written by a newer wstui (its schema is {version}, this one knows {len(known)}): "
                "upgrade wstui, or name another file with --store"
            )
        db.execute("PRAGMA journal_mode = WAL").fetchone()
        # A commit survives the death of this process; only a power cut can take the last second.
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA foreign_keys = ON")
        if version < len(known):
            self._migrate(known)

    def _migrate(self, known: list[str]) -> None:
        with self.transaction() as db:
            # Another process may have done it while we waited for the lock.
            for number, script in enumerate(known[self._version() :], self._version() + 1):
                for statement in _statements(script):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {number}")
            db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")

    def _version(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (json.JSONDecodeError, msgspec.DecodeError) as error:
            raise StoreError(
                f"a run in {self.path} cannot be read ({error}); delete it: wstui runs delete ID"
            ) from None
        except sqlite3.OperationalError as error:
            if "locked" in str(error) or "busy" in str(error):
                raise StoreBusy(f"{self.path} is held by another process; try again") from None
            raise StoreError(
                f"the run store {self.path} cannot be used: {error}; name another file with --store"
            ) from None
        except sqlite3.DatabaseError as error:
            raise StoreError(
                f"the run store {self.path} is damaged ({error}): move it away, and the next run begins a new one: "
                f"mv {self.path} {self.path}.damaged"
            ) from None
        except OSError as error:
            raise StoreError(
                f"the run store {self.path} cannot be used: {error.strerror or error}; name another file with --store"
            ) from None


def migrations() -> list[str]:
    """The SQL scripts that bring a store from version n to n + 1, in order."""
    folder = resources.files("wstui.report").joinpath("migrations")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return [file.read_text(encoding="utf-8") for file in files]


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
