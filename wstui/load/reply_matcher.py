"""Reads the relevant parts of a JSON reply, and checks replies against what is expected of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from wstui.load.protocol import Expected
from wstui.measure.sanitize import visible

MISSING = msgspec.UNSET


class ReplyMatcher:
    """Decodes only those parts of a document that are asked for."""

    def __init__(self, paths: Iterable[Sequence[str]]) -> None:
        """`paths` will be asked for; the document's `type` always is."""
        names = {"type", *(path[0] for path in paths if path)}
        # Arrays may be asked for items, and msgspec takes no names that JSON has to escape.
        if any(is_index(name) or not name.isprintable() or {'"', "\\"} & {*name} for name in names):
            self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(Any).decode
            self._names: dict[str, str] | None = None
            return
        self._names = {name: f"f{index}" for index, name in enumerate(sorted(names))}
        document = msgspec.defstruct(
            "Document",
            [(attribute, Any, MISSING) for attribute in self._names.values()],
            rename={attribute: name for name, attribute in self._names.items()},
            gc=False,
        )
        self._decode = msgspec.json.Decoder(document).decode

    def read(self, payload: bytes) -> Any:
        """Return the document, for `value`; None if it is not JSON, or a value without names."""
        try:
            return self._decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
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
            else:
                return MISSING
        return document


def is_index(part: str) -> bool:
    """Whether a part of a path may be the index of a list."""
    return part.isascii() and part.isdigit() and len(part) < 10


def broken(expected: Expected, payload: bytes, reader: ReplyMatcher, document: Any) -> str:
    """Return in words how a reply differs from what is expected, or ""."""
    if expected.contains:
        if expected.contains in payload:
            return ""
        return f'does not contain "{visible(expected.contains, 60)}"'
    place = visible(".".join(expected.path), 60)
    found = reader.value(document, expected.path)
    if found is MISSING:
        return f"has no {place}"
    wanted = expected.equals
    if wanted is None or (found == wanted and isinstance(found, bool) == isinstance(wanted, bool)):
        return ""
    return f"{place} is not {visible(msgspec.json.encode(wanted), 60)}"
