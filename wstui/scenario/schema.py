"""The JSON Schema of a scenario file, for editors that complete and check TOML."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from wstui.scenario.fields import described, sentence
from wstui.scenario.model import Load, Scenario, Suite

_REFERENCE = {"type": "string", "pattern": r"\$\{[A-Za-z_]\w*(:-.*)?\}"}
"""A value may come from the environment, whatever its type."""
_BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
"""Bounds as pydantic and as JSON Schema spell them."""


def json_schema() -> dict[str, Any]:
    """Return the schema of a file: a scenario, or a suite of presets."""
    models: list[type[BaseModel]] = [
        Scenario,
        Suite,
        Load,
        *(field.model for field in described(Scenario).values() if field.model),
    ]
    tables: dict[str, Any] = {}
    for model in models:
        table = model.model_json_schema()
        inner = table.pop("$defs", {})
        table = inner.get(model.__name__, table)  # a model inside itself is only referred to
        defaults = model.model_construct().model_dump(mode="json", warnings=False)
        table["properties"] = {name: _field(value, defaults.get(name)) for name, value in table["properties"].items()}
        tables[model.__name__] = table
    tables["Scenario"]["properties"]["load"] = {"description": "Short form of the stages.", "$ref": "#/$defs/Load"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "wstui scenario",
        "anyOf": [{"$ref": "#/$defs/Scenario"}, {"$ref": "#/$defs/Suite"}],
        "$defs": tables,
    }


def _field(schema: dict[str, Any], default: Any) -> dict[str, Any]:
    """Describe a field as a file has it: its default with its unit, a reference in its place, and no null."""
    made: dict[str, Any] = {"description": sentence(schema.get("description", ""))}
    options = schema.get("anyOf") or [
        {key: part for key, part in schema.items() if key not in (*made, "default", "title")}
    ]
    options = [
        {_BOUNDS.get(key, key): part for key, part in option.items()}
        for option in options
        if option.get("type") != "null"
    ]
    if any("$ref" in option or option.get("type") in ("array", "object") for option in options):
        return {**made, **options[0]}
    if default not in (None, ""):
        made["default"] = default
    return {**made, **options[0]} if options == [{"type": "string"}] else {**made, "anyOf": [*options, _REFERENCE]}
