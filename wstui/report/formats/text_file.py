"""The summary as a plain text file."""

from __future__ import annotations

from wstui.execution.run.result import Result, SuiteResult
from wstui.report.formats.console import summary


def render(result: Result | SuiteResult) -> str:
    """The summary that a terminal of 100 columns shows, without colours."""
    return summary(result, width=100) + "\n"
