"""`wstui presets`: list, show, validate and copy presets."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wstui.cli import completion
from wstui.cli.exit_codes import USAGE
from wstui.measure.format import clock, grouped
from wstui.scenario.errors import PresetExistsError, Problem, ScenarioError, describe, printable
from wstui.scenario.overview import Overview, overview_of
from wstui.scenario.presets import PresetEntry, available, find, is_path, members, own_folder

if TYPE_CHECKING:  # the models, which the list need not wait for
    from wstui.scenario.model import Scenario, Suite

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
    """List what can be run by name, grouped by what its target speaks."""
    entries = available()
    if as_json:
        import json

        click.echo(json.dumps([_described(entry) for entry in entries], indent=2, ensure_ascii=False))
        return
    if not entries:
        click.echo("No presets found.")
        return
    head = ("NAME", "FROM", "PROTOCOL", "LOAD")
    rows = [head, *((printable(e.name), e.origin, e.protocol, _load(e)) for e in entries)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    texts = ["DESCRIPTION", *(printable(e.problem if e.broken else e.description) for e in entries)]
    for row, text in zip(rows, texts, strict=True):
        cells = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + "  "
        click.echo(_hanging(cells, text))


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
@click.option("--json", "as_json", is_flag=True, help="One JSON array: a file each, with its problems and notes.")
def validate(files: tuple[str, ...], as_json: bool) -> None:
    """Check scenario files (or presets by name); exit status 2 when one cannot be run."""
    from wstui.scenario.file import load

    listed: list[dict[str, object]] = []
    problems: list[Problem] = []
    for name in files:
        try:
            path = find(name)
            content = load(path)
            notes = _notes(content)
        except ScenarioError as error:
            problems.extend(error.problems)
            listed.append(
                {"file": name, "ok": False, "problems": [asdict(problem) for problem in error.problems], "notes": []}
            )
            continue
        listed.append({"file": str(path), "ok": True, "problems": [], "notes": notes})
        if not as_json:
            click.echo(_hanging(f"{printable(str(path))}: ", f"ok, {_summary(content)}"))
            for note in notes:
                click.echo(_hanging("  note: ", note))
    if as_json:
        import json

        click.echo(json.dumps(listed, indent=2, ensure_ascii=False, default=str))
        sys.exit(USAGE if problems else 0)
    if problems:
        raise PresetRefused(ScenarioError(dict.fromkeys(problems)))


def _notes(content: Scenario | Suite) -> list[str]:
    """Return what has no effect, which files and variables are used, and what needs consent. Raises ScenarioError."""
    from wstui.scenario.checks import warnings
    from wstui.scenario.model import Suite
    from wstui.scenario.trust import untrusted, uses

    scenarios = members(content) if isinstance(content, Suite) else [content]
    found = [line for scenario in scenarios for line in warnings(scenario)]
    found += [text for scenario in scenarios for text in uses(scenario)]
    found += [str(problem) for scenario in scenarios for problem in untrusted(scenario)]
    return [printable(text) for text in dict.fromkeys(found)]


@presets.command()
@click.argument("name", shell_complete=completion.presets)
@click.argument("dest", required=False)
@click.option("--force", is_flag=True, help="Replace a file that is there already.")
def copy(name: str, dest: str | None, force: bool) -> None:
    """Copy a preset to edit it: DEST is a new name, a file or a folder.

    Without DEST, or with a name, the copy goes into your own presets, where it is found before the shipped one.
    """
    from wstui.scenario.file import write

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
    from wstui.scenario.file import dumps, load

    content = load(path, complete=False)
    return dumps(content) if content.origin.warnings else path.read_text("utf-8-sig")


def _renamed(text: str, name: str) -> str:
    """Return the text with the preset's name changed to that of its file."""
    from wstui.scenario.file import loads

    renamed = re.sub(r'^name\s*=\s*"[^"\n]*"', lambda _: f'name = "{name}"', text, count=1, flags=re.MULTILINE)
    return renamed if re.fullmatch(r"[\w .-]+", name) and loads(renamed, complete=False).name == name else text


def _described(entry: PresetEntry) -> dict[str, object]:
    described: dict[str, object] = {
        "name": entry.name,
        "file": str(entry.path),
        "from": entry.origin,
        "protocol": entry.protocol,
        "description": entry.description,
    }
    if entry.overview is not None and entry.overview.suite:
        described |= {"suite": entry.overview.suite}
    elif entry.overview is not None:
        described |= {"clients": entry.overview.peak_clients, "duration_s": entry.overview.duration_s}
    return {**described, "problem": entry.problem}


def _load(entry: PresetEntry) -> str:
    if (found := entry.overview) is None:
        return "broken"
    if found.suite:
        return f"{len(found.suite)} runs, up to {grouped(found.peak_clients)} clients, {clock(found.duration_s)}"
    return _size(found)


def _summary(content: Scenario | Suite) -> str:
    from wstui.scenario.model import Suite

    if isinstance(content, Suite):
        return f"a suite of {', '.join(map(printable, content.suite))}"
    return f"{_size(overview_of(content, [content]))}, {len(content.thresholds) or 'default'} thresholds"


def _size(found: Overview) -> str:
    if found.search:
        return f"up to {grouped(found.largest)} {found.search}, {clock(found.duration_s)} at most"
    return f"{grouped(found.peak_clients)} clients, {clock(found.duration_s)}"


def _width() -> int:
    return min(shutil.get_terminal_size().columns, _WIDEST)


def _hanging(head: str, text: str) -> str:
    """Return head and text with a hanging indent at a terminal, else on one line."""
    if not sys.stdout.isatty():
        return (head + text).rstrip()
    indent = " " * len(head) if len(head) < _width() - 30 else "    "
    return "\n".join(textwrap.wrap(text, _width(), initial_indent=head, subsequent_indent=indent)) or head.rstrip()
