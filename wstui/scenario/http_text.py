"""What HTTP allows in header names and values. Workers use it too, which do without pydantic: it starts slowly."""

from __future__ import annotations

import re


def is_http_token(value: str) -> bool:
    """Return whether this is an HTTP token (RFC 9110 5.6.2), as header names and subprotocols must be."""
    return re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", value) is not None


def header_fault(value: str) -> str:
    """Return why a header can't carry the value, or "". The value is not included: it may be a secret.

    Letters of Latin-1 go out as ISO-8859-1, as http.client, requests and websockets send them.
    """
    if not value.isprintable():
        return "has a line break or another control character in it"
    beyond = next((place for place, c in enumerate(value, 1) if c > "\xff"), 0)
    return f"has a character beyond Latin-1 (the {_ordinal(beyond)}), which HTTP headers can't carry" if beyond else ""


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
