"""The SQLite file of the run store: created, migrated, and read even if it can't be written.

Errors name the file and the fix.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import sqlite3
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import msgspec

APPLICATION_ID = 0x77735455  # "wsTU"
BUSY_S = 5.0
_SMALLEST = 512
"""Bytes of the smallest database."""
_NO_ROOM = 64 << 10
_ELSEWHERE = "name another file with --store"


class StoreError(Exception):
    """The store cannot be used; the text names the file, what is wrong and what to do."""


class StoreBusy(StoreError):
    """Another process holds the store too long; the next attempt may succeed."""


class StoreStale(StoreBusy):
    """This connection cannot read a sound file; a new connection may succeed."""


class StoreDamaged(StoreError):
    """An integrity check on a new connection failed."""


class StoreFull(StoreBusy):
    """The disk is full; the next attempt may succeed after some space was freed."""


def opened(path: Path) -> sqlite3.Connection:
    """Open the database at `path`. Call within `explained`; raises StoreError if it is not usable."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.is_file() and 0 < path.stat().st_size < _SMALLEST:
        raise StoreError(_not_ours(path))  # SQLite takes a file of one byte for an empty one
    db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
    try:
        db.execute("PRAGMA schema_version")
    except sqlite3.OperationalError as error:
        db.close()
        if not path.is_file() or _writable(path) or "unable to open" not in str(error):
            raise
        db = _as_it_lies_there(path)
    try:
        _prepare(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _writable(path: Path) -> bool:
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def _as_it_lies_there(path: Path) -> sqlite3.Connection:
    """Open a read-only database, for which SQLite cannot create or read a log beside it."""
    log = path.with_name(path.name + "-wal")
    if log.exists() and log.stat().st_size:
        raise StoreError(
            f"the run store {path} is read-only, and its last changes are in {log.name}: "
            f"copy both to a writable folder, and name the copy with --store"
        )
    address = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
    return sqlite3.connect(address, uri=True, timeout=BUSY_S, isolation_level=None)


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    db.row_factory = sqlite3.Row
    version = _version(db)
    known = migrations()
    if version == 0 and not db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
    elif db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise StoreError(f"{path} is a database of another program; {_ELSEWHERE}")
    if version > len(known):
        raise StoreError(
            f"{path} was written by a newer wstui (its schema is {version}, this one knows {len(known)}): "
            f"upgrade wstui, or {_ELSEWHERE}"
        )
    if version == len(known) and not _writable(path):
        return
    db.execute("PRAGMA journal_mode = WAL").fetchone()
    # A commit survives the death of this process; only a power cut can take the last second.
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("PRAGMA foreign_keys = ON")
    if version < len(known):
        with changing(db):
            # Another process may have migrated it while we waited for the lock.
            for number, script in enumerate(known[_version(db) :], _version(db) + 1):
                for statement in _statements(script):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {number}")
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def _full(path: Path, error: str) -> bool:
    """Return whether the disk is full: SQLite reports an I/O error if not even its log index fits."""
    return "full" in error or ("disk I/O" in error and shutil.disk_usage(path.parent).free < _NO_ROOM)


@contextlib.contextmanager
def changing(db: sqlite3.Connection) -> Iterator[None]:
    """Make several changes in one transaction."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Raise StoreError or StoreBusy instead of errors of SQLite and the system."""
    try:
        yield
    except (json.JSONDecodeError, msgspec.DecodeError) as error:
        raise StoreError(f"a run in {path} cannot be read ({error}); delete it: wstui runs delete ID") from None
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            raise StoreBusy(f"{path} is held by another process; try again") from None
        if _full(path, str(error)):
            raise StoreFull(
                f"the run store {path} cannot be written: the disk is full; make room, or {_ELSEWHERE}"
            ) from None
        raise StoreError(_in_words(path, str(error))) from None
    except sqlite3.DatabaseError as error:
        raise _judged(path, str(error)) from None
    except OSError as error:
        raise StoreError(f"the run store {path} cannot be used: {error.strerror or error}; {_ELSEWHERE}") from None


def _judged(path: Path, error: str) -> StoreError:
    """Return what a failed read means, checked by a new connection: only suggest moving the file if it is ours.

    Never open the file without SQLite, not even to read its header: closing it would drop the locks of every
    connection of this process, and another one would delete the log (sqlite.org/howtocorrupt.html, 2.2).
    """
    address = f"{path.resolve().as_uri()}?mode=ro"
    found = error
    try:
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=BUSY_S, isolation_level=None)) as db:
            if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
                return StoreError(_not_ours(path))
            found = str(db.execute("PRAGMA integrity_check(1)").fetchone()[0])
    except sqlite3.OperationalError as trouble:
        return StoreBusy(f"the run store {path} cannot be read ({error}) or checked ({trouble}); try again")
    except sqlite3.DatabaseError as trouble:
        if trouble.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
            return StoreError(_not_ours(path))
    if found == "ok":
        return StoreStale(f"the run store {path} could not be read ({error}), but it is sound; try again")
    if not _writable(path):
        return StoreError(f"the run store {path} cannot be read ({error}), and it is read-only; {_ELSEWHERE}")
    aside = f"mv {shlex.quote(str(path))} {shlex.quote(f'{path}.damaged')}"
    return StoreDamaged(
        f"the run store {path} is damaged ({error}): move it away, and the next run creates a new one: {aside}"
    )


def _not_ours(path: Path) -> str:
    return f"{path} is not a run store of wstui; {_ELSEWHERE}"


def _in_words(path: Path, error: str) -> str:
    if "readonly" in error or (path.is_file() and not _writable(path)):
        return f"the run store {path} is read-only: it cannot be changed; copy it, and name the copy with --store"
    if path.parent.is_dir() and not path.exists() and not os.access(path.parent, os.W_OK):
        return f"the run store {path} cannot be made: the folder is read-only; {_ELSEWHERE}"
    return f"the run store {path} cannot be used: {error}; {_ELSEWHERE}"


def migrations() -> list[str]:
    """Return the SQL scripts that migrate a store from version n to n + 1, in order."""
    folder = resources.files("wstui.report.store").joinpath("migrations")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return [file.read_text(encoding="utf-8") for file in files]


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
