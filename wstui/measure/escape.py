"""Text from outside made harmless: it must not steer a terminal, forge a line or hide a word."""

from __future__ import annotations

import unicodedata

# Cc: control characters (ESC, newline), Cf: invisible format characters (bidi overrides, zero width),
# Cs: lone surrogates (cannot be encoded), Zl and Zp: line breaks that are not "\n", Cn: unassigned.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Cn"})
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def escape(text: str, limit: int = 0) -> str:
    """`text` on one line with every character that could steer a terminal shown as a Python escape.

    With a `limit`, a longer text is cut there and ends in "…". Other text comes back as it was,
    so escaping twice does no harm.
    """
    if limit and len(text) > limit:
        text = text[: max(limit - 1, 0)] + "…"
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    if unicodedata.category(character) not in _UNSAFE:
        return character
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
