"""The JSON Schema of the lines of a control socket, made from the types that read and write them."""

from __future__ import annotations

import inspect
from typing import Any, get_type_hints

import msgspec

from wstui.control.control_messages import PROTOCOL, ToServer
from wstui.control.stream import ToClient
from wstui.execution.run.status import Status
from wstui.scenario.model import Scenario

_REF = "#/$defs/{name}"
_EVENT = {
    "type": "object",
    "properties": {"event": {"type": "string"}, "run": {"type": "string"}, "at_s": {"type": "number"}},
    "required": ["event", "run", "at_s"],
}


def json_schema() -> dict[str, Any]:
    """Return the schema of a line, in either direction (JSON Schema 2020-12)."""
    fields = get_type_hints(Status)
    (to_run, from_run, *parts), definitions = msgspec.json.schema_components(
        [ToServer, ToClient, *fields.values()], schema_hook=_plain, ref_template=_REF
    )
    definitions["StatusChanged"]["properties"]["changed"] = {
        "type": "object",
        "properties": dict(zip(fields, parts, strict=True)),
        "additionalProperties": False,
    }
    definitions["Happened"]["properties"]["event"] = _EVENT
    for described in definitions.values():
        if "description" in described:  # Python 3.13 takes the indent out by itself, 3.12 does not
            described["description"] = inspect.cleandoc(described["description"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:wstui:control:{PROTOCOL}",
        "title": "A line of the control socket of a run",
        "anyOf": [{"$ref": "#/$defs/ToRun"}, {"$ref": "#/$defs/FromRun"}],
        "$defs": {"ToRun": to_run, "FromRun": from_run, **dict(sorted(definitions.items()))},
    }


def _plain(kind: type) -> dict[str, Any]:
    if kind is Scenario:
        return {"type": "object", "description": "As in the file of a scenario, secrets masked."}
    raise NotImplementedError(f"{kind.__name__} is not part of a status")
