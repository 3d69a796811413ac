"""`wstui replay`: stored runs on the dashboard that showed them."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from wstui.cli import completion
from wstui.cli.exit_codes import USAGE, fail
from wstui.cli.param_types import STORE, Finite


@click.command()
@click.argument("references", nargs=-1, required=True, metavar="RUN [OTHER]", shell_complete=completion.runs)
@click.option("--speed", type=Finite(1, 100), default=1.0, show_default=True, metavar="N", help="Times as fast, 1–100.")
@STORE
def replay(references: tuple[str, ...], speed: float, path: Path | None) -> None:
    """Show a stored RUN on the dashboard as it was, or two side by side on one clock.

    RUN is what `wstui runs show` takes: a number, a tag, a preset's name, "last", "last~1", or a JSON result.
    """
    from wstui.cli.run_refs import recorded
    from wstui.cli.tui import replay_in_terminal, require_terminal

    if len(references) > 2:
        fail(f"{len(references)} runs: two can be shown side by side", USAGE)
    runs = [recorded(path, reference) for reference in references]
    for label, recording in runs:
        if not recording.rows:
            fail(f"{label} has no second to show: it ended before the first was over", USAGE)
    require_terminal(f"wstui runs show {references[0]}")
    from wstui.cli.options import RunOptions
    from wstui.tui.requests import OpenReplay

    options = RunOptions(store_path=str(path) if path else None)
    sys.exit(replay_in_terminal(OpenReplay(runs, speed), options))
