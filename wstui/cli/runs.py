"""`wstui runs`: list, show, compare, export, tag and delete the runs in the store."""

from __future__ import annotations

import re
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from wstui.cli import completion
from wstui.cli.exit_codes import USAGE, fail
from wstui.cli.param_types import STORE, Whole
from wstui.cli.run_refs import is_file, opened, whole
from wstui.cli.runs_compare import compare_
from wstui.cli.runs_trend import trend
from wstui.control.registry import Entry, entries
from wstui.measure import format
from wstui.measure.sanitize import sanitize
from wstui.report.analysis.compare import is_empty
from wstui.report.formats import format_registry, json_file
from wstui.report.formats.atomic_write import STDOUT, NotWritable, write
from wstui.report.formats.console import print_summary
from wstui.report.model.cell_text import table
from wstui.report.model.labels import Tone, peak_clients, runs_of, verdict_sign
from wstui.report.model.terminal import Paint, terminal_width, wants_colour
from wstui.report.store.retention import Retention, retention, set_retention
from wstui.report.store.store import StoredRun, default_path
from wstui.scenario.errors import BadValue
from wstui.scenario.file_refs import is_same
from wstui.scenario.units import parse_duration

MOST_RUNS = 1_000_000_000
_REFERENCE = (
    'ID is a number from `runs list`, a tag, a preset\'s name (its last run), "last", or one of these with "~1".'
)


@click.group(epilog=_REFERENCE)
@STORE
@click.pass_context
def runs(ctx: click.Context, path: Path | None) -> None:
    """List, show, compare, export and delete stored runs.

    Exit status: 0 done, 1 a condition of `--fail-if` holds (`compare`, `trend`), 2 usage, unknown run or
    unreadable store.
    """
    ctx.obj = path


@runs.command(name="list")
@click.option(
    "--name", default="", shell_complete=completion.presets, metavar="PRESET", help="Only runs of this preset."
)
@click.option("--limit", type=Whole(1, MOST_RUNS), default=20, show_default=True, metavar="N", help="How many.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array instead of a table.")
@click.pass_obj
def list_(path: Path | None, name: str, limit: int, as_json: bool) -> None:
    """List the newest runs."""
    if not as_json and not (path or default_path()).exists():
        click.echo("No run has been recorded yet: `wstui run quick` records one.")
        return
    with opened(path, create=as_json) as store:
        found = store.runs(name=name, limit=limit)
    control = _control(path, found)
    if as_json:
        _print_json(found, control)
        return
    if not found:
        click.echo(f"No run of {name!r} has been recorded." if name else "No run has been recorded yet.")
        return
    paint = Paint(wants_colour(sys.stdout))
    head = ["", "id", "preset", "started", "clients", "success", "p99", "took"]
    rows = [head, *(_row(run) for run in found)]
    if control:
        rows = [[*row, *more] for row, more in zip(rows, _control_column(found, control), strict=True)]
    lines = table(rows, left=3, width=terminal_width(sys.stdout), indent="")
    click.echo(paint.heading(lines[0]))
    for run, line in zip(found, lines[1:], strict=True):
        click.echo(paint.tone(line, _sign(run)[2]))


@runs.command()
@click.argument("reference", metavar="ID", shell_complete=completion.runs)
@click.option("--json", "as_json", is_flag=True, help="The result as JSON, with everything that is stored.")
@click.option("--suite", is_flag=True, help="The whole suite that the run is part of.")
@click.pass_obj
def show(path: Path | None, reference: str, as_json: bool, suite: bool) -> None:
    """Show a run's summary. ID may also be a JSON result."""
    if as_json:
        write(STDOUT, json_file.render(whole(path, reference, suite=suite)))
    elif suite or is_file(reference):
        print_summary(whole(path, reference, suite=suite), sys.stdout)
    else:
        with opened(path) as store:
            stored = store.run(store.find(reference))
            result = store.result(stored.id)
        click.echo(f"Run {stored.id}{_suffix(stored)}\n")
        print_summary(result, sys.stdout)
        click.echo(f"\nRecorded on {sanitize(stored.host)}: {_environment(stored.environment)}")


