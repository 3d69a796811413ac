"""Finds tokens in what was printed, logged or written."""

from __future__ import annotations

import re

# How the header of a JWT begins: with its algorithm, or its type. Fewer letters would be found by chance in the
# distributions of a result, which are kept as base64.
_JWT = re.compile(r"eyJ(hbGciOi|0eXAiOi)")


def holds_token(text: str) -> bool:
    """Whether there is a JWT in a text, or the beginning of one."""
    return _JWT.search(text) is not None
