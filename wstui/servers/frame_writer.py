"""The WebSocket frames of the fast path: text out without a mask, text in with one. Everything else is rare."""

from __future__ import annotations

import struct
from typing import NamedTuple

from websockets.frames import Opcode

try:
    from websockets.speedups import apply_mask
except ImportError:  # pragma: no cover - a build of websockets without its C extension
    from websockets.utils import apply_mask

__all__ = ["OPCODES", "PING", "TEXT_PLAIN", "Extent", "apply_mask", "extent", "text_frame"]

OPCODES = frozenset(Opcode)
PING = b"\x89\x00"
TEXT_PLAIN = 0x81  # the first byte of a text frame that is final, and not compressed


class Extent(NamedTuple):
    """Where a frame's payload begins and ends in the buffer."""

    payload: int
    end: int


def _head(length: int) -> bytes:
    if length < 126:
        return bytes((TEXT_PLAIN, length))
    if length < 65_536:
        return struct.pack("!BBH", TEXT_PLAIN, 126, length)
    return struct.pack("!BBQ", TEXT_PLAIN, 127, length)


_HEADS = tuple(_head(length) for length in range(1024))


def text_frame(payload: bytes) -> bytes:
    """An unmasked text frame, ready to be written to any number of clients."""
    length = len(payload)
    return (_HEADS[length] if length < len(_HEADS) else _head(length)) + payload


def extent(data: bytes | bytearray, start: int) -> Extent | None:
    """The extent of the frame that begins at `start`; its end may lie beyond the buffer. None: header incomplete.

    The mask is counted as part of the header, whether there is one is for others to judge.
    """
    if len(data) - start < 2:
        return None
    second = data[start + 1]
    length = second & 0x7F
    header = 2
    if length >= 126:
        header = 4 if length == 126 else 10
        if len(data) - start < header:
            return None
        length = int.from_bytes(data[start + 2 : start + header], "big")
    if second & 0x80:
        header += 4
    return Extent(start + header, start + header + length)