@runs.command()
@click.argument("reference", metavar="ID", shell_complete=completion.runs)
@click.argument("file", metavar="FILE")
@click.option(
    "--format", "--as", "form", default="", metavar="NAME", help=f"One of {', '.join(format_registry.FORMATS)}."
)
@click.option(
    "--of", default="", metavar="NAME", help="For hgrm: which distribution, such as connect or response@hold."
)
@click.option("--suite", is_flag=True, help="The whole suite that the run is part of.")
@click.pass_obj
def export(path: Path | None, reference: str, file: str, form: str, of: str, suite: bool) -> None:
    """Write a run as a report; the ending of FILE tells the format. "-" is stdout, and needs --format."""
    try:
        if file == STDOUT and not form:
            fail("stdout has no ending: say which --format", USAGE)
        chosen = format_registry.named(form) if form else format_registry.of_file(file)
        source = reference.partition("#")[0] if is_file(reference) else path or default_path()
        if file != STDOUT and is_same(file, source):
            fail(f"{file} is what is read: name another file", USAGE)
        format_registry.prove(chosen.name, file)
        result = whole(path, reference, suite=suite)
        if all(is_empty(run) for run in runs_of(result)):
            fail(f"run {reference} has no data to report ({sanitize(result.verdict.reason)})", USAGE)
        known = {name: None for run in runs_of(result) for name in run.histograms}
        if of and (chosen.name != "hgrm" or of not in known):
            fail(
                f"--of {sanitize(of)}: "
                + (f"this run has {', '.join(known)}" if chosen.name == "hgrm" else "is for hgrm"),
                USAGE,
            )
        format_registry.write(result, chosen.name, file, of)
    except (format_registry.UnknownFormat, format_registry.MissingExtra, NotWritable) as error:
        fail(str(error), USAGE)


@runs.command()
@click.argument("references", nargs=-1, required=True, metavar="ID...", shell_complete=completion.runs)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.pass_obj
def delete(path: Path | None, references: tuple[str, ...], yes: bool) -> None:
    """Delete runs for good."""
    with opened(path) as store:
        chosen = [store.run(store.find(reference)) for reference in references]
        going = [run.id for run in chosen if run.state == "running"]
        if going:
            fail(f"run {going[0]} is still going: end it first", USAGE)
        for run in chosen:
            click.echo(f"{run.id}  {sanitize(run.name)}  {_local(run.started)}{_suffix(run)}")
        _confirm(f"Delete {len(chosen)} run{'s' if len(chosen) > 1 else ''}?", yes)
        store.delete([run.id for run in chosen])


