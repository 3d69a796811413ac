"""The timeline, a line a second: as CSV for spreadsheets and notebooks, and in InfluxDB's line protocol."""

from __future__ import annotations

import csv
import io
import re
from datetime import datetime
from typing import Any

from wstui.execution.run.result import Result, SuiteResult
from wstui.measure.sanitize import sanitize
from wstui.measure.timeline import TimelineRow
from wstui.report.model.labels import name_of, runs_of


def render_csv(result: Result | SuiteResult) -> str:
    """The timeline with a header; an empty cell is a value that was not measured. A suite has a column `run`."""
    runs = runs_of(result)
    columns = list(TimelineRow(0.0, "").values())
    further = {key: None for run in runs for row in run.timeline for key in row if key not in columns}
    columns += further
    suite = isinstance(result, SuiteResult)
    written = io.StringIO(newline="")
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow([*(["run"] if suite else []), *(_cell(column) for column in columns)])
    for run in runs:
        first = [_cell(name_of(run))] if suite else []
        for row in run.timeline:
            writer.writerow([*first, *(_cell(row.get(column)) for column in columns)])
    return written.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(round(value, 6))
    text = sanitize(str(value))
    # A spreadsheet takes such a cell for a formula and runs it.
    return "'" + text if text[:1] in ("=", "+", "-", "@") else text


_TAGS = ("stage",)


def render_influx(result: Result | SuiteResult) -> str:
    """Return lines of the measurement `wstui` with the tags preset and stage; times in nanoseconds since 1970."""
    lines = [
        _line(row, name_of(run), datetime.fromisoformat(run.started).timestamp())
        for run in runs_of(result)
        for row in run.timeline
    ]
    return "".join(lines) or "# nothing was measured\n"


def _line(row: dict[str, Any], preset: str, begun: float) -> str:
    tags = {"preset": preset, **{tag: str(row.get(tag, "")) for tag in _TAGS}}
    named = "".join(f",{name}={_escape(text)}" for name, text in tags.items() if text)
    values = {_escape(name): _value(value) for name, value in row.items() if name not in _TAGS and value is not None}
    fields = ",".join(f"{name}={value}" for name, value in values.items())
    return f"wstui{named} {fields} {round((begun + float(row.get('at_s', 0.0))) * 1e9)}\n"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(float(value))  # one type a field: a whole number today may be none tomorrow
    text = sanitize(str(value)).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _escape(text: str) -> str:
    """Return a tag or a key; a backslash at its end would take the separator."""
    return re.sub(r"([,= ])", r"\\\1", sanitize(text).rstrip("\\")) or "_"
