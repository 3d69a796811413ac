"""Conditions on a message: paths into its JSON with their values, or text, or bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from wstui.scenario.errors import BadValue, Conflict, Key, quote
from wstui.scenario.http_text import is_http_token

Kind = Literal["path", "contains", "equals", "prefix", "regex", "hex", "absent"]
Scalar = str | int | float | bool
ANY = "*"
_TEXT_KINDS: tuple[Kind, ...] = ("contains", "equals", "prefix", "regex", "hex", "absent")
_MOST_DEPTH = 32
_INDEX = re.compile(r"\[(\d+|\*)\]")


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that a message must hold: a value at a path of its JSON, or what its text is like.

    `value` of a path is ANY for any value; "absent" is a path where nothing may be.
    """

    kind: Kind
    path: tuple[str, ...]
    value: Scalar

    def __str__(self) -> str:
        shown = quote(self.value, 60) if isinstance(self.value, str) else str(self.value).lower()
        return f"{'.'.join(self.path)} = {shown}" if self.kind == "path" else f"{self.kind} {shown}"


def parse_path(text: str) -> tuple[str, ...]:
    """A dotted path into JSON: "type", "data.items.0.id"; "$.prefix" for a key that is also a word of matchers."""
    path = tuple(text.removeprefix("$.").split("."))
    if not all(path):
        raise BadValue(f'{quote(text, 60)} is not a path: write keys with dots between them, such as "data.id"')
    if found := _INDEX.search(text):
        written = _INDEX.sub(r".\1", text) if found[1] != "*" else _INDEX.sub(".0", text)
        raise BadValue(f"{quote(text, 60)} has an index in brackets: write {quote(written.lstrip('.'), 60)}")
    if len(path) > _MOST_DEPTH:
        raise BadValue(f"has a path with {len(path)} parts: {_MOST_DEPTH} at most")
    return path


def check_name(value: str) -> str:
    """Return the name of a step. Raises BadValue."""
    if value and not value.replace("-", "").replace("_", "").isalnum():
        raise BadValue("takes letters, digits, - and _: thresholds name it, such as step.say.p99")
    return value


def conditions_of(table: dict[str, Any]) -> list[Condition]:
    """The conditions of one matcher, all of which must hold; `BadValue` says what is wrong with it."""
    if not table:
        raise BadValue('is empty and would match any message: write a path and "*", such as { type = "*" }')
    found = [_text_condition(word, table[word]) for word in _TEXT_KINDS if word in table]
    found += [
        Condition("path", path, value)
        for key, inner in table.items()
        if key not in _TEXT_KINDS
        for path, value in _flat(parse_path(key), inner)
    ]
    for index, condition in enumerate(found):
        for other in found[:index]:
            _contradicts(condition, other)
    return found


def alternatives_of(matcher: Any) -> list[list[Condition]]:
    """The conditions of each alternative of a matcher: a message matches when it meets all of any one of them."""
    return [conditions_of(table) for table in (matcher if isinstance(matcher, list) else [matcher])]


def _text_condition(word: Kind, value: Any) -> Condition:
    if not isinstance(value, str) or not value:
        raise BadValue(f'{word} takes a text; for a JSON key of that name write "$.{word}"')
    if word == "regex":
        try:
            re.compile(value)
        except re.error as error:
            raise BadValue(f"has a regex that cannot be read ({error}): {quote(value, 60)}") from None
    if word == "absent":
        return Condition(word, parse_path(value), value)
    if word == "hex":
        try:
            bytes.fromhex(value)
        except ValueError:
            raise BadValue(f'has hex that is not hexadecimal ({quote(value, 40)}): write such as "00ff7f"') from None
    return Condition(word, (), value)


def _flat(path: tuple[str, ...], value: Any) -> Iterator[tuple[tuple[str, ...], Scalar]]:
    """The values of a nested table or list, each with its whole path."""
    if isinstance(value, str | int | float):
        if isinstance(value, float) and not abs(value) < 1e308:
            raise BadValue(f"{'.'.join(path)} is not a finite number")
        yield path, value
    elif isinstance(value, dict | list) and value and len(path) < _MOST_DEPTH:
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _flat((*path, *(parse_path(key) if isinstance(key, str) else (str(key),))), inner)
    else:
        raise BadValue(f'{".".join(path[:4])} takes a text, a number, true or false; "*" matches any value')


def _contradicts(one: Condition, other: Condition) -> None:
    """Raise `BadValue` when no message can meet both."""
    gone, there = (one, other) if one.kind == "absent" else (other, one)
    if (gone.kind, there.kind) == ("absent", "path") and there.path[: len(gone.path)] == gone.path:
        raise BadValue(f"can never match: it asks for {there}, and that {'.'.join(gone.path)} is absent")
    values = one.value, other.value
    if ANY in values or any(isinstance(value, str) and "{{" in value for value in values):
        return
    if one.kind == other.kind == "path":
        shorter, longer = sorted((one, other), key=lambda condition: len(condition.path))
        if shorter.path == longer.path and values[0] != values[1]:
            raise BadValue(f"can never match: it asks for both {other} and {one}")
        if longer.path[: len(shorter.path)] == shorter.path != longer.path and not isinstance(shorter.value, str):
            raise BadValue(f"can never match: {shorter} leaves no room for {'.'.join(longer.path)}")
    texts = {condition.kind: str(condition.value) for condition in (one, other)}
    if "equals" in texts and len(texts) == 2:
        whole = texts.pop("equals")
        ((kind, part),) = texts.items()
        held = {"contains": part in whole, "prefix": whole.startswith(part)}
        if kind == "regex":
            held[kind] = re.search(part, whole) is not None
        if not held.get(kind, True):
            raise BadValue(f"can never match: {one} and {other} exclude each other")
        if kind == "path" and whole.lstrip()[:1] not in ("{", "["):
            raise BadValue(f"can never match: {one} and {other} exclude each other: the text is not a JSON object")


OF_ANSWER = ("header:", "cookie:")
"""How sources in an HTTP answer begin; in a step they are those of the answer to the upgrade."""


def capture_findings(capture: dict[str, str], place: Key) -> Iterator[Conflict]:
    """Yield what is wrong with the sources of variables."""
    for name, source in capture.items():
        try:
            check_capture(source)
        except BadValue as error:
            yield Conflict((*place, "capture", name), error.message, quote(source, 60))


def check_capture(source: str) -> None:
    """Raise `BadValue` unless a variable can be captured from this: a path, "regex:…" with one group, a header or a
    cookie.
    """
    for kind in OF_ANSWER:
        if source.startswith(kind):
            if not is_http_token(source.removeprefix(kind)):
                raise BadValue(
                    f'names no {kind[:-1]}: write such as "{kind}{"X-Session" if kind == "header:" else "sid"}"'
                )
            return
    if not source.startswith("regex:"):
        parse_path(source)
        return
    try:
        groups = re.compile(source.removeprefix("regex:")).groups
    except re.error as error:
        raise BadValue(f"is a regex that cannot be read: {error}") from None
    if not groups:
        raise BadValue('has no group to capture: write such as "regex:id=(\\\\d+)"')
