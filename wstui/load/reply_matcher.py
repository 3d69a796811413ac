"""Reads the relevant parts of JSON messages, and takes variables out of them and of HTTP answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from wstui.load.role_spec import CaptureSpec

MISSING = msgspec.UNSET
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What `decode` raises for bytes that are not such JSON."""


class ReplyMatcher:
    """Decodes only those parts of a document that are asked for."""

    def __init__(self, paths: Iterable[Sequence[str]], plain: bool = False, tables: bool = False) -> None:
        """`paths` will be asked for; the document's `type` always is. `plain` documents are read by a protocol, and
        are all `tables` with most of them.
        """
        self._tables = tables
        names = {"type", *(path[0] for path in paths if path)}
        # Arrays may be asked for items, and msgspec takes no names that JSON has to escape.
        if plain or any(is_index(name) or not name.isprintable() or {'"', "\\"} & {*name} for name in names):
            self.decode: Callable[[bytes], Any] = msgspec.json.Decoder(Any).decode
            self._names: dict[str, str] | None = None
            return
        self._names = {name: f"f{index}" for index, name in enumerate(sorted(names))}
        document = msgspec.defstruct(
            "Document",
            [(attribute, Any, MISSING) for attribute in self._names.values()],
            rename={attribute: name for name, attribute in self._names.items()},
            gc=False,
        )
        self.decode = msgspec.json.Decoder(document).decode

    def read(self, payload: bytes) -> Any:
        """Return the document, for `value`; None if it is not JSON, or a value without names."""
        try:
            return self.decode(payload)
        except UNREADABLE:
            return None

    def value(self, document: Any, path: Sequence[str]) -> Any:
        """Return the value at a path of a document, or MISSING."""
        if document is None:
            return MISSING
        rest = iter(path)
        if self._names is not None:
            document = getattr(document, self._names[next(rest)])
        for part in rest:
            if isinstance(document, dict):
                document = document.get(part, MISSING)
            elif isinstance(document, list) and is_index(part) and int(part) < len(document):
                document = document[int(part)]
            elif isinstance(document, str) and (inner := _inside(document)) is not MISSING:
                document = _step_into(inner, part)
            else:
                return MISSING
        return document

    def expression(self, name: str, named: Callable[[Any], str]) -> str:
        """Return the Python expression of what a `document` has at one key; "" if documents may be anything.

        `named` gives a constant a name.
        """
        if self._names is not None:
            return f"document.{self._names[name]}"
        return f"document.get({named(name)}, MISSING)" if self._tables else ""


def _inside(text: str) -> Any:
    """The JSON object or array that a JSON string holds, as some servers send it; MISSING when it holds none."""
    if text[:1] in ("{", "["):
        try:
            return msgspec.json.decode(text)
        except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
            return MISSING
    return MISSING


def _step_into(document: Any, part: str) -> Any:
    if isinstance(document, dict):
        return document.get(part, MISSING)
    index = int(part) if is_index(part) else -1
    return document[index] if 0 <= index < len(document) else MISSING


def is_index(part: str) -> bool:
    """Return whether a part of a path may be the index of a list."""
    return part.isascii() and part.isdigit() and len(part) < 10


Head = Sequence[tuple[bytes, bytes]]
"""The headers of an HTTP answer, their names in lower case."""


class Captures:
    """Takes variables out of the expected message, or out of an HTTP answer."""

    __slots__ = ("_reader", "_specs")

    def __init__(self, specs: Sequence[CaptureSpec], reader: ReplyMatcher) -> None:
        self._reader = reader
        self._specs = [(s, re.compile(s.regex.encode()) if s.regex else None) for s in specs]

    def take(self, document: Any, payload: bytes, values: list[Any], head: Head = ()) -> str:
        """Set the variables; return what was not there, "" when all was. `head` are the headers of an HTTP answer."""
        for spec, pattern in self._specs:
            if pattern is not None:
                match = pattern.search(payload)
                found: Any = MISSING if match is None else (match[1] or b"").decode("utf-8", "backslashreplace")
            elif spec.header:
                found = next(values_of(head, spec.header), MISSING)
            elif spec.cookie:
                found = next(_cookies(head, spec.cookie), MISSING)
            else:
                found = self._reader.value(document, spec.path)
            if found is MISSING:
                return spec.words
            values[spec.variable] = found
        return ""


def values_of(head: Head, name: str) -> Iterator[str]:
    wanted = name.lower().encode()
    return (value.decode("latin-1") for known, value in head if known == wanted)


def _cookies(head: Head, name: str) -> Iterator[str]:
    for line in values_of(head, "set-cookie"):
        known, _, value = line.partition(";")[0].partition("=")
        if known.strip() == name:
            yield value.strip()
