"""Values as texts that one can type, and back. A text is what the file would say, without its quotes."""

from __future__ import annotations

import csv
import json
import tomllib
from collections.abc import Sequence
from typing import Any

from wstui.scenario.env_refs import escape
from wstui.scenario.errors import BadValue
from wstui.scenario.fields import NO, YES, Field, FieldKind
from wstui.tui.kit.amount import parse_clients, without_groups

_PICTURES = {ord(char): 0x2400 + ord(char) for char in "\t\n\r"}
_CHARACTERS = {picture: chr(char) for char, picture in _PICTURES.items()}
"""Line breaks and tabs have one cell each in a line that is edited: ␊ and ␉."""


def text_of(field: Field, value: Any) -> str:
    """The text of a value as pydantic's JSON mode gives it; what is not there is nothing, and so is a secret."""
    if value is None or field.kind is FieldKind.SECRET:
        return ""
    if field.kind is FieldKind.SWITCH:
        return YES if value else NO
    if field.kind is FieldKind.LIST:
        return join(value)
    if field.kind is FieldKind.VALUE:
        return _literal(value)
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    return escape(str(value)).translate(_PICTURES) if field.kind is FieldKind.TEXT else str(value)


def value_of(field: Field, text: str) -> Any:
    """The value that a text stands for, as the model takes it; a quantity stays a text. Raises BadValue.

    References have been resolved before. An empty text is the default, where it says nothing by itself.
    """
    kind = field.kind
    if kind is FieldKind.TEXT:
        return text.translate(_CHARACTERS)
    if kind is FieldKind.SECRET:
        return text
    if kind is FieldKind.LIST:
        return split(text)
    if not text:
        return field.default
    if kind is FieldKind.SWITCH:
        return text == YES
    if kind is FieldKind.CLIENTS:
        return parse_clients(text)
    if kind is FieldKind.NUMBER:
        return _number(text)
    if kind is FieldKind.VALUE:
        return _value(text)
    return text


def join(items: Sequence[str]) -> str:
    """Texts parted by commas; one that has a comma or a quote in it stands in quotes."""
    return ", ".join(_quoted(item) for item in items)


def split(text: str) -> list[str]:
    """The texts between the commas."""
    if not text.strip():
        return []
    try:
        (row,) = csv.reader([text], skipinitialspace=True, strict=True)
    except (csv.Error, ValueError):
        raise BadValue('has a quote that is not closed: write a, b, "with, comma"') from None
    return [item.strip() for item in row if item.strip()]


def _quoted(item: str) -> str:
    if any(char in item for char in ',"') or item != item.strip():
        return '"' + item.replace('"', '""') + '"'
    return item


def _number(text: str) -> int | float:
    plain = without_groups(text)
    try:
        return int(plain)
    except ValueError:
        pass
    try:
        return float(plain)
    except ValueError:
        raise BadValue("is not a number") from None


def _value(text: str) -> Any:
    """A number, true, false, or a text in quotes, as TOML has them; anything else is a text as it stands."""
    try:
        value = tomllib.loads(f"v = {text}")["v"]
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, str | int | float | bool) else text


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value if value and _value(value) == value else json.dumps(value, ensure_ascii=False)
    return repr(value) if isinstance(value, float) else str(value)
