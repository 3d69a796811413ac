"""`wstui top`: all runs of this machine, and of hosts that are named."""

from __future__ import annotations

import sys
import time
from contextlib import closing, suppress
from typing import Any

import click
import msgspec

from wstui.cli.garbage import collect_as_usual
from wstui.report.formats.atomic_write import STDOUT, write

_HEARD_S = 30.0


@click.command()
@click.option(
    "--host", "hosts", multiple=True, metavar="[USER@]HOST", help="Its runs as well, through ssh. May be repeated."
)
@click.option("--json", "as_json", is_flag=True, help="Print each run once, as `wstui ctl status --json` does.")
@click.option("--stream", is_flag=True, hidden=True, help="Print the lines as JSON each second, for another wstui top.")
def top(hosts: tuple[str, ...], as_json: bool, stream: bool) -> None:
    """Show all runs of this machine, a line each, live; enter attaches to one, and leaving that returns here.

    Without a terminal it prints the lines once.
    """
    if as_json:
        _print_all(hosts)
        return
    from wstui.tui.top import LOOK_S, NOTHING, TopApp, WatchedRuns

    if stream or not (sys.stdin.isatty() and sys.stdout.isatty()):
        watched = WatchedRuns(hosts)
        while stream:
            sys.stdout.write(msgspec.json.encode(watched.lines()).decode() + "\n")
            sys.stdout.flush()
            time.sleep(LOOK_S)
        for host in watched.hosts:
            host.heard.wait(_HEARD_S)
        click.echo("\n".join(watched.all_lines().values()) or NOTHING)
        watched.close()
        return
    from wstui.cli.ctl import attached
    from wstui.cli.tui import watch_in_terminal

    collect_as_usual()
    while chosen := TopApp(hosts).run():
        with attached(chosen, "attach") as run:
            watch_in_terminal(run)


def _print_all(hosts: tuple[str, ...]) -> None:
    from wstui.cli.ctl import known_of
    from wstui.control.link import ConnectionLost, local
    from wstui.control.registry import entries
    from wstui.control.remote_run import RemoteRun
    from wstui.tui.top import other_version

    if hosts:
        raise click.UsageError("--json prints the runs of this machine: leave --host out.")
    found: list[dict[str, Any]] = []
    for entry in entries():
        if problem := other_version(entry):
            found.append({"run": entry.id, "pid": entry.pid, "name": entry.name, "problem": problem})
            continue
        with suppress(ConnectionLost), closing(RemoteRun(local(entry), "top", read_only=True)) as run:
            found.append(known_of(run))
    write(STDOUT, msgspec.json.format(msgspec.json.encode(found)).decode() + "\n")
