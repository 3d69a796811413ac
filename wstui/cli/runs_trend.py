"""`wstui runs trend`: a metric over the stored runs of a preset, and where it changed."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click
import msgspec

from wstui.cli import completion
from wstui.cli.exit_codes import BROKEN, USAGE, fail
from wstui.cli.param_types import Whole
from wstui.cli.run_refs import opened
from wstui.execution.run.result_figures import figure
from wstui.measure.sanitize import sanitize
from wstui.report.analysis.trend import Condition, Point, change_points, parse_condition
from wstui.report.formats import trend_text
from wstui.report.formats.atomic_write import STDOUT, NotWritable, write
from wstui.report.model.terminal import terminal_width, wants_colour
from wstui.report.store.store import Store, StoredRun
from wstui.scenario.errors import BadValue
from wstui.scenario.threshold import parse_metric

MOST = 10_000


@click.command(name="trend")
@click.argument("preset", required=False, shell_complete=completion.presets)
@click.option(
    "--metric",
    default="response.p99",
    show_default=True,
    shell_complete=completion.metrics,
    metavar="NAME",
    help="Any metric of a threshold.",
)
@click.option("--last", type=Whole(1, MOST), default=50, show_default=True, metavar="N", help="How many runs.")
@click.option(
    "--fail-if",
    "conditions",
    multiple=True,
    metavar="CONDITION",
    help='Exit 1 when the latest change is like this: "change > 10%", "change < -5%". Repeatable.',
)
@click.option("--html", "html_file", metavar="FILE", help="Write one self-contained page with a chart.")
@click.option("--json", "as_json", is_flag=True, help="Points and changes as JSON.")
@click.pass_obj
def trend(
    path: Path | None,
    preset: str | None,
    metric: str,
    last: int,
    conditions: tuple[str, ...],
    html_file: str | None,
    as_json: bool,
) -> None:
    """Show a metric over the last runs of PRESET (by default that of the last run), and where it changed.

    Only finished runs count. A change is found when the runs before and after it differ by more than their noise.
    """
    parsed = [_condition(text) for text in conditions]
    try:
        unit = parse_metric(metric).unit
    except BadValue as error:
        fail(f"--metric {sanitize(metric)}: {error}", USAGE)
    with opened(path) as store:
        preset = preset or store.run(store.find("last")).name
        found = [run for run in store.runs(name=preset) if run.state == "finished"][:last]
        if not found:
            known = sanitize(", ".join(sorted({run.name for run in store.runs()})), 300)
            fail(f"no run of {sanitize(preset)!r} is finished; there are runs of {known}", USAGE)
        points = [Point(run.id, run.started, _figure(store, run, metric), run.tags) for run in reversed(found)]
    changes = change_points(points)
    if html_file:
        _write_page(html_file, points, preset, metric)
    if as_json:
        document = {
            "preset": preset,
            "metric": metric,
            "unit": unit,
            "points": [asdict(point) for point in points],
            "changes": [{**asdict(change), "ratio": change.ratio} for change in changes],
        }
        write(STDOUT, msgspec.json.format(msgspec.json.encode(document)).decode() + "\n")
    elif html_file != STDOUT:
        width, colour = terminal_width(sys.stdout), wants_colour(sys.stdout)
        click.echo(trend_text.render(points, changes, title=metric, unit=unit, width=width, colour=colour))
    broken = [(condition, held) for condition in parsed if (held := condition.holds(changes))]
    for condition, held in broken:
        told = trend_text.change_words(held, unit)
        click.echo(f"wstui: ✗ {condition.text}: {metric} changed at run {held.run}: {told}", err=True)
    if broken:
        sys.exit(BROKEN)


def _figure(store: Store, run: StoredRun, metric: str) -> float | None:
    """Return the figure of a run; those that need a whole distribution are read from the whole result."""
    value = figure(run.summary, metric)
    return value if value is not None else figure(store.result(run.id), metric)


def _condition(text: str) -> Condition:
    try:
        return parse_condition(text)
    except BadValue as error:
        fail(f'--fail-if "{sanitize(text)}": {error}', USAGE)


def _write_page(file: str, points: list[Point], preset: str, metric: str) -> None:
    try:
        from wstui.report.formats import trend_html
    except ModuleNotFoundError as error:
        fail(f"--html needs {error.name}; install it with: pip install 'wstui[html]'", USAGE)
    try:
        unit = parse_metric(metric).unit
        write(file, trend_html.render(points, change_points(points), title=preset, metric=metric, unit=unit))
    except NotWritable as error:
        fail(str(error), USAGE)
