"""`wstui top`: all runs of this machine."""

from __future__ import annotations

import sys
from contextlib import closing, suppress

import click
import msgspec

from wstui.report.formats.atomic_write import STDOUT, write


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print each run once, as `wstui ctl status --json` does.")
def top(as_json: bool) -> None:
    """Show all runs of this machine, a line each, live; enter attaches to one, and leaving that returns here.

    Without a terminal it prints the lines once.
    """
    if as_json:
        from wstui.cli.ctl import known_of
        from wstui.control.client import ConnectionLost, RemoteRun, local
        from wstui.control.registry import entries

        found = []
        for entry in entries():
            with suppress(ConnectionLost), closing(RemoteRun(local(entry), "top", read_only=True)) as run:
                found.append(known_of(run))
        write(STDOUT, msgspec.json.format(msgspec.json.encode(found)).decode() + "\n")
        return
    from wstui.tui.top import NOTHING, TopApp, Watched

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        watched = Watched()
        click.echo("\n".join(watched.lines().values()) or NOTHING)
        watched.close()
        return
    from wstui.cli.ctl import attached
    from wstui.cli.tui import watch_in_terminal

    while chosen := TopApp().run():
        with attached(chosen, "attach") as run:
            watch_in_terminal(run)
