"""`wstui schema` and `wstui grafana`: JSON for other programs."""

from __future__ import annotations

import json
from typing import Any

import click


@click.command()
@click.argument("file", type=click.Choice(["scenario", "suite", "settings", "result", "control"]))
def schema(file: str) -> None:
    """Print the JSON Schema of a scenario, a suite, the settings, a result, or the lines of a control socket.

    In an editor with taplo (VS Code: Even Better TOML): `wstui schema scenario > scenario.schema.json`, and
    `#:schema ./scenario.schema.json` as the first line of the file. Copies of shipped presets have both.
    """
    click.echo(json.dumps(_schema(file), indent=2, ensure_ascii=False))


def _schema(file: str) -> dict[str, Any]:
    if file == "settings":
        from textual.theme import BUILTIN_THEMES

        from wstui.tui.app import WstuiApp
        from wstui.tui.palette import ids_of, owners
        from wstui.tui.settings import json_schema as settings
        from wstui.tui.theme import DARK, LIGHT

        return settings(ids_of((*owners(), WstuiApp)), [*BUILTIN_THEMES, DARK.name, LIGHT.name])
    if file == "result":
        from wstui.report.formats.result_schema import generate

        return generate()
    if file == "control":
        from wstui.control.line_schema import json_schema as control

        return control()
    from wstui.scenario.scenario_schema import json_schema, suite_schema

    return suite_schema() if file == "suite" else json_schema()


@click.command()
@click.option("--no-suffixes", is_flag=True, help="For OTLP receivers that add no unit and no _total, such as Mimir.")
def grafana(no_suffixes: bool) -> None:
    """Print a Grafana dashboard for the metrics of --prometheus, --remote-write and --otlp, to import as JSON."""
    from wstui.report.live.grafana import dashboard

    click.echo(json.dumps(dashboard(suffixes=not no_suffixes), indent=2))
