"""Text from a server, made safe to show: in a terminal, a log, a report."""

from __future__ import annotations

import unicodedata

# Bidirectional overrides and isolates turn the text around them (CVE-2021-42574); zero-width ones hide.
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def visible(text: str | bytes, limit: int = 200) -> str:
    """`text` with control, format and unassigned characters written as escapes, cut to `limit` characters."""
    if isinstance(text, bytes):
        text = text[: limit * 4].decode("utf-8", "backslashreplace")
    cut = text[:limit]
    if not cut.isprintable():
        cut = "".join(
            c if c == " " or unicodedata.category(c) not in _HIDDEN else c.encode("unicode_escape").decode()
            for c in cut
        )
    return cut if len(text) <= limit and len(cut) <= limit else cut[: limit - 1] + "…"
