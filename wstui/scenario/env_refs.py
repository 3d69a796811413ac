"""References to the environment in a scenario's texts: `${NAME}` and `${NAME:-default}`.

The default stands in when the variable is unset or empty, as in a shell. `$${` writes a literal `${`.
A loaded scenario holds resolved values; its `Origin` remembers what was written, so that saving writes the
references back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from wstui.scenario.errors import BadValue, Key
from wstui.scenario.secrets import is_secret_header

_REFERENCE = re.compile(r"\$\$\{|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<fallback>:-(?P<default>[^}]*))?\}|\$\{")


@dataclass(frozen=True, slots=True)
class Reference:
    """The text in the file (`raw`) and the value it resolved to."""

    raw: str
    value: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of a scenario: its file ("" when made in Python), the references in it by path, and warnings.

    `text` is the file as it was read and `values` what was read from it, so that saving changes only what differs.
    """

    file: str = ""
    references: Mapping[Key, Reference] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    text: str = field(default="", repr=False)
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """The values of referenced variables that sound like secrets."""
    given: frozenset[str] = frozenset()
    """The keys whose values came from the command line."""


def expand(raw: str, environ: Mapping[str, str]) -> tuple[str, list[str]]:
    """Return the text with its references resolved, and the names that are neither set nor have a default.

    `BadValue` when a reference is not written as one.
    """
    missing: list[str] = []

    def value(name: str, default: str | None) -> str:
        found = environ.get(name)
        if found is None and default is None:
            missing.append(name)
        return (found or "") if default is None else (found or default)

    return _replace(raw, value), missing


def names_in(raw: str) -> list[str]:
    """Return the variables that a text refers to."""
    return sorted({match["name"] for match in _REFERENCE.finditer(raw) if match["name"]})


def empty_in(raw: str, environ: Mapping[str, str]) -> list[str]:
    """Return the variables without a default that are set, but to nothing more than blanks."""
    names = dict.fromkeys(
        match["name"] for match in _REFERENCE.finditer(raw) if match["name"] and not match["fallback"]
    )
    return [name for name in names if name in environ and is_blank(environ[name])]


def is_blank(value: str) -> bool:
    """Return whether a value has nothing but blanks, line ends and a byte order mark."""
    return not value.strip(" \t\r\n\ufeff")


def filled(raw: str) -> str:
    """Return the text with a value for each reference."""
    return _REFERENCE.sub("x", raw)


def may_be_empty(raw: str) -> bool:
    """Return whether a text consists only of references with an empty default."""
    return bool(raw) and not _REFERENCE.sub(lambda match: "" if match["default"] == "" else "x", raw)


def secret_values(raw: str, environ: Mapping[str, str]) -> list[str]:
    """Return the values of the variables that a text refers to and that sound like secrets."""
    return [environ[name] for name in names_in(raw) if is_secret_header(name) and environ.get(name)]


def has_reference(raw: str) -> bool:
    """Return whether the text refers to the environment or escapes a reference."""
    return _REFERENCE.search(raw) is not None


def escape(text: str) -> str:
    """Escape a text so that it reads back unchanged."""
    return text.replace("${", "$${")


def written_out(raw: str) -> str:
    """Return the text with each reference replaced by its default."""
    return _replace(raw, lambda name, default: default or "")


def hide_defaults(raw: str) -> str:
    """Return the text with the defaults of its references left out, for places that hold secrets."""
    return _REFERENCE.sub(lambda match: f"${{{match['name']}:-…}}" if match["default"] else match[0], raw)


def walk(data: Any, path: Key = ()) -> Iterator[tuple[Key, str]]:
    """Yield every text in a tree of tables and lists, with its path."""
    if isinstance(data, str):
        yield path, data
    elif isinstance(data, Mapping):
        for key, value in data.items():
            yield from walk(value, (*path, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from walk(value, (*path, index))


def value_at(data: Any, key: Key) -> Any:
    """Return the value at a place in a tree of tables and lists, or None."""
    for part in key:
        if isinstance(part, int):
            data = data[part] if isinstance(data, list) and part < len(data) else None
        else:
            data = data.get(part) if isinstance(data, Mapping) else None
    return data


def replaced(data: Any, texts: Mapping[Key, Any], path: Key = ()) -> Any:
    """Return a copy of the tree with the values at some paths replaced."""
    if path in texts:
        return texts[path]
    if isinstance(data, Mapping):
        return {key: replaced(value, texts, (*path, key)) for key, value in data.items()}
    if isinstance(data, list):
        return [replaced(value, texts, (*path, index)) for index, value in enumerate(data)]
    return data


def _replace(raw: str, value: Callable[[str, str | None], str]) -> str:
    def one(match: re.Match[str]) -> str:
        if match[0] == "$${":
            return "${"
        if match["name"] is None:
            raise BadValue(
                'has a "${" that is not a reference: write "${NAME}", "${NAME:-default}", or "$${" for itself'
            )
        return value(match["name"], match["default"] if match["fallback"] else None)

    return _REFERENCE.sub(one, raw)
