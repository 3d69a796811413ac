"""Packs bytes inside a frame: into a JSON string or a header, behind their length, as a number, as MessagePack."""

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


def header(content: bytes) -> bytes:
    """Return the value of a header of STOMP, escaped."""
    escaped = content.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
    return escaped.replace(b":", b"\\c")


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "header": header,
    "text": lambda content: _to_json(content.decode())[1:-1],
    "utf16": lambda content: min(len(content), 65535).to_bytes(2, "big") + content[:65535],
    "size8": lambda content: min(len(content), 255).to_bytes(1, "big"),
    "varint": lambda content: b"%c%b" % (size, content) if (size := len(content)) < 128 else varint(size) + content,
    "number16": lambda content: (int(content) & 0xFFFF).to_bytes(2, "big"),
    "msgpack": lambda content: _to_msgpack(_from_json(content)),
}


def pack(how: str, content: bytes) -> bytes:
    """Return bytes packed in this way."""
    return PACKERS[how](content)
