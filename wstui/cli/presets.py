"""`wstui presets`: list, show, validate and copy presets."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from pathlib import Path

import click

from wstui.cli import completion
from wstui.measure.format import clock, grouped
from wstui.scenario.checks import warnings
from wstui.scenario.errors import PresetExistsError, Problem, ScenarioError, describe, printable
from wstui.scenario.file import dumps, load, loads, write
from wstui.scenario.model import Scenario, Suite
from wstui.scenario.presets import PresetEntry, available, find, is_path, members, own_folder
from wstui.scenario.trust import untrusted, uses

_WIDEST = 100


class PresetRefused(click.ClickException):
    """A scenario that cannot be used: its problems on stderr, exit status 2."""

    exit_code = 2

    def __init__(self, error: ScenarioError) -> None:
        super().__init__(describe(error.problems, _width()))

    def show(self, file: object = None) -> None:
        """Print the problems unprefixed: they name their files."""
        click.echo(self.message, err=True)


@click.group()
def presets() -> None:
    """List, show, validate and copy presets."""


@presets.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="One JSON array instead of a table.")
def list_(as_json: bool) -> None:
    """List what can be run by name, and where it comes from."""
    entries = available()
    if as_json:
        import json

        click.echo(json.dumps([_described(entry) for entry in entries], indent=2, ensure_ascii=False))
        return
    if not entries:
        click.echo("No presets found.")
        return
    rows = [("NAME", "FROM", "LOAD"), *((printable(e.name), e.origin, _load(e)) for e in entries)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    texts = ["DESCRIPTION", *(printable(e.problem if e.broken else e.description) for e in entries)]
    for row, text in zip(rows, texts, strict=True):
        head = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + "  "
        click.echo(_hanging(head, text))


@presets.command()
@click.argument("name", shell_complete=completion.presets)
def show(name: str) -> None:
    """Print a preset as TOML; NAME may be a path."""
    try:
        click.echo(_public_text(find(name)), nl=False)
    except ScenarioError as error:
        raise PresetRefused(error) from None


@presets.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", shell_complete=completion.presets)
def validate(files: tuple[str, ...]) -> None:
    """Check scenario files (or presets by name); exit status 2 when one cannot be run."""
    problems: list[Problem] = []
    for name in files:
        try:
            path = find(name)
            content = load(path)
            scenarios = members(content) if isinstance(content, Suite) else [content]
        except ScenarioError as error:
            problems.extend(error.problems)
            continue
        click.echo(_hanging(f"{printable(str(path))}: ", f"ok, {_summary(content)}"))
        used = [text for scenario in scenarios for text in uses(scenario)]
        host_warnings = [str(problem) for scenario in scenarios for problem in untrusted(scenario)]
        for advice in dict.fromkeys([*(line for s in scenarios for line in warnings(s)), *used, *host_warnings]):
            click.echo(_hanging("  note: ", printable(advice)))
    if problems:
        raise PresetRefused(ScenarioError(dict.fromkeys(problems)))


@presets.command()
@click.argument("name", shell_complete=completion.presets)
@click.argument("dest", required=False)
@click.option("--force", is_flag=True, help="Replace a file that is there already.")
def copy(name: str, dest: str | None, force: bool) -> None:
    """Copy a preset to edit it: DEST is a new name, a file or a folder.

    Without DEST, or with a name, the copy goes into your own presets, where it is found before the shipped one.
    """
    try:
        source = find(name)
        path = _destination(source, dest)
        write(path, _renamed(_public_text(source), path.stem), overwrite=force)
    except PresetExistsError as error:
        exists = error.problems[0]
        raise PresetRefused(ScenarioError(Problem(exists.file, "", "is there already: --force replaces it"))) from None
    except ScenarioError as error:
        raise PresetRefused(error) from None
    click.echo(printable(str(path)))


def _destination(source: Path, dest: str | None) -> Path:
    if dest is None:
        return own_folder() / source.name
    if Path(dest).is_dir() or dest.endswith(("/", "\\")):
        return Path(dest) / source.name
    return Path(dest) if is_path(dest) else own_folder() / f"{dest}.toml"


def _public_text(path: Path) -> str:
    """Return the file with its comments; one that holds a secret in plain text is rewritten without it."""
    content = load(path, complete=False)
    return dumps(content) if content.origin.warnings else path.read_text("utf-8-sig")


def _renamed(text: str, name: str) -> str:
    """Return the text with the preset's name changed to that of its file."""
    renamed = re.sub(r'^name\s*=\s*"[^"\n]*"', lambda _: f'name = "{name}"', text, count=1, flags=re.MULTILINE)
    return renamed if re.fullmatch(r"[\w .-]+", name) and loads(renamed, complete=False).name == name else text


def _described(entry: PresetEntry) -> dict[str, object]:
    described: dict[str, object] = {
        "name": entry.name,
        "file": str(entry.path),
        "from": entry.origin,
        "description": entry.description,
    }
    if isinstance(entry.content, Scenario):
        described |= {"clients": entry.content.peak_clients, "duration_s": entry.content.duration_s}
    elif isinstance(entry.content, Suite):
        described |= {"suite": entry.content.suite}
    return {**described, "problem": entry.problem}


def _load(entry: PresetEntry) -> str:
    if entry.content is None:
        return "broken"
    if isinstance(entry.content, Scenario):
        return f"{_size(entry.content)}, {_length(entry.content)}"
    peak = max(run.peak_clients for run in entry.runs)
    return f"{len(entry.runs)} runs, up to {grouped(peak)} clients, {clock(entry.duration_s)}"


def _summary(content: Scenario | Suite) -> str:
    if isinstance(content, Suite):
        return f"a suite of {', '.join(map(printable, content.suite))}"
    return f"{_size(content)}, {_length(content)}, {len(content.thresholds) or 'default'} thresholds"


def _size(scenario: Scenario) -> str:
    if scenario.breakpoint is not None:
        return f"up to {grouped(scenario.breakpoint.largest)} {scenario.breakpoint.unit}"
    return f"{grouped(scenario.peak_clients)} clients"


def _length(scenario: Scenario) -> str:
    return f"{clock(scenario.duration_s)}{' at most' if scenario.breakpoint is not None else ''}"


def _width() -> int:
    return min(shutil.get_terminal_size().columns, _WIDEST)


def _hanging(head: str, text: str) -> str:
    """Return head and text with a hanging indent at a terminal, else on one line."""
    if not sys.stdout.isatty():
        return (head + text).rstrip()
    indent = " " * len(head) if len(head) < _width() - 30 else "    "
    return "\n".join(textwrap.wrap(text, _width(), initial_indent=head, subsequent_indent=indent)) or head.rstrip()
