"""`wstui grafana`: a dashboard to import."""

from __future__ import annotations

import json

import click


@click.command()
def grafana() -> None:
    """Print a Grafana dashboard for the metrics of --prometheus, --remote-write and --otlp, to import as JSON."""
    from wstui.report.live.grafana import dashboard

    click.echo(json.dumps(dashboard(), indent=2))
