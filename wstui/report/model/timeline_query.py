"""Which rows of a timeline count: a dict a second, as a result holds them."""

from __future__ import annotations

from typing import Any

from wstui.execution.run.result import Result


def active_rows(result: Result) -> list[dict[str, Any]]:
    """The rows in which load was made: no pauses, no cooldown, and not the draining at the end."""
    return [
        row
        for row in result.timeline
        if not row.get("paused") and not str(row.get("stage", "")).startswith(("cooldown", "drain"))
    ]


def column(rows: list[dict[str, Any]], name: str) -> list[float]:
    """The values of a column, those left out that were not measured."""
    return [float(row[name]) for row in rows if row.get(name) is not None]
