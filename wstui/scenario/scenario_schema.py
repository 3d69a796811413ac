"""The JSON Schema of a scenario file, for editors that complete and check TOML."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from wstui.scenario.fields import described, sentence
from wstui.scenario.model import Load, Scenario, Suite

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE = r"\$\{[A-Za-z_]\w*(:-.*)?\}"
"""A value may come from the environment, whatever its type."""
_BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
"""Bounds as pydantic and as JSON Schema spell them."""


def json_schema() -> dict[str, Any]:
    """Return the schema of a file: a scenario, or a suite of presets.

    The keys of both stand in one list: of alternatives an editor can only say that none fits.
    """
    tables = _tables()
    scenario, suite = tables.pop("Scenario"), tables.pop("Suite")
    return {
        "$schema": _DIALECT,
        "title": "wstui scenario",
        "description": scenario["description"],
        "type": "object",
        "properties": {**suite["properties"], **scenario["properties"]},
        "additionalProperties": False,
        "if": {"required": ["suite"]},
        "then": {"properties": dict.fromkeys(sorted(scenario["properties"].keys() - suite["properties"]), False)},
        "else": {"properties": dict.fromkeys(sorted(suite["properties"].keys() - scenario["properties"]), False)},
        "$defs": tables,
    }


def suite_schema() -> dict[str, Any]:
    suite = _tables()["Suite"]
    return {"$schema": _DIALECT, **suite, "title": "wstui suite"}


def _tables() -> dict[str, Any]:
    """Return the schema of each table by the name of its model."""
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
    return tables


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
    return _or_reference(options[0], made)


def _or_reference(option: dict[str, Any], about: dict[str, Any]) -> dict[str, Any]:
    """Return a value's schema that takes a reference in its place, in one piece: editors offer a key for each piece."""
    if "enum" in option:
        # The values to choose from need a piece of their own, and an editor reads the description there.
        described = about.pop("description")
        return {**about, "anyOf": [{"description": described, **option}, {"type": "string", "pattern": _REFERENCE}]}
    if "type" not in option:
        return {**about, **option}
    types = option["type"] if isinstance(option["type"], list) else [option["type"]]
    made = {**about, **option, "type": option["type"] if "string" in types else [*types, "string"]}
    most = made.pop("maxLength", None)
    pattern = option.get("pattern") or (f"^[^\\n]{{0,{most}}}$" if most is not None else "")
    if pattern or "string" not in types:
        made["pattern"] = f"{pattern}|{_REFERENCE}" if pattern else _REFERENCE
    return made
