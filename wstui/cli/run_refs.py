"""What a person means by a run: one in the store, a whole suite of it, or a JSON result in a file."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wstui.cli.exit_codes import USAGE, fail
from wstui.execution.run.result import Result, SuiteResult
from wstui.report.formats import json_file
from wstui.report.store.database import StoreError
from wstui.report.store.store import Store, UnknownRun


def shown_by(number: int, path: str | Path | None, *, suite: bool = False) -> str:
    """The command that shows a run again; `path` is the store where it is not the usual one."""
    store = f" --store {shlex.quote(str(path))}" if path else ""
    return f"wstui runs{store} show {number}{' --suite' if suite else ''}"


@contextmanager
def opened(path: Path | None, *, create: bool = False) -> Iterator[Store]:
    """The store; what is wrong with it, or with a run that was asked for, ends the process with a sentence."""
    try:
        with Store(path, create=create) as store:
            yield store
    except (StoreError, UnknownRun) as error:
        fail(str(error), USAGE)


def is_file(reference: str) -> bool:
    """Whether a reference means a JSON result, or one run in it ("FILE.json#PRESET")."""
    return reference.partition("#")[0].endswith(".json")


def whole(path: Path | None, reference: str, *, suite: bool = False) -> Result | SuiteResult:
    """The result that is meant: of one run, or with `suite` of all runs of the suite that it is part of."""
    if is_file(reference):
        file, _, name = reference.partition("#")
        try:
            return json_file.read(file, name) if name else json_file.read_any(file)
        except json_file.NotAResult as error:
            fail(str(error), USAGE)
    with opened(path) as store:
        number = store.find(reference)
        return store.suite(number) if suite else store.result(number)


def one(path: Path | None, reference: str) -> tuple[str, Result, dict[str, Any]]:
    """Name, result and environment of one run."""
    if is_file(reference):
        file, _, name = reference.partition("#")
        try:
            return (name or Path(file).stem, json_file.read(file, name), {})
        except json_file.NotAResult as error:
            fail(str(error), USAGE)
    with opened(path) as store:
        stored = store.run(store.find(reference))
        return f"{stored.id} {stored.name}", store.result(stored.id), stored.environment
