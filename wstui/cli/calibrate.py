"""`wstui calibrate`: measure how much load this machine can make, against the built-in sink."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from datetime import datetime

import click
import psutil

from wstui.cli.exit_codes import ABORTED, BROKEN, USAGE, fail
from wstui.cli.param_types import Whole
from wstui.execution.calibrate import cost_model
from wstui.execution.calibrate.bench import BenchTarget, Cores
from wstui.execution.calibrate.calibration import Calibration, Figure
from wstui.execution.calibrate.sink.sink_process import SinkProcess
from wstui.fleet.transport import FleetError
from wstui.measure.format import grouped
from wstui.report.formats.atomic_write import STDOUT, NotWritable, prove_writable, write
from wstui.report.model.cell_text import table
from wstui.report.model.environment import environment
from wstui.servers.child_process import ProcessFailed

SCHEMA = "wstui.calibration/1"


@click.command()
@click.option("--full", is_flag=True, help="Also 10 000 and 20 000 clients, and 60 000 messages a second.")
@click.option("--repeat", type=Whole(1, 50), default=9, show_default=True, help="Windows for each figure.")
@click.option("--json", "json_file", metavar="FILE", help="Write the figures as JSON; - is stdout.")
def calibrate(full: bool, repeat: int, json_file: str | None) -> None:
    """Measure how much load this machine can make, against a sink on loopback, in about a minute.

    Each figure is the median of a few short windows; the cost of a message is the median of several starts, because
    they differ. If two cores are free, the worker has one and the sink the other; the sink's use of its core is shown,
    to prove that it is not the limit.
    """
    if json_file and json_file != STDOUT:
        try:
            prove_writable(json_file)
        except NotWritable as error:
            fail(str(error), USAGE)
    progress = Progress()
    cores = Cores.apart()
    calibration = Calibration(lambda rate: _sink(rate, cores), cores, repeat, progress.say)
    progress.planned_s = calibration.planned_s(full)
    figures: list[Figure] = []
    status = 0
    try:
        asyncio.run(_collect(calibration, full, cores, figures))
    except KeyboardInterrupt:
        click.echo("wstui: interrupted; results so far:", err=True)
        status = ABORTED
    except (FleetError, ProcessFailed) as error:
        click.echo(f"wstui: {error}", err=True)
        status = BROKEN
    if figures and not status:
        cost_model.save(_document(figures))
    if json_file == STDOUT:
        write(STDOUT, _document(figures) + "\n")
    else:
        _print(figures, cores)
        if json_file:
            write(json_file, _document(figures))
            click.echo(f"figures: {json_file}")
    sys.exit(status)


class Progress:
    """Prints a line on stderr before each measurement, with the time left."""

    def __init__(self) -> None:
        self.planned_s = 0.0
        self._begun = time.monotonic()

    def say(self, what: str) -> None:
        """Print the name of the next measurement."""
        passed = time.monotonic() - self._begun
        load = psutil.getloadavg()[0]
        left = max(1.0, self.planned_s - passed)
        click.echo(f"{passed:4.0f} s  {what}  (load {load:.1f}, about {left:.0f} s left)", err=True)


async def _collect(calibration: Calibration, full: bool, cores: Cores, figures: list[Figure]) -> None:
    if cores.target is not None:
        # This process needs little CPU, but must not take it from the worker.
        os.sched_setaffinity(0, {cores.target})
    async for figure in calibration.measure(full):
        figures.append(figure)  # noqa: PERF401 - figures survive an interrupt


@contextlib.asynccontextmanager
async def _sink(broadcasts: float, cores: Cores) -> AsyncIterator[BenchTarget]:
    options = ("--broadcast", f"{broadcasts:g}") if broadcasts else ()
    async with SinkProcess(*options, core=cores.target) as sink:
        yield sink


def _print(figures: list[Figure], cores: Cores) -> None:
    here = environment()
    versions = ", ".join(f"{name} {number}" for name, number in here["versions"].items() if number)
    where = "worker and sink on a core each" if cores.worker is not None else "worker and sink share the cores"
    click.echo(f"{here['system']}, {here['processors']} processors, {here['python']}, {versions}")
    click.echo(f"{where}; load average {' '.join(f'{load:g}' for load in here['load_average'])}\n")
    rows = [("", "median", "least", "most", "unit", "goal", "")]
    for figure in figures:
        goal = "" if figure.goal is None else f"{'≥' if figure.at_least else '≤'} {_number(figure.goal)}"
        mark = {None: "", True: "✓", False: "✗"}[figure.reached]
        least, most = min(figure.values), max(figure.values)
        rows.append((figure.name, _number(figure.median), _number(least), _number(most), figure.unit, goal, mark))
    notes = ["", *(figure.note for figure in figures)]
    for line, note in zip(table(rows, width=120, indent=""), notes, strict=True):
        click.echo(line)
        if note:
            click.echo(f"  {note}")


def _number(value: float) -> str:
    return grouped(value) if value >= 100 else f"{value:.2f}".rstrip("0").rstrip(".") if value else "0"


def _document(figures: list[Figure]) -> str:
    return json.dumps(
        {
            "schema": SCHEMA,
            "measured": datetime.now().astimezone().isoformat(timespec="seconds"),
            "environment": environment(),
            "figures": [figure.to_plain() for figure in figures],
        },
        indent=2,
        ensure_ascii=False,
    )
