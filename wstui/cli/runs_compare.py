"""`wstui runs compare`: what changed from one run to others, and whether a pipeline should fail for it."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click
import msgspec

from wstui.cli import completion
from wstui.cli.exit_codes import BROKEN, USAGE, fail
from wstui.cli.run_refs import one
from wstui.measure.sanitize import sanitize
from wstui.report.analysis import regression
from wstui.report.analysis.compare import Comparison, compare, incomparable
from wstui.report.formats import compare_text, markdown
from wstui.report.formats.atomic_write import STDOUT, write
from wstui.report.model.labels import name_of
from wstui.report.model.terminal import terminal_width, wants_colour
from wstui.scenario.errors import BadValue


@click.command(name="compare")
@click.argument("before", metavar="A", shell_complete=completion.runs)
@click.argument("after", metavar="B...", nargs=-1, required=True, shell_complete=completion.runs)
@click.option(
    "--fail-if",
    "conditions",
    multiple=True,
    metavar="CONDITION",
    help='Exit 1 when B differs from A like this: "response.p99 > +10%", "connect.success < -1%" (points). Repeatable.',
)
@click.option("--proven", is_flag=True, help="Let --fail-if pass over changes that are not proven.")
@click.option("--json", "as_json", is_flag=True, help="The change table as JSON; of several B, one each in an array.")
@click.option("--comment", is_flag=True, help="Markdown for a merge request; its first line is a marker to find it by.")
@click.pass_obj
def compare_(
    path: Path | None,
    before: str,
    after: tuple[str, ...],
    conditions: tuple[str, ...],
    proven: bool,
    as_json: bool,
    comment: bool,
) -> None:
    """Compare run B, or each of several, with run A: what changed, and whether it is more than noise.

    A and B are runs of the store, or JSON results (FILE.json, or FILE.json#PRESET for one run of a suite).
    """
    if as_json and comment:
        fail("--json or --comment: choose one", USAGE)
    parsed = [_condition(text) for text in conditions]
    first = one(path, before)
    comparisons = []
    for reference in after:
        second = one(path, reference)
        why = incomparable(first[1], second[1]) or ("they are the same run" if first[1] == second[1] else "")
        if why:
            fail(f"{sanitize(before)} and {sanitize(reference)} cannot be compared: {why}", USAGE)
        comparisons.append(
            compare(
                first[1],
                second[1],
                names=(first[0], second[0]),
                environments=(first[2], second[2]),
                further=[condition.metric for condition in parsed],
            )
        )
    broken = [
        (comparison, text)
        for comparison in comparisons
        for condition in parsed
        if (text := _told_if_met(condition, comparison, proven))
    ]
    if comment:
        told = [markdown.comment(c, name_of(first[1]), [text for of, text in broken if of is c]) for c in comparisons]
        write(STDOUT, "\n".join(told))
    elif as_json:
        described = [{**asdict(c), "broken": [text for of, text in broken if of is c]} for c in comparisons]
        raw = msgspec.json.encode(described if len(after) > 1 else described[0])
        write(STDOUT, msgspec.json.format(raw).decode() + "\n")
    else:
        width, colour = terminal_width(sys.stdout), wants_colour(sys.stdout)
        click.echo(compare_text.render_all(comparisons, width=width, colour=colour))
    for comparison, text in broken:
        click.echo(f"wstui: ✗ {f'{sanitize(comparison.after)}: ' if len(after) > 1 else ''}{text}", err=True)
    if broken:
        sys.exit(BROKEN)


def _condition(text: str) -> regression.ChangeCondition:
    try:
        return regression.parse(text)
    except BadValue as error:
        fail(f'--fail-if "{sanitize(text)}": {error}', USAGE)


def _told_if_met(condition: regression.ChangeCondition, comparison: Comparison, proven: bool) -> str:
    """Return the condition in words if it is met or cannot be judged, else ""."""
    change = comparison.change(condition.metric)
    if change is None:
        return ""
    is_met = condition.is_met(change)
    if is_met is None or (is_met and (change.significant or not proven)):
        return condition.explain(change)
    return ""
