"""A run inside GitHub Actions: its step summary, an annotation for each broken threshold and finding, a folded log."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TextIO

import click

from wstui.execution.run.result import Result, SuiteResult
from wstui.execution.run.verdict import threshold_words
from wstui.measure.sanitize import sanitize
from wstui.report.analysis.diagnosis import findings
from wstui.report.formats import markdown
from wstui.report.model.labels import name_of, runs_of, verdict_sign

MOST_ANNOTATIONS = 10
"""GitHub shows no more errors and no more warnings than this for a step."""
MOST_SUMMARY = 1 << 20
"""GitHub drops a longer summary as a whole."""


class Workflow:
    """Writes what a runner understands; does nothing outside of one.

    While `quoted`, the runner looks for no commands: a server's words must not become any.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self.active = environ.get("GITHUB_ACTIONS") == "true"
        self._summary = environ.get("GITHUB_STEP_SUMMARY", "")

    @contextlib.contextmanager
    def quoted(self, stream: TextIO, fold: str = "") -> Iterator[None]:
        """Print the lines in here as text only, under a heading that unfolds them if `fold` names one."""
        if not self.active:
            yield
            return
        token = secrets.token_hex(16)
        _print(stream, *([f"::group::{_escape(fold)}"] if fold else []), f"::stop-commands::{token}")
        try:
            yield
        finally:
            _print(stream, f"::{token}::", *(["::endgroup::"] if fold else []))

    def publish(self, result: Result | SuiteResult, stream: TextIO) -> str:
        """Write annotations and the step summary. Return what went wrong, or ""."""
        if not self.active:
            return ""
        _print(stream, *workflow_commands(result))
        if not self._summary:
            return ""
        text = markdown.render(result)
        try:
            with Path(self._summary).open("a", encoding="utf-8") as file:
                size = os.fstat(file.fileno()).st_size
                if size + len(text.encode()) < MOST_SUMMARY:
                    file.write(text)
                    return ""
        except OSError as error:
            return f"the step summary was not written: {error.strerror or error}"
        return "the step summary was not written: it would be longer than the 1 MiB that GitHub shows"


def workflow_commands(result: Result | SuiteResult) -> list[str]:
    """Return the workflow commands: an error for each broken threshold or failed run, a warning for each finding."""
    errors, warnings = [], []
    for run in runs_of(result):
        name = name_of(run)
        broken = [outcome for outcome in run.verdict.thresholds if outcome.passed is False]
        errors += [_command("error", f"{name}: threshold broken", threshold_words(outcome)) for outcome in broken]
        if not (broken or run.verdict.passed):
            errors.append(_command("error", f"{name}: {verdict_sign(run.verdict).word}", run.verdict.reason))
        for found in findings(run):
            text = f"{found.headline}. {found.evidence}. {found.next_step}"
            warnings.append(_command("warning", f"{name}: finding", text))
    return [*_shown("error", errors), *_shown("warning", warnings)]


def _shown(level: str, commands: list[str]) -> list[str]:
    """Return as many commands as GitHub shows; the last one counts those that are left out."""
    if len(commands) <= MOST_ANNOTATIONS:
        return commands
    left_out = len(commands) - MOST_ANNOTATIONS + 1
    told = f"{left_out} more {level}s are in the step summary: GitHub shows {MOST_ANNOTATIONS} of a step"
    return [*commands[: MOST_ANNOTATIONS - 1], _command(level, f"{left_out} more {level}s", told)]


def _print(stream: TextIO, *lines: str) -> None:
    with contextlib.suppress(OSError):  # a full disk or a closed pipe is reported with the summary
        for line in lines:
            click.echo(line, file=stream)


def _command(name: str, title: str, text: str) -> str:
    return f"::{name} title={_escape(title).replace(':', '%3A').replace(',', '%2C')}::{_escape(text)}"


def _escape(text: str) -> str:
    return sanitize(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
