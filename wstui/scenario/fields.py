"""The fields of a scenario file as the model describes them: type, unit, bounds, default, title and meaning.

The editor's form and hints, the help of the flags, the manual and the JSON Schema are made from these, so that a new
field of the model appears in all of them by itself.
"""

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

from wstui.scenario.errors import Key, dotted
from wstui.scenario.types import MOST_CLIENTS
from wstui.scenario.units import format_duration, format_rate, format_share, format_size, plain_number, shortest_decimal


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
_UNITS: dict[Any, str] = {format_duration: "duration", format_size: "size", format_rate: "rate", format_share: "share"}


@dataclass(frozen=True, slots=True)
class Field:
    """One value: its path in the model without the indices of lists, how it is edited, and what may be chosen.

    `model` is that of a TABLE or of the items of ROWS. `default` is in pydantic's JSON form; None: there is none, and
    unless the field is `optional` it must be given.
    """

    path: Key
    kind: FieldKind
    options: tuple[str, ...] = ()
    model: type[BaseModel] | None = None
    default: Any = None
    optional: bool = False
    title: str = ""
    description: str = ""
    unit: str = ""  # duration, size, rate or share
    bounds: str = ""  # "at least 0.1s", "1 to 1000000"

    @property
    def name(self) -> str:
        """The last part of its path."""
        return str(self.path[-1])


@cache
def fields(model: type[BaseModel], under: Key = ()) -> tuple[Field, ...]:
    """Return the fields of a table, each followed by those of the table in it; items of lists: see `row_fields`."""
    return tuple(_fields(model, under))


def editable(model: type[BaseModel]) -> list[Field]:
    """The fields that a form can edit; roles and logins have rows of their own, options stay as the file has them."""
    hidden = ("roles",), ("login",), ("target", "options")
    return [field for field in fields(model) if field.path[:1] not in hidden and field.path not in hidden]


@cache
def described(model: type[BaseModel]) -> dict[str, Field]:
    """Return the fields of a model by their dotted path, those of the items of its lists too.

    A model inside itself, as the steps of a step, is described once.
    """
    found: dict[str, Field] = {}
    pending: list[tuple[Field, tuple[type[BaseModel], ...]]] = [(field, (model,)) for field in fields(model)]
    for field, around in pending:
        found[dotted(field.path)] = field
        if field.kind is FieldKind.ROWS and field.model is not None and field.model not in around:
            pending += [(inner, (*around, field.model)) for inner in row_fields(field)]
    return found


def row_fields(field: Field) -> list[Field]:
    """Return the fields of one item of ROWS or PAIRS."""
    if field.kind is FieldKind.PAIRS:
        names = ("name", "value")
        return [Field((*field.path, name), FieldKind.TEXT, title=name, description=field.description) for name in names]
    assert field.model is not None
    return list(fields(field.model, field.path))


def choices(name: str, annotation: Any) -> list[str]:
    """Return the words that may be written for a field. That clients have roles follows from [[roles]] alone."""
    return [str(word) for word in typing.get_args(annotation) if (name, word) != ("exchange", "roles")]


def sentence(text: str) -> str:
    """Return a meaning as a sentence: a capital unless it begins with a name or a value, and a full stop."""
    first = text.partition(" ")[0]
    plain = first.strip(",").isalpha() and first.islower()
    return f"{text[:1].upper() if plain else text[:1]}{text[1:]}." if text else ""


def format_bound(bound: float, metadata: list[Any]) -> str:
    """Return a bound in the unit of the type with this metadata."""
    serializer = next((part for part in metadata if isinstance(part, PlainSerializer)), None)
    if serializer is not None:
        return str(serializer.func(bound))  # type: ignore[call-arg]
    return plain_number(shortest_decimal(bound)) if isinstance(bound, float) else str(bound)


def unwrapped(annotation: Any, metadata: list[Any]) -> tuple[Any, list[Any], bool]:
    """Return the type itself, its metadata, and whether it may be None."""
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


def _fields(model: type[BaseModel], under: Key) -> Iterator[Field]:
    for name, info in model.model_fields.items():
        made = _field((*under, name), info)
        yield made
        if made.kind is FieldKind.TABLE:
            assert made.model is not None
            yield from _fields(made.model, made.path)


def _field(path: Key, info: FieldInfo) -> Field:
    bare, metadata, optional = unwrapped(info.annotation, list(info.metadata))
    default = _default(info, metadata)
    origin, arguments = typing.get_origin(bare), typing.get_args(bare)
    kind = FieldKind.TEXT
    options: tuple[str, ...] = ()
    model: type[BaseModel] | None = None
    unit = next((_UNITS.get(part.func, "") for part in metadata if isinstance(part, PlainSerializer)), "")
    if origin is typing.Literal:
        kind, options = FieldKind.CHOICE, tuple(choices(str(path[-1]), bare))
    elif origin is list:
        item, _, _ = unwrapped(arguments[0], [])
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
    elif unit:
        kind = FieldKind.QUANTITY
    elif bare in (int, float):
        clients = any(getattr(part, "le", None) == MOST_CLIENTS for part in metadata)
        kind = FieldKind.CLIENTS if clients else FieldKind.NUMBER
    title = info.title or str(path[-1]).replace("_", " ")
    bounds = _bounds(metadata) if bare in (int, float) else ""
    return Field(path, kind, options, model, default, optional, title, info.description or "", unit, bounds)


def _default(info: FieldInfo, metadata: list[Any]) -> Any:
    """Return a default in pydantic's JSON form; pydantic would first build a serializer for each model: 100 ms."""
    value = None if info.is_required() else info.get_default(call_default_factory=True, validated_data={})
    serializer = next((part for part in metadata if isinstance(part, PlainSerializer)), None)
    if value is not None and serializer is not None:
        return serializer.func(value)  # type: ignore[call-arg]
    if isinstance(value, BaseModel):
        return {field.name: field.default for field in fields(type(value)) if len(field.path) == 1}
    return str(value) if isinstance(value, SecretStr) else value


def _bounds(metadata: list[Any]) -> str:
    """Return the bounds of a number in words; the field's replace those of its type."""
    found: dict[str, Any] = {}
    for part in metadata:
        found |= {name: getattr(part, name) for name in ("ge", "gt", "le", "lt") if hasattr(part, name)}
    found = {name: bound for name, bound in found.items() if bound is not None}
    texts = {name: format_bound(value, metadata) for name, value in found.items()}
    least = f"more than {texts['gt']}" if "gt" in found and found["gt"] >= found.get("ge", 0) else texts.get("ge", "")
    most = f"less than {texts['lt']}" if "lt" in texts else texts.get("le", "")
    return " to ".join(text for text in (least, most) if text)


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
