"""The form of a matcher in a scenario file."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from wstui.scenario.conversation.conditions import alternatives_of
from wstui.scenario.errors import BadValue


def _checked(value: Any) -> Any:
    if isinstance(value, list):
        if not value:
            raise BadValue("is an empty list, which no message matches")
        if not all(isinstance(item, dict) for item in value):
            raise BadValue('takes tables, such as [{ type = "ok" }, { type = "done" }]')
    elif not isinstance(value, dict):
        raise BadValue('takes a table, such as { type = "ok" }, or { contains = "ok" } for text')
    alternatives_of(value)
    return value


_SCHEMA = WithJsonSchema({"anyOf": [{"type": "object"}, {"type": "array", "items": {"type": "object"}}]})
OptionalMatcher = Annotated[Any, BeforeValidator(lambda value: None if value is None else _checked(value)), _SCHEMA]
Matcher = Annotated[Any, BeforeValidator(_checked), _SCHEMA]
"""A table of paths and values, or { contains = … }, equals, prefix, regex or hex; a list of them means any of them."""
