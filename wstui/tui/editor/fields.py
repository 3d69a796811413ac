"""What can be edited, read off the model of the scenario, so that a new field has its place in the form by itself."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, PlainSerializer, SecretStr
from pydantic.fields import FieldInfo

from wstui.scenario.errors import Key
from wstui.scenario.types import MOST_CLIENTS


class FieldKind(StrEnum):
    """How a value is edited."""

    TEXT = "text"
    NUMBER = "number"
    CLIENTS = "clients"  # 12000 or 12k
    QUANTITY = "quantity"  # with its unit: 10s, 1MiB, 50/s, 10%
    CHOICE = "choice"
    SWITCH = "switch"
    SECRET = "secret"
    LIST = "list"  # texts, parted by commas
    VALUE = "value"  # a text, a number, true or false
    TABLE = "table"
    ROWS = "rows"  # tables, one after the other
    PAIRS = "pairs"  # names and values


YES, NO = "yes", "no"


@dataclass(frozen=True, slots=True)
class Field:
    """One value: its path in the model without the places in lists, how it is edited, what may be chosen.

    `model` is that of a TABLE or of the items of ROWS. `default` is what stands for it where nothing is said, as
    pydantic's JSON mode has it; None: nothing does, and unless it is `optional` it has to be said.
    """

    path: Key
    kind: FieldKind
    options: tuple[str, ...] = ()
    model: type[BaseModel] | None = None
    default: Any = None
    optional: bool = False

    @property
    def name(self) -> str:
        """Its own name."""
        return str(self.path[-1])


@cache
def fields(model: type[BaseModel], under: Key = ()) -> tuple[Field, ...]:
    """The fields of a table, those of the tables in it right after it; what is in rows comes with the rows."""
    return tuple(_fields(model, under))


def _fields(model: type[BaseModel], under: Key) -> Iterator[Field]:
    defaults = model.model_construct().model_dump(mode="json", warnings=False)
    for name, info in model.model_fields.items():
        made = _field((*under, name), info, defaults.get(name))
        yield made
        if made.kind is FieldKind.TABLE:
            assert made.model is not None
            yield from _fields(made.model, made.path)


def row_fields(field: Field) -> list[Field]:
    """The fields of one item of ROWS or PAIRS."""
    if field.kind is FieldKind.PAIRS:
        return [Field((*field.path, name), FieldKind.TEXT) for name in ("name", "value")]
    assert field.model is not None
    return list(fields(field.model, field.path))


def _field(path: Key, info: FieldInfo, default: Any) -> Field:
    bare, metadata, optional = _unwrapped(info.annotation, list(info.metadata))
    origin, arguments = typing.get_origin(bare), typing.get_args(bare)
    kind = FieldKind.TEXT
    options: tuple[str, ...] = ()
    model: type[BaseModel] | None = None
    if origin is typing.Literal:
        kind, options = FieldKind.CHOICE, tuple(map(str, arguments))
    elif origin is list:
        item, _, _ = _unwrapped(arguments[0], [])
        kind, model = (FieldKind.ROWS, item) if _is_model(item) else (FieldKind.LIST, None)
    elif origin is dict:
        kind = FieldKind.PAIRS
    elif origin in (typing.Union, types.UnionType):
        kind = FieldKind.VALUE
    elif _is_model(bare):
        kind, model = FieldKind.TABLE, bare
    elif bare is bool:
        kind, options = FieldKind.SWITCH, (NO, YES)
    elif bare is SecretStr:
        kind = FieldKind.SECRET
    elif bare in (int, float):
        kind = FieldKind.NUMBER
        if any(isinstance(part, PlainSerializer) for part in metadata):
            kind = FieldKind.QUANTITY
        elif any(getattr(part, "le", None) == MOST_CLIENTS for part in metadata):
            kind = FieldKind.CLIENTS
    return Field(path, kind, options, model, default, optional)


def _unwrapped(annotation: Any, metadata: list[Any]) -> tuple[Any, list[Any], bool]:
    """The type itself, what it is annotated with, and whether there may be none."""
    optional = False
    while True:
        if typing.get_origin(annotation) is Annotated:
            annotation, *more = typing.get_args(annotation)
            for part in more:
                metadata += part.metadata if isinstance(part, FieldInfo) else [part]
        elif typing.get_origin(annotation) in (typing.Union, types.UnionType):
            arguments = [part for part in typing.get_args(annotation) if part is not type(None)]
            optional = optional or len(arguments) < len(typing.get_args(annotation))
            if len(arguments) != 1:
                return annotation, metadata, optional
            annotation = arguments[0]
        else:
            return annotation, metadata, optional


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
