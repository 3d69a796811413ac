"""What all measurements print: where and when, and a Markdown table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from wstui.report.model.environment import environment


def headline() -> str:
    """Date, machine, versions and load average in one line."""
    here = environment()
    versions = ", ".join(f"{name} {number}" for name, number in here["versions"].items() if number)
    return (
        f"{datetime.now().astimezone():%Y-%m-%d %H:%M %z}, {here['system']}, {here['processors']} processors, "
        f"{here['python']}, {versions}; load average {' '.join(f'{load:g}' for load in here['load_average'])}"
    )


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Rows as a Markdown table, the first being its head; padded so that it also reads as text."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])
