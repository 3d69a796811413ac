"""The kinds of value in roles, steps and HTTP requests: names, variables, paths and weights."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from wstui.scenario.conversation.conditions import check_name, parse_path
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
