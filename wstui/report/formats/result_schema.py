"""The JSON Schema of a result, made from the result's own types so that it cannot say anything else.

`python -m wstui.report.formats.result_schema` writes it into the package, beside this file.
"""

from __future__ import annotations

import inspect
import json
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from wstui.execution.run.result import SCHEMA, Result, SuiteResult
from wstui.measure.timeline import TimelineRow
from wstui.report.analysis.finding import Finding

FILE = "result.schema.json"


def generate() -> dict[str, Any]:
    """The schema of `Result` and `SuiteResult` (JSON Schema 2020-12)."""
    (run, suite, row, finding), definitions = msgspec.json.schema_components(
        [Result, SuiteResult, TimelineRow, Finding], ref_template="#/$defs/{name}"
    )
    definitions["Result"]["properties"]["schema"] = {"const": SCHEMA}
    definitions["SuiteResult"]["properties"]["schema"] = {"const": "wstui.suite/1"}
    definitions["Result"]["properties"]["findings"] = {"type": "array", "items": finding}
    definitions["Result"]["properties"]["timeline"] = {"type": "array", "items": row}
    steps = definitions["TimelineRow"]["properties"].pop("steps")
    definitions["TimelineRow"]["patternProperties"] = {r"^step\.": steps["additionalProperties"]}
    for name in ("Result", "SuiteResult"):
        definitions[name]["required"].append("schema")
    for described in definitions.values():
        if "description" in described:  # Python 3.13 takes the indent out by itself, 3.12 does not
            described["description"] = inspect.cleandoc(described["description"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:wstui:result:1",
        "title": "A result of wstui: one run, or several in sequence",
        "oneOf": [run, suite],
        "$defs": dict(sorted(definitions.items())),
    }


def text() -> str:
    """The schema as it lies in the package."""
    return resources.files("wstui.report.formats").joinpath(FILE).read_text(encoding="utf-8")


def rendered() -> str:
    """The generated schema as the text that belongs into the package."""
    return json.dumps(generate(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name(FILE).write_text(rendered(), encoding="utf-8")
