"""`wstui grafana`: a dashboard to import."""

from __future__ import annotations

import json

import click


@click.command()
@click.option("--no-suffixes", is_flag=True, help="For OTLP receivers that add no unit and no _total, such as Mimir.")
def grafana(no_suffixes: bool) -> None:
    """Print a Grafana dashboard for the metrics of --prometheus, --remote-write and --otlp, to import as JSON."""
    from wstui.report.live.grafana import dashboard

    click.echo(json.dumps(dashboard(suffixes=not no_suffixes), indent=2))
