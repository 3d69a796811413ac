"""`wstui run`: a preset without a terminal UI."""

from __future__ import annotations

import sys

import click

from wstui.cli.headless import run_headless
from wstui.cli.options import Options, run_options
from wstui.cli.prepare import prepare


@click.command()
@click.argument("presets", nargs=-1, required=True, metavar="PRESET...")
@run_options
def run(presets: tuple[str, ...], options: Options) -> None:
    """Run a preset without a terminal UI: a line now and then, the summary, files.

    PRESET is a name (see `wstui presets list`) or a TOML file; several run one after the other with one verdict.

    Exit status: 0 thresholds kept, 1 one broken, 2 usage or scenario error, 3 target unreachable,
    4 kept but the generator was the limit, 130 ended by the operator.
    """
    sys.exit(run_headless(prepare(presets, options, may_ask=True), options))