@runs.command()
@click.option("--keep", type=Whole(0, MOST_RUNS), metavar="N", help="Keep the newest N runs.")
@click.option("--older-than", metavar="AGE", help="Delete what is older: 12h, 720h, or 30d.")
@click.option("--remember", is_flag=True, help="Do so after every run from now on.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--json", "as_json", is_flag=True, help="With --dry-run: what would go, as `runs list --json` has it.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.pass_obj
def prune(
    path: Path | None,
    keep: int | None,
    older_than: str | None,
    remember: bool,
    dry_run: bool,
    as_json: bool,
    yes: bool,
) -> None:
    """Delete old runs. Tagged runs stay, and those that are still going."""
    if as_json and not dry_run:
        fail("--json lists what would go: add --dry-run", USAGE)
    if keep is None and older_than is None:
        with opened(path) as store:
            fail(f"nothing to go by: give --keep N or --older-than AGE; {_kept(retention(store))}", USAGE)
    age_s = None if older_than is None else _age(older_than)
    with opened(path) as store:
        doomed = store.prunable(keep=keep, older_than_s=age_s)
        word = f"{len(doomed)} run{'' if len(doomed) == 1 else 's'}"
        if as_json:
            _print_json([store.run(number) for number in doomed], {})
            return
        if dry_run:
            click.echo(f"{word} would go{': ' if doomed else ''}{', '.join(map(str, doomed))}")
            return
        if doomed:
            _confirm(f"Delete {word} ({', '.join(map(str, doomed[:10]))}{', …' if len(doomed) > 10 else ''})?", yes)
            store.delete(doomed)
        if remember:
            set_retention(store, Retention(keep, age_s))
    click.echo(f"{word} deleted{'; this is done after every run from now on' if remember else ''}")


@runs.command()
@click.argument("reference", metavar="ID", shell_complete=completion.runs)
@click.argument("name", metavar="NAME")
@click.option("--remove", is_flag=True, help="Take the tag away instead.")
@click.pass_obj
def tag(path: Path | None, reference: str, name: str, remove: bool) -> None:
    """Give a run a name, such as `baseline`: it is found by it and never pruned. A tag is on one run only."""
    with opened(path) as store:
        number = store.find(reference)
        if remove:
            if name not in store.run(number).tags:
                fail(f"run {number} has no tag {name!r}", USAGE)
            store.untag(name)
        else:
            store.tag(number, name)


def _row(run: StoredRun) -> list[str]:
    glyph, _, _ = _sign(run)
    summary = run.summary
    return [
        glyph,
        str(run.id),
        sanitize(run.name, 24) + (f" [{', '.join(run.tags)}]" if run.tags else ""),
        _local(run.started),
        format.count(peak_clients(summary)),
        format.percentage(summary.connections.success_rate),
        format.milliseconds(summary.latency_ms.response.p99),
        format.duration(summary.duration_s),
    ]


def _sign(run: StoredRun) -> tuple[str, str, Tone]:
    if run.state == "running":
        return "▶", "running", Tone.PLAIN
    if run.state in ("interrupted", "unreadable"):
        return ("■" if run.state == "interrupted" else "✗"), run.state, Tone.BAD
    sign = verdict_sign(run.summary.verdict)
    return sign.glyph, sign.word.lower(), sign.tone


def _control(path: Path | None, found: list[StoredRun]) -> dict[int, Entry]:
    """Return the control sockets of those runs that are going on, by their numbers."""
    if not any(run.state == "running" for run in found):
        return {}
    store = str(path.resolve()) if path else ""
    return {number: entry for entry in entries() if entry.store == store for number in entry.runs[-1:]}


def _control_column(found: list[StoredRun], control: dict[int, Entry]) -> list[list[str]]:
    return [["attach to"], *([control[run.id].id if run.id in control else ""] for run in found)]


def _print_json(found: list[StoredRun], control: dict[int, Entry]) -> None:
    described = [_described(run, control.get(run.id)) for run in found]
    write(STDOUT, msgspec.json.format(msgspec.json.encode(described)).decode() + "\n")


def _described(run: StoredRun, control: Entry | None) -> dict[str, Any]:
    summary = run.summary
    return {
        "id": run.id,
        "name": run.name,
        "tags": run.tags,
        "suite": run.suite,
        "suite_name": run.suite_name,
        "url": run.url,
        "host": run.host,
        "started": run.started,
        "duration_s": summary.duration_s,
        "state": run.state,
        "control": None if control is None else {"id": control.id, "socket": control.socket},
        "passed": summary.verdict.passed if run.state == "finished" else None,
        "reason": summary.verdict.reason,
        "clients": peak_clients(summary),
        "success_rate": summary.connections.success_rate,
        "response_ms": summary.latency_ms.response,
    }


def _suffix(run: StoredRun) -> str:
    tags = f" [{', '.join(run.tags)}]" if run.tags else ""
    return tags + (f", {run.position + 1} of {sanitize(run.suite_name or run.suite)}" if run.suite else "")


def _local(started: str) -> str:
    try:
        return datetime.fromisoformat(started).astimezone().strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return sanitize(started, 16)


def _environment(seen: dict[str, Any]) -> str:
    versions = seen.get("versions") or {}
    facts = [
        f"{seen.get('system', '')} {seen.get('machine', '')}".strip(),
        f"{seen.get('processors')} processors" if seen.get("processors") else "",
        str(seen.get("python", "")),
        *(f"{name} {version}" for name, version in versions.items() if version),
    ]
    return ", ".join(sanitize(fact) for fact in facts if fact) or "nothing is known of it"


def _kept(wanted: Retention) -> str:
    parts = ["all runs" if wanted.keep is None else f"the newest {wanted.keep} runs"]
    if wanted.older_than_s is not None:
        parts.append(f"none older than {wanted.older_than_s / 86_400:.4g} days")
    return f"after each run, {' and '.join(parts)} are kept (--remember changes that)"


def _confirm(question: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        fail("can't ask without a terminal: add --yes", USAGE)
    click.confirm(question, abort=True)


def _age(text: str) -> float:
    days = re.fullmatch(r"(\d{1,9}(?:\.\d+)?)d", text.strip(), re.ASCII)
    try:
        return float(days[1]) * 86_400 if days else parse_duration(text)
    except BadValue as error:
        fail(f'--older-than "{sanitize(text)}" {error}, or "30d"', USAGE)


runs.add_command(compare_)
runs.add_command(trend)
