"""`wstui attach`: the dashboard of a run that goes on in another process."""

from __future__ import annotations

import sys

import click

from wstui.cli.ctl import attached
from wstui.cli.tui import require_terminal, watch_in_terminal


@click.command("attach")
@click.argument("reference", metavar="[RUN]", default="")
@click.option("--read-only", is_flag=True, help="Only watch: every key that steers is refused.")
@click.option("--name", default="attach", metavar="NAME", help="Who steers, for the timeline.")
def attach_(reference: str, read_only: bool, name: str) -> None:
    """Open the dashboard of a run that goes on elsewhere; closing it ends nothing.

    RUN is what `wstui ctl` takes: an id, a number, a preset's name, "last", or [USER@]HOST:RUN through ssh.
    """
    require_terminal("wstui ctl RUN status")
    with attached(reference, name, read_only=read_only) as run:
        sys.exit(watch_in_terminal(run))
