"""Resolve references to a run: in the store, a whole suite there, or a JSON result."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from wstui.cli.exit_codes import USAGE, fail
from wstui.execution.run.result import Result, SuiteResult
from wstui.report.store.database import StoreError
from wstui.report.store.pictures import Recording
from wstui.report.store.store import Store, UnknownRun


def shown_by(number: int, path: str | Path | None, *, suite: bool = False) -> str:
    """Return the command that shows a run again; `path` is a store other than the default."""
    store = f" --store {shlex.quote(str(path))}" if path else ""
    return f"wstui runs{store} show {number}{' --suite' if suite else ''}"


@contextmanager
def opened(path: Path | None, *, create: bool = False) -> Iterator[Store]:
    """Return the store; end the process with a message if it or the requested run is unusable."""
    try:
        with Store(path, create=create) as store:
            yield store
    except (StoreError, UnknownRun) as error:
        fail(str(error), USAGE)


def is_file(reference: str) -> bool:
    """Return whether a reference means a JSON result, or one run in it ("FILE.json#PRESET")."""
    return reference.partition("#")[0].endswith(".json")


def whole(path: Path | None, reference: str, *, suite: bool = False) -> Result | SuiteResult:
    """Return the result of a run, or with `suite` of the whole suite that it is part of."""
    if is_file(reference):
        file, _, name = reference.partition("#")
        return _read(file, name or None)
    with opened(path) as store:
        number = store.find(reference)
        return store.suite(number) if suite else store.result(number)


def one(path: Path | None, reference: str) -> tuple[str, Result, dict[str, Any]]:
    """Return name, result and environment of one run."""
    if is_file(reference):
        file, _, name = reference.partition("#")
        return name or Path(file).stem, cast("Result", _read(file, name)), {}
    with opened(path) as store:
        stored = store.run(store.find(reference))
        return f"{stored.id} {stored.name}", store.result(stored.id), stored.environment


def recorded(path: Path | None, reference: str) -> tuple[str, Recording]:
    """Return what a run is called, and the run second by second."""
    if is_file(reference):
        name, result, _ = one(path, reference)
        return name, Recording(result)
    with opened(path) as store:
        number = store.find(reference)
        return f"run {number}", store.recording(number)


def _read(file: str, name: str | None) -> Result | SuiteResult:
    """Return what is in a file, or of it the one result of this name ("": it holds only one)."""
    from wstui.report.formats import json_file

    try:
        return json_file.read_any(file) if name is None else json_file.read(file, name)
    except json_file.NotAResult as error:
        fail(str(error), USAGE)
