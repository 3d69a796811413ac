"""Builds the unmasked WebSocket frames of a server, and unmasks those of clients."""

from __future__ import annotations

import struct

try:
    from websockets.speedups import apply_mask
except ImportError:  # pragma: no cover - a build of websockets without its C extension
    from websockets.utils import apply_mask

__all__ = ["TEXT_PLAIN", "apply_mask", "frame", "text_frame"]

TEXT_PLAIN = 0x81  # the first byte of a text frame that is final and not compressed


def _head(first: int, length: int) -> bytes:
    if length < 126:
        return bytes((first, length))
    if length < 65_536:
        return struct.pack("!BBH", first, 126, length)
    return struct.pack("!BBQ", first, 127, length)


_TEXT_HEADS = tuple(_head(TEXT_PLAIN, length) for length in range(1024))


def frame(first: int, payload: bytes) -> bytes:
    """Return a frame whose first byte is `first`."""
    return _head(first, len(payload)) + payload


def text_frame(payload: bytes) -> bytes:
    """Return a text frame, ready to be written to any number of clients."""
    length = len(payload)
    return (_TEXT_HEADS[length] if length < len(_TEXT_HEADS) else _head(TEXT_PLAIN, length)) + payload
