"""The keys of a step as several protocols read them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

import msgspec

from wstui.scenario.conversation.dialect import BadKey


def command_of(keys: msgspec.Struct, commands: Sequence[str], lacking: str) -> str:
    """Return the one command that a step gives. Raises BadKey, with `lacking` if it gives none."""
    given = [name for name in commands if getattr(keys, name)]
    if len(given) != 1:
        raise BadKey(tuple(given[:1]), f"and {given[1]} are both given: keep one" if given else lacking)
    return given[0]


def from_base64(encoded: str, key: str) -> bytes:
    """Return the bytes that a key holds; blanks do not count. Raises BadKey."""
    try:
        return base64.b64decode("".join(encoded.split()), validate=True)
    except (ValueError, binascii.Error):
        raise BadKey((key,), 'is not base64: write such as "AP9/"') from None
