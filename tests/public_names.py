"""The public names, read off the code: commands, options, keys, JSON members, exit statuses, actions, the Python API.

They are frozen: `tests/test_public_names.py` holds them against public_names.json, and `python -m tests.public_names`
rewrites that file and the presets' JSON Schema after an intended change.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

import wstui
from wstui.cli import exit_codes
from wstui.cli import wstui as command_line
from wstui.report.formats.result_schema import text as result_schema
from wstui.scenario.fields import described
from wstui.scenario.file_refs import shipped_folder
from wstui.scenario.model import Load, Scenario, Suite
from wstui.scenario.scenario_schema import json_schema
from wstui.tui.app import WstuiApp
from wstui.tui.palette import ids_of, owners

FILE = Path(__file__).with_name("public_names.json")


def public_names() -> dict[str, Any]:
    """Return every public name, sorted by kind."""
    definitions = json.loads(result_schema())["$defs"]
    return {
        "commands": dict(sorted(options_of("wstui", command_line))),
        "scenario file": sorted({*described(Scenario), *(f"load.{name}" for name in described(Load))}),
        "suite file": sorted(described(Suite)),
        "result": {name: sorted(definitions[name]["properties"]) for name in sorted(definitions)},
        "exit statuses": {name: value for name, value in vars(exit_codes).items() if name.isupper()},
        "actions": sorted(ids_of((*owners(), WstuiApp))),
        "python": sorted(wstui.__all__),
    }


def options_of(path: str, command: click.Command) -> Iterator[tuple[str, list[str]]]:
    """Yield each command with its options."""
    options = [name for made in command.params if isinstance(made, click.Option) for name in made.opts]
    yield path, sorted(options)
    if isinstance(command, click.Group):
        with click.Context(command) as context:
            for name in command.list_commands(context):
                inner = command.get_command(context, name)
                assert inner is not None
                yield from options_of(f"{path} {name}", inner)


if __name__ == "__main__":
    FILE.write_text(json.dumps(public_names(), indent=1, ensure_ascii=False) + "\n")
    schema = json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
    (shipped_folder() / "scenario.schema.json").write_text(schema)
