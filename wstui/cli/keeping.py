"""Keeps a run in the store while a command carries it out; whatever goes wrong there never stops the run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import click

from wstui.execution.result import Result, SuiteResult
from wstui.execution.status import Steerable
from wstui.report.recording import Recording


class Keeper:
    """The store's side of one command, or nothing where `--no-store` was given."""

    def __init__(
        self, run: Steerable, options: dict[str, Any], on_problem: Callable[[str], None] | None = None
    ) -> None:
        """`on_problem` hears at once why nothing is written; without it `close` says so at the end."""
        path = options.get("store_path")
        self._recording: Recording | None = None
        self._heard = on_problem is not None
        if not options.get("no_store"):
            self._recording = Recording(run, Path(path) if path else None, on_problem=on_problem)
            self._recording.start()

    def close(self, result: Result | SuiteResult | None, stream: TextIO) -> None:
        """Write the end of the run, and say where it is kept."""
        if self._recording is None:
            return
        self._recording.close(result)
        if self._recording.problem and not self._heard:
            warn(self._recording.problem)
        if self._recording.ids:
            numbers = ", ".join(str(number) for number in self._recording.ids)
            click.echo(f"kept as run {numbers}: wstui runs show {self._recording.ids[-1]}", file=stream)


def warn(problem: str) -> None:
    """Say what the store's trouble is."""
    click.echo(f"wstui: {problem}", err=True)
