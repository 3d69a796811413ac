"""`wstui _host`, started by `wstui run --hosts` on the machines that make load."""

from __future__ import annotations

import click

from wstui.fleet.hosts import remote_main as other_side


@click.command("_host", hidden=True)
@click.argument("task", type=click.Choice(["probe", "work"]))
def host(task: str) -> None:
    """Run by wstui itself on the machines that make load."""
    other_side.main([task])
