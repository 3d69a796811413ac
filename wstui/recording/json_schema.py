"""Values made up to JSON schemas, and references within a document."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from wstui.recording.documents import as_list, as_table
from wstui.recording.session import ImportFailed

_DEEPEST = 12
_MOST_VALUES = 2000
"""Of one message: references can make a small document huge."""


def first_value(schema: dict[str, Any]) -> Any:
    """Return the value that a schema names, None if it names none."""
    for key in ("const", "examples", "example", "default", "enum"):
        if key in schema:
            value = schema[key]
            return (value[0] if value else None) if isinstance(value, list) and key in ("examples", "enum") else value
    return None


class Schemas:
    """Follows the references of one document and makes up values."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._left = _MOST_VALUES

    def resolve(self, node: Any) -> Any:
        """Return what a node refers to, itself without a reference. Raises ImportFailed for one that leads nowhere."""
        for _ in range(_DEEPEST):
            reference = as_table(node).get("$ref")
            if not isinstance(reference, str):
                return node
            if not reference.startswith("#/"):
                raise ImportFailed(f"$ref {reference[:100]} is in another file: bundle the documents into one first")
            node = self._document
            for part in reference[2:].split("/"):
                part = part.replace("~1", "/").replace("~0", "~").replace("%20", " ")
                node = (
                    as_list(node)[int(part)] if part.isdigit() and isinstance(node, list) else as_table(node).get(part)
                )
            if node is None:
                raise ImportFailed(f"$ref {reference[:100]} leads nowhere")
        raise ImportFailed(f"$ref {str(as_table(node).get('$ref'))[:100]} leads in a circle")

    def sample(self, schema: Any, name: str, at: float = 0.0, number: int = 1) -> Any:
        """Return a value for a schema, at a time and in a round."""
        self._left = _MOST_VALUES
        return self._sample(schema, name, at, number, 0)

    def _sample(self, schema: Any, name: str, at: float, number: int, depth: int) -> Any:
        self._left -= 1
        schema = as_table(self.resolve(schema))
        if depth > _DEEPEST or self._left < 0:
            return None
        for part in as_list(schema.get("allOf")):
            schema = _merged(schema, as_table(self.resolve(part)))
        if (known := first_value(schema)) is not None:
            return known
        for key in ("oneOf", "anyOf"):
            if choices := as_list(schema.get(key)):
                first = as_table(self.resolve(choices[0]))
                return self._sample(_merged({**schema, key: []}, first), name, at, number, depth + 1)
        kinds = schema.get("type")
        kind = next((one for one in as_list(kinds) if one != "null"), None) or (
            kinds if isinstance(kinds, str) else None
        )
        if kind is None:
            kind = "object" if "properties" in schema else "array" if "items" in schema else "string"
        match kind:
            case "object":
                return {
                    str(key): self._sample(inner, str(key), at, number, depth + 1)
                    for key, inner in as_table(schema.get("properties")).items()
                    if self._left > 0
                }
            case "array":
                items = schema.get("items")
                if isinstance(items, list):
                    return [self._sample(item, name, at, number, depth + 1) for item in items[:100]]
                return [self._sample(items, name, at, number, depth + 1)] if items else []
            case "integer" | "number":
                lowest = schema.get("minimum", schema.get("exclusiveMinimum"))
                lowest = lowest if isinstance(lowest, int | float) and not isinstance(lowest, bool) else 0
                return lowest + 1 if "maximum" not in schema else lowest
            case "boolean":
                return True
            case "null":
                return None
        return _string(schema, name, at, number)


def _string(schema: dict[str, Any], name: str, at: float, number: int) -> str:
    moment = datetime.fromtimestamp(at, UTC)
    match schema.get("format"):
        case "date-time":
            return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case "date":
            return moment.date().isoformat()
        case "uuid":
            return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{name}/{number}"))
        case "email":
            return "user@example.com"
        case "uri" | "url":
            return "https://example.com/"
    shortest = schema.get("minLength")
    return name.ljust(min(shortest, 10_000) if isinstance(shortest, int) else 0, "x")


def _merged(schema: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return both schemas as one; the properties of both count."""
    properties = {**as_table(schema.get("properties")), **as_table(other.get("properties"))}
    return {**schema, **other, **({"properties": properties} if properties else {})}
