"""`wstui top`: all runs of this machine."""

from __future__ import annotations

import sys

import click


@click.command()
def top() -> None:
    """Show all runs of this machine, a line each, live; enter attaches to one, and leaving that returns here.

    Without a terminal it prints the lines once.
    """
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
