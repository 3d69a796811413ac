"""The timeline in InfluxDB's line protocol, a line a second, for `influx write` or Telegraf."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from wstui.execution.run.result import Result, SuiteResult
from wstui.measure.sanitize import sanitize
from wstui.report.model.labels import name_of, runs_of

_TAGS = ("stage",)


def render(result: Result | SuiteResult) -> str:
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
