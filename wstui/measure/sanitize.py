"""Text from a server, made safe to show: in a terminal, a log, a report."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

_MARKS = {"Mn", "Me", "Mc"}
_MARKS_IN_A_ROW = 2
"""More accents on one letter are a tower that covers the rows above."""


def sanitize(text: str | bytes, limit: int = 2000) -> str:
    """Return `text` safe for one row: what does not print as escapes, cut to `limit`."""
    if isinstance(text, bytes):
        text = text[: limit * 4].decode("utf-8", "backslashreplace")
    cut = text[:limit]
    if not (cut.isascii() and cut.isprintable()):
        cut = "".join(_escaped(cut))
    return cut if len(text) <= limit and len(cut) <= limit else cut[: limit - 1] + "…"


def _escaped(text: str) -> Iterator[str]:
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.category(character) in _MARKS else 0
        if marks <= _MARKS_IN_A_ROW:
            # Bidirectional overrides turn the text around them (CVE-2021-42574); zero-width characters hide.
            yield character if character.isprintable() else character.encode("unicode_escape").decode()
