"""Takes variables out of messages and HTTP answers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from wstui.load.reply_matcher import MISSING, ReplyMatcher
from wstui.load.role_spec import CaptureSpec

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
    """Yield the values of a header."""
    wanted = name.lower().encode()
    return (value.decode("latin-1") for known, value in head if known == wanted)


def _cookies(head: Head, name: str) -> Iterator[str]:
    for line in values_of(head, "set-cookie"):
        known, _, value = line.partition(";")[0].partition("=")
        if known.strip() == name:
            yield value.strip()
