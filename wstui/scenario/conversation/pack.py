"""Packs bytes inside a frame: into a JSON string or a header, behind their length, as a number, as MessagePack."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from wstui.scenario.errors import BadValue

_to_json = msgspec.json.Encoder().encode
_from_json = msgspec.json.Decoder().decode
_to_msgpack = msgspec.msgpack.Encoder().encode
_MOST_VARINT = (1 << 28) - 1
"""What four groups of 7 bits say: the most that MQTT allows."""


class Unframed(BadValue):
    """What a frame of the protocol can't say; the text tells why, and never what it is."""


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
    return without_nul(escaped.replace(b":", b"\\c"))


def without_nul(content: bytes) -> bytes:
    """Return what a NUL would end."""
    if b"\0" in content:
        raise Unframed("holds a NUL, which ends a frame")
    return content


def _line(content: bytes) -> bytes:
    if re.search(rb"[\r\n\0]", content):
        raise Unframed("holds a line end or a NUL, and this header has no escapes")
    return content


def _namespace(content: bytes) -> bytes:
    if not content.startswith(b"/") or b"," in content:
        raise Unframed('must begin with "/" and hold no comma, as a namespace of Socket.IO does')
    return content


def _size(content: bytes, most: int) -> int:
    if (size := len(content)) > most:
        raise Unframed(f"is longer than the {most} bytes that a frame has for it")
    return size


def _length8(content: bytes) -> bytes:
    return _size(content, 255).to_bytes(1, "big")


def _utf16(content: bytes) -> bytes:
    return b"%b%b" % (_size(content, 65535).to_bytes(2, "big"), content)


def _varint(content: bytes) -> bytes:
    size = len(content)
    return b"%c%b" % (size, content) if size < 128 else varint(_size(content, _MOST_VARINT)) + content


def _number16(content: bytes) -> bytes:
    try:
        return int(content).to_bytes(2, "big")
    except (ValueError, OverflowError):
        raise Unframed("is not a number of two bytes") from None


def _msgpack(content: bytes) -> bytes:
    try:
        return _to_msgpack(_from_json(content))
    except OverflowError:
        raise Unframed("holds a number of more than 64 bits, which MessagePack can't say") from None


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "header": header,
    "line": _line,
    "body": without_nul,
    "namespace": _namespace,
    "text": lambda content: _to_json(content.decode())[1:-1],
    "utf16": _utf16,
    "size8": _length8,
    "varint": _varint,
    "number16": _number16,
    "msgpack": _msgpack,
}


PIECEWISE = frozenset(("header", "line", "body", "text"))
"""What can be packed part by part."""


def packer(how: str, what: str) -> Callable[[bytes], bytes]:
    """Return what packs bytes in this way. It raises Unframed, which names `what` they are."""
    pack = PACKERS[how]

    def packed(content: bytes) -> bytes:
        try:
            return pack(content)
        except Unframed as error:
            raise Unframed(f"{what} {error.message}") from None

    return packed
