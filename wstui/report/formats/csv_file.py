"""The timeline as CSV, one row a second: for spreadsheets and notebooks."""

from __future__ import annotations

import csv
import io
from typing import Any

from wstui.execution.run.result import Result, SuiteResult
from wstui.measure.sanitize import sanitize
from wstui.measure.timeline import TimelineRow
from wstui.report.model.labels import name_of, runs_of


def render(result: Result | SuiteResult) -> str:
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
