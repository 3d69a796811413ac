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
from wstui.measure.sanitize import sanitize
from wstui.report.analysis.trend import Trend, TrendCondition, parse_condition, stored_trend
from wstui.report.formats import trend_text
from wstui.report.formats.atomic_write import STDOUT, NotWritable, write
from wstui.report.model.terminal import terminal_width, wants_colour
from wstui.scenario.errors import BadValue

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
    help='Exit 1 when the latest change is like this: "change > 10%", "change < -5%" (points, of a share). Repeatable.',
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
    if as_json and html_file == STDOUT:
        fail("only one of --json and --html can go to stdout: name a file for --html", USAGE)
    parsed = [_condition(text) for text in conditions]
    with opened(path) as store:
        preset = preset or store.run(store.find("last")).name
        try:
            found = stored_trend(store, preset, metric, last)
        except BadValue as error:
            fail(f"--metric {sanitize(metric)}: {error}", USAGE)
        if not found.points:
            names = sorted({run.name for run in store.runs() if run.state == "finished"})
            known = f"those of {sanitize(', '.join(names), 300)} are" if names else "nor is any other"
            fail(f"no run of '{sanitize(preset)}' is finished; {known}", USAGE)
    if html_file:
        _write_page(html_file, found)
    if as_json:
        document = asdict(found)
        for change, data in zip(found.changes, document["changes"], strict=True):
            data["ratio"] = change.ratio
        write(STDOUT, msgspec.json.format(msgspec.json.encode(document)).decode() + "\n")
    elif html_file != STDOUT:
        click.echo(trend_text.render(found, width=terminal_width(sys.stdout), colour=wants_colour(sys.stdout)))
    broken = [(condition, match) for condition in parsed if (match := condition.matching_change(found))]
    for condition, match in broken:
        told = trend_text.change_words(match, found.unit)
        click.echo(f"wstui: ✗ {condition.text}: {metric} changed at run {match.run}: {told}", err=True)
    if broken:
        sys.exit(BROKEN)


def _condition(text: str) -> TrendCondition:
    try:
        return parse_condition(text)
    except BadValue as error:
        fail(f'--fail-if "{sanitize(text)}": {error}', USAGE)


def _write_page(file: str, found: Trend) -> None:
    try:
        from wstui.report.formats import trend_html
    except ModuleNotFoundError as error:
        fail(f"--html needs {error.name}; install it with: pip install 'wstui[html]'", USAGE)
    try:
        write(file, trend_html.render(found))
    except NotWritable as error:
        fail(str(error), USAGE)
