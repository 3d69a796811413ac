"""The result as JSON: the contract with everything that reads our results. Its schema is in the package."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from wstui.execution.run.result import SCHEMA, Result, SuiteResult
from wstui.measure.sanitize import sanitize
from wstui.report.analysis.diagnosis import findings
from wstui.report.model.labels import name_of, runs_of


class NotAResult(Exception):
    """A file that holds no result, or not the one that was asked for; the text names the file and what to do."""


def render(result: Result | SuiteResult) -> str:
    """The result as JSON text that ends with a newline, with its findings; a value that does not exist is null."""
    whole = msgspec.to_builtins(result)
    contents = whole["runs"] if isinstance(result, SuiteResult) else [whole]
    for run, content in zip(runs_of(result), contents, strict=True):
        content["findings"] = [asdict(finding) for finding in findings(run)]
    return msgspec.json.format(msgspec.json.encode(whole)).decode() + "\n"


def read(path: str | Path, name: str = "") -> Result:
    """One result in a JSON file; `name` picks one run of a suite. Raises NotAResult."""
    found = read_any(path)
    return _one_of(found, path, name) if isinstance(found, SuiteResult) else found


def read_any(path: str | Path) -> Result | SuiteResult:
    """The result in a JSON file, of one run or of a suite. Raises NotAResult."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise NotAResult(f"{path} can't be read: {error.strerror}") from None
    try:
        kind = msgspec.json.decode(content, type=dict[str, Any]).get("schema")
        if kind == SCHEMA:
            return msgspec.json.decode(content, type=Result)
        if kind == "wstui.suite/1":
            return msgspec.json.decode(content, type=SuiteResult)
    except msgspec.DecodeError as error:
        raise NotAResult(f"{path} is not a result of wstui: {error}") from None
    raise NotAResult(f"{path} is not a result of wstui: its schema is {sanitize(repr(kind))}, not {SCHEMA!r}")


def _one_of(suite: SuiteResult, path: str | Path, name: str) -> Result:
    for run in suite.runs:
        if name_of(run) == name:
            return run
    names = ", ".join(sanitize(name_of(run)) for run in suite.runs)
    raise NotAResult(f"{path} holds several runs ({names}): name one of them, as in {path}#{name_of(suite.runs[0])}")
