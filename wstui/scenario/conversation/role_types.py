"""The kinds of value in roles, steps and HTTP requests: names, variables, paths and weights."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from wstui.scenario.conversation.conditions import alternatives_of, check_name, parse_path
from wstui.scenario.errors import BadValue
from wstui.scenario.placeholder import RESERVED
from wstui.scenario.types import Line


def _weight(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadValue("is not a number")
    if not 0 <= value <= 1_000_000:
        raise BadValue("must be from 0 to 1000000")
    return float(value)


def _variable(value: str) -> str:
    if not value.isidentifier():
        raise BadValue("takes letters, digits and _, such as user_id")
    if value in RESERVED:
        raise BadValue(f"is a placeholder already: give the variable another name, such as my_{value}")
    return value


def _path(value: str) -> str:
    parse_path(value)
    return value


def _optional_path(value: str) -> str:
    return _path(value) if value else value


Name = Annotated[Line, AfterValidator(check_name)]
Path = Annotated[Line, AfterValidator(_path)]
OptionalPath = Annotated[Line, AfterValidator(_optional_path)]
Paths = Annotated[list[Path], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]
Weight = Annotated[float, BeforeValidator(_weight)]
Variable = Annotated[Line, AfterValidator(_variable)]


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
