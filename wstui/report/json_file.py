"""The result as JSON: the contract with everything that reads our results. Its schema is in the package."""

from __future__ import annotations

from wstui.execution.result import Result, SuiteResult


def render(result: Result | SuiteResult) -> str:
    """The result as JSON text that ends with a newline; a value that does not exist is null."""
    return result.to_json() + "\n"
