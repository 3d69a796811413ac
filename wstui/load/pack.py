"""Packs bytes inside a frame: into a JSON string, behind their length, as a number, as MessagePack."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

_to_json = msgspec.json.Encoder().encode
_from_json = msgspec.json.Decoder().decode
_to_msgpack = msgspec.msgpack.Encoder().encode


def varint(number: int) -> bytes:
    """Return a number in groups of 7 bits, the lowest first."""
    if number < 128:
        return b"%c" % number
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    found.append(number)
    return bytes(found)


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "text": lambda content: _to_json(content.decode())[1:-1],
    "utf16": lambda content: len(content).to_bytes(2, "big") + content,
    "varint": lambda content: varint(len(content)) + content,
    "number16": lambda content: (int(content) & 0xFFFF).to_bytes(2, "big"),
    "msgpack": lambda content: _to_msgpack(_from_json(content)),
}


def pack(how: str, content: bytes) -> bytes:
    """Return bytes packed in this way."""
    return PACKERS[how](content)
