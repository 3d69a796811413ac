"""`wstui demo`: a real NATS server, the Odin server and its publisher on loopback, and a run against them."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

import click

from wstui.cli.exits import fail
from wstui.cli.headless import run_headless, wanted_reports
from wstui.cli.open import require_terminal, run_in_terminal
from wstui.cli.options import output_options, scenario_options
from wstui.cli.prepare import prepare
from wstui.odin.demo import DemoTarget
from wstui.odin.process import ProcessFailed


@click.command()
@click.argument("presets", nargs=-1, metavar="[PRESET...]")
@click.option("--headless", is_flag=True, help="Without the terminal UI, as `wstui run`.")
@scenario_options
@output_options
def demo(presets: tuple[str, ...], headless: bool, **options: Any) -> None:
    """Start NATS, the Odin server and its publisher on free loopback ports, and load them with `quick`.

    Everything that was started ends with it. Takes the options and the exit statuses of `wstui run`.
    """
    if not headless:
        require_terminal("wstui demo --headless")
    names = presets or ("quick",)
    # What is wrong with the request should show before servers start.
    prepare(names, options, {**os.environ, "WS_URL": "ws://127.0.0.1:1/ws", "AUTH_TOKEN": "none yet"})
    wanted_reports(options)
    with asyncio.Runner() as runner:
        target = DemoTarget(lambda line: click.echo(line, err=True))
        try:
            runner.run(target.start())
        except ProcessFailed as error:
            fail(str(error), 1)
        except KeyboardInterrupt:
            runner.run(target.stop())
            sys.exit(130)
        try:
            environ = {**os.environ, "WS_URL": target.ws_url, "AUTH_TOKEN": target.token}
            suite = prepare(names, options, environ)
            status = run_headless(suite, options) if headless else run_in_terminal(suite, options)
        finally:
            runner.run(target.stop())
    sys.exit(status)
