"""Write reports and the summary of a command, and rescue a result that nothing else would hold."""

from __future__ import annotations

import contextlib
import re
import secrets
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import click

from wstui.cli.exit_codes import READER_GONE, USAGE, fail, status_of, tell
from wstui.cli.options import RunOptions
from wstui.cli.stdio import STDOUT, Output, silence
from wstui.execution.run.result import Result, SuiteResult
from wstui.report.formats.atomic_write import NotWritable, prove_writable, write_new
from wstui.report.model.labels import name_of
from wstui.report.store.store import default_path
from wstui.scenario.file import files_of
from wstui.scenario.file_refs import is_same
from wstui.scenario.model import Scenario


class OutputFiles:
    """The requested reports: checked to be writable before the run, written after it."""

    def __init__(self, options: RunOptions) -> None:
        """End the process if a report cannot be written or two share a file."""
        self._files: dict[str, str] = dict(options.reports)
        self._lost: list[str] = []
        _require_distinct({**self._files, "events": options.events, "store": _store(options)})
        self.to_stdout = STDOUT in (*self._files.values(), options.events)
        if not self._files:
            return  # the first screen does not wait for the formats
        from wstui.report.formats import format_registry

        for name, path in self._files.items():
            try:
                if path != STDOUT:
                    prove_writable(path)
                format_registry.named(name).prove()
            except (NotWritable, format_registry.MissingExtra) as error:
                fail(str(error), USAGE)

    def publish(self, result: Result | SuiteResult, output: Output, *, allow_limited: bool = False) -> int:
        """Write the files, print the summary, return the exit status. What can't be written is said, not raised.

        What becomes of `output` itself is told by its own status.
        """
        from wstui.report.formats import format_registry
        from wstui.report.formats.console import print_summary

        status = status_of(result, allow_limited=allow_limited)
        for name, path in self._files.items():
            try:
                format_registry.write(result, name, path)
            except BrokenPipeError:
                self._lost.append(name)
                silence(sys.stdout)
                status = status or READER_GONE
            except (NotWritable, OSError) as error:
                self._lost.append(name)
                tell(f"the {name} report was not written: {error}")
                status = status or USAGE
        with output.written() as stream:
            print_summary(result, stream)
            for name, path in self._files.items():
                if path != STDOUT and name not in self._lost:
                    click.echo(f"{name} report: {path}", file=stream)
        return status

    def rescue(self, result: Result | SuiteResult, kept: bool | None) -> None:
        """Save the result somewhere when nothing else holds all of it.

        `kept` is whether the run store does, None where it was not to.
        """
        asked = kept is False or bool(self._lost)
        if not kept and asked and not ("json" in self._files and "json" not in self._lost):
            tell(saved_elsewhere(result))


def saved_elsewhere(result: Result | SuiteResult) -> str:
    """Save a result where there is room for it; says where that was."""
    name = re.sub(r"[^\w.-]+", "-", name_of(result))[:60]
    moment = re.sub(r"[^\dT]", "", result.started.partition(".")[0])
    for folder in (Path.cwd(), Path(tempfile.gettempdir()), Path.home(), Path("/dev/shm")):
        path = folder / f"wstui-{name}-{moment}-{secrets.token_hex(4)}.json"
        with contextlib.suppress(OSError):
            from wstui.report.formats import format_registry

            write_new(path, format_registry.named("json").render(result))
            return f"the result is saved as {path}: `wstui runs export {path} FILE` makes any report of it"
    return "the result could not be saved anywhere: what is printed is all that is left of it"


def _store(options: RunOptions) -> str | None:
    """Return the file of the run store, or None if the run is not stored."""
    return None if options.no_store else str(options.store_path or default_path())


def protect_inputs(options: RunOptions, presets: Iterable[Path], scenarios: Iterable[Scenario]) -> None:
    """End the process when an output would overwrite a file that the run reads."""
    inputs: list[tuple[str, str | Path]] = [("the preset", path) for path in presets]
    read = {
        "token-file": options.token_file,
        "ca-file": options.overrides.ca_file,
        "ssh-config": options.overrides.ssh_config,
    }
    inputs += [(f"--{name}", path) for name, path in read.items() if path]
    inputs += [found for scenario in scenarios for found in files_of(scenario)]
    if store := _store(options):
        inputs += [("the log of the store", store + ending) for ending in ("-wal", "-shm")]
    outputs = {**options.reports, "events": options.events, "store": options.store_path}
    for name, given in outputs.items():
        for what, path in inputs:
            if given and given != STDOUT and is_same(given, path):
                fail(f"--{name} {given} would overwrite {what} of this run ({path}): name another file", USAGE)


def _require_distinct(places: dict[str, str | None]) -> None:
    """End the process when two outputs would overwrite each other."""
    taken: dict[Path, str] = {}
    if list(places.values()).count(STDOUT) > 1:
        fail("only one report, or the events, can go to stdout (-)", USAGE)
    for name, given in places.items():
        if not given or given == STDOUT:
            continue
        path = Path(given).expanduser().resolve()
        if path.exists() and not path.is_file():
            continue  # a pipe or a device takes what comes
        if other := next((known for known in taken if is_same(known, path)), None):
            fail(f"--{taken[other]} and --{name} both name {given}: give each a file of its own", USAGE)
        taken[path] = name
