"""Carries out a suite without a terminal UI: a live line now and then, the summary, files, the exit status."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any, TextIO

import click

from wstui.cli.exits import BROKEN, UNREACHABLE, USAGE, fail, status_of
from wstui.cli.followers import STDOUT, Followers, warn
from wstui.execution.probe import Unreachable
from wstui.execution.result import Result, SuiteResult
from wstui.execution.suite import SuiteRun
from wstui.fleet.transport import FleetError
from wstui.report import formats
from wstui.report.console import live_line, print_summary
from wstui.report.file import NotWritable, prove_writable

_REPORTS = {
    "json": "json_file",
    "csv": "csv_file",
    "markdown": "markdown_file",
    "junit": "junit_file",
    "html": "html_file",
}


def wanted_reports(options: dict[str, Any]) -> dict[str, str]:
    """Format → file for every report that was asked for. Ends the process when one could not be written."""
    reports = {name: options[key] for name, key in _REPORTS.items() if options.get(key)}
    if [*reports.values(), options.get("events")].count(STDOUT) > 1:
        fail("only one report, or the events, can go to stdout (-)", USAGE)
    for name, path in reports.items():
        try:
            if path != STDOUT:
                prove_writable(path)
            formats.named(name).prove()
        except (NotWritable, formats.MissingExtra) as error:
            fail(str(error), USAGE)
    return reports


def run_headless(suite: SuiteRun, options: dict[str, Any]) -> int:
    """Run to the end and return the exit status. SIGINT, SIGTERM and SIGHUP drain; a second one aborts."""
    reports = wanted_reports(options)
    stream = sys.stderr if STDOUT in (*reports.values(), options["events"]) else sys.stdout
    every_s = 0.0 if options["quiet"] else options["every_line"]
    followers = Followers(suite, options, warn)
    result = None
    try:
        result = asyncio.run(_carry_out(suite, stream, every_s))
        return publish(result, reports, stream, allow_limited=options["allow_limited"])
    except Unreachable as error:
        fail(str(error), UNREACHABLE)
    except FleetError as error:
        fail(str(error), BROKEN)
    finally:
        with _broken_pipe_ignored(stream):
            followers.close(result, stream)


def publish(
    result: Result | SuiteResult, reports: dict[str, str], stream: TextIO, *, allow_limited: bool = False
) -> int:
    """Write the files, print the summary, return the exit status. What can't be written is said, not raised."""
    status = status_of(result, allow_limited=allow_limited)
    for name, path in reports.items():
        try:
            if path == STDOUT:
                click.echo(formats.named(name).render(result))
            else:
                formats.write(result, name, path)
        except (NotWritable, OSError) as error:
            click.echo(f"wstui: the {name} report was not written: {error}", err=True)
            status = status or USAGE
    with _broken_pipe_ignored(stream):
        print_summary(result, stream)
        for name, path in reports.items():
            if path != STDOUT:
                click.echo(f"{name} report: {path}", file=stream)
    return status


async def _carry_out(suite: SuiteRun, stream: TextIO, every_s: float) -> Result | SuiteResult:
    loop = asyncio.get_running_loop()
    signals = 0

    def stop() -> None:
        nonlocal signals
        signals += 1
        if signals == 1:
            click.echo("\nwstui: draining; once more to drop every connection", err=True)
            suite.drain()
        else:
            suite.abort()

    for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        with contextlib.suppress(NotImplementedError):  # Windows
            loop.add_signal_handler(number, stop)
    running = asyncio.create_task(suite.run())
    printed = -1.0
    while not running.done():
        await asyncio.wait({running}, timeout=0.25)
        status = suite.status
        if every_s > 0 and not running.done() and status.rows and status.elapsed_s - max(printed, 0.0) >= every_s:
            printed = status.elapsed_s
            with _broken_pipe_ignored(stream):
                click.echo(live_line(status), file=stream)
        elif status.elapsed_s < printed:  # the next run of a suite
            printed = -1.0
    return await running


@contextlib.contextmanager
def _broken_pipe_ignored(stream: TextIO) -> Iterator[None]:
    """A reader that went away (`wstui run … | head`), or a full disk behind it, must not cost the results."""
    try:
        yield
        stream.flush()
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            warn(f"the summary can't be written: {error.strerror}")
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
