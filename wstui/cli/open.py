"""`wstui [PRESET]`: the terminal UI."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from wstui.cli.exits import UNREACHABLE, USAGE, fail
from wstui.cli.followers import STDOUT, Followers
from wstui.cli.headless import publish, wanted_reports
from wstui.cli.options import output_options, scenario_options
from wstui.cli.prepare import prepare
from wstui.execution.suite import SuiteRun


def require_terminal(instead: str) -> None:
    """End with a hint where there is no terminal to draw on."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        fail(f"the terminal UI needs a terminal on stdin and stdout; without one use: {instead}", USAGE)


def run_in_terminal(suite: SuiteRun, options: dict[str, Any]) -> int:
    """Show a suite while it runs; afterwards print the summary on the normal screen and return the exit status."""
    from wstui.tui.app import operate

    if options["events"] == STDOUT:
        fail("--events - needs stdout for itself; in the terminal UI give it a file", USAGE)
    reports = wanted_reports(options)
    # Some shells export the size that the terminal had once; the screen must follow the one it has now.
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)
    followers = Followers(suite, options)
    outcome = operate(suite)
    if outcome.fault:
        click.echo(f"wstui: the terminal UI failed: {outcome.fault}", err=True)
    status = 0
    if outcome.result is not None:
        status = publish(outcome.result, reports, sys.stdout, allow_limited=options["allow_limited"])
    followers.close(outcome.result, sys.stdout)
    if outcome.error:
        fail(outcome.error, UNREACHABLE)
    return 1 if outcome.fault and not status else status


@click.command("open")
@click.argument("presets", nargs=-1, metavar="[PRESET...]")
@scenario_options
@output_options
def open_terminal(presets: tuple[str, ...], **options: Any) -> None:
    """Open the terminal UI on PRESET, a name (see `wstui presets list`) or a TOML file."""
    require_terminal("wstui run PRESET")
    suite = prepare(presets or ("quick",), options)
    sys.exit(run_in_terminal(suite, options))
