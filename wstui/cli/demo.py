"""`wstui demo`: run against a real NATS server, the Odin server and its publisher on loopback."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence

import click

from wstui.cli.detach import DetachableTerminal, detachable
from wstui.cli.exit_codes import USAGE, fail
from wstui.cli.options import RunOptions, run_options
from wstui.cli.output_files import OutputFiles
from wstui.cli.prepare import prepare
from wstui.cli.run import run_headless
from wstui.cli.tui import require_terminal, run_in_terminal
from wstui.execution.suite import SuiteRun
from wstui.odin.demo_system import DemoTarget
from wstui.scenario.model import Demo, Scenario
from wstui.servers.child_process import ProcessFailed


@click.command()
@click.argument("presets", nargs=-1, metavar="[PRESET...]")
@click.option("--headless", is_flag=True, help="Run without the terminal UI, like `wstui run`.")
@run_options
def demo(presets: tuple[str, ...], headless: bool, options: RunOptions) -> None:
    """Start NATS, the Odin server and its publisher on free loopback ports, and load them with `quick`.

    The preset's table [demo] configures the target. Everything that was started ends with the command.
    `wstui demo million` instead holds as many clients as this machine can, up to a million or --clients, against
    sinks of its own that broadcast to all of them: 200 000 a core by default, which takes seven minutes.
    Takes the options and exit statuses of `wstui run`.
    """
    if not headless:
        require_terminal(" ".join(["wstui demo", *presets, "--headless"]))
    terminal = None if headless else detachable()
    if presets == ("million",):
        from wstui.cli.demo_million import run_million

        run_million(options, lambda suite, asked: _carry_out(suite, asked, headless, terminal))
    names = presets or ("quick",)
    options = options.with_overrides(proxy="off")  # the target is on this machine
    # Report a wrong request before any server starts.
    unknown = {"WS_URL": "ws://127.0.0.1:1/ws", "AUTH_TOKEN": "none yet", "JWT_SECRET": "none yet"}
    wanted = _wanted(prepare(names, options, {**os.environ, **unknown}, shipped=True).scenarios)
    OutputFiles(options)
    with asyncio.Runner() as runner:
        target = DemoTarget(lambda line: click.echo(line, err=True), tuple(wanted.server), tuple(wanted.publisher))
        try:
            runner.run(target.start())
        except ProcessFailed as error:
            fail(str(error), 1)
        except KeyboardInterrupt:
            runner.run(target.stop())
            sys.exit(130)
        try:
            # For the scenario only: they are in the environment neither of this process nor of the workers.
            known = {"WS_URL": target.ws_url, "AUTH_TOKEN": target.token, "JWT_SECRET": target.secret}
            suite = prepare(names, options, {**os.environ, **known}, shipped=True)
            status = _carry_out(suite, options, headless, terminal)
        finally:
            runner.run(target.stop())
    sys.exit(status)


def _carry_out(suite: SuiteRun, options: RunOptions, headless: bool, terminal: DetachableTerminal | None) -> int:
    return run_headless(suite, options) if headless else run_in_terminal(suite, options, terminal)


def _wanted(scenarios: Sequence[Scenario]) -> Demo:
    """Return how to start the target. Ends the process if the presets disagree."""
    first = scenarios[0]
    for other in scenarios[1:]:
        if other.demo != first.demo:
            message = f"{first.name} and {other.name} want the target started differently: demo them one by one"
            fail(message, USAGE)
    return first.demo
