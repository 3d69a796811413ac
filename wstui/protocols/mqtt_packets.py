"""Packets of MQTT as a server sends them, read into documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wstui.scenario.conversation.dialect import MOST_KEPT, Malformed

_KINDS = {2: "connack", 4: "puback", 5: "pubrec", 6: "pubrel", 7: "pubcomp", 9: "suback", 11: "unsuback",
          13: "pingresp", 14: "disconnect", 15: "auth"}  # fmt: skip
_OLD_REASONS = ("accepted", "unacceptable protocol version", "client identifier rejected", "server unavailable",
                "bad user name or password", "not authorized")  # fmt: skip
_REASONS = {
    0x10: "no matching subscribers", 0x11: "no subscription existed",
    0x80: "unspecified error", 0x81: "malformed packet", 0x82: "protocol error", 0x83: "implementation specific error",
    0x84: "unsupported protocol version", 0x85: "client identifier not valid", 0x86: "bad user name or password",
    0x87: "not authorized", 0x88: "server unavailable", 0x89: "server busy", 0x8A: "banned",
    0x8B: "server shutting down", 0x8C: "bad authentication method", 0x8D: "keep alive timeout",
    0x8E: "session taken over", 0x8F: "topic filter invalid", 0x90: "topic name invalid",
    0x91: "packet identifier in use", 0x92: "packet identifier not found", 0x93: "receive maximum exceeded",
    0x94: "topic alias invalid", 0x95: "packet too large", 0x96: "message rate too high", 0x97: "quota exceeded",
    0x98: "administrative action", 0x99: "payload format invalid", 0x9A: "retain not supported",
    0x9B: "QoS not supported", 0x9C: "use another server", 0x9D: "server moved",
    0x9E: "shared subscriptions not supported", 0x9F: "connection rate exceeded", 0xA0: "maximum connect time",
    0xA1: "subscription identifiers not supported", 0xA2: "wildcard subscriptions not supported",
}  # fmt: skip
_REASON_STRING = 0x1F
_SIZES = dict.fromkeys((0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A), 1) | dict.fromkeys((0x13, 0x21, 0x22, 0x23), 2)
_SIZES |= dict.fromkeys((0x02, 0x11, 0x18, 0x27), 4)
_TEXTS = frozenset((0x03, 0x08, 0x09, 0x12, 0x15, 0x16, 0x1A, 0x1C, _REASON_STRING))
Decoded = tuple[Sequence[tuple[Any, bytes]], bytes | None]


def decode(kept: bytes | None, is_binary: bool, payload: bytes, version: int = 4) -> Decoded:
    """Return the packets that end in a frame; they may share frames or cross them."""
    if not is_binary:
        raise Malformed("a text frame, and packets are binary")
    if payload[:2] == b"\x40\2" and len(payload) == 4 and not kept:
        # What most packets are: the acknowledgement of a publication.
        made = {"type": "puback", "id": payload[2] << 8 | payload[3], "code": 0, "ok": True}
        return ((made, payload[2:]),), None
    data = kept + payload if kept else payload
    found: list[tuple[Any, bytes]] = []
    at, end = 0, len(data)
    while at < end:
        start, size = length(data, at + 1)
        if size > MOST_KEPT:
            raise Malformed(f"a packet of more than {MOST_KEPT >> 20} MiB")
        if start < 0 or start + size > end:
            return found, data[at:]
        try:
            found.append(_message(data[at], data[start : start + size], version))
        except (IndexError, UnicodeDecodeError):
            raise Malformed("a packet that ends too early, or whose text is not UTF-8") from None
        at = start + size
    return found, None


def decode_5(kept: bytes | None, is_binary: bool, payload: bytes) -> Decoded:
    """Do the same for MQTT 5."""
    return decode(kept, is_binary, payload, 5)


def length(data: bytes, at: int) -> tuple[int, int]:
    """Return where what follows a length begins, and the length; -1 when it is not all there."""
    size = 0
    for index in range(4):
        if at + index >= len(data):
            return -1, 0
        byte = data[at + index]
        size |= (byte & 127) << 7 * index
        if byte < 128:
            return at + index + 1, size
    raise Malformed("a length of more than four bytes")


def _message(first: int, body: bytes, version: int) -> tuple[Any, bytes]:
    kind = first >> 4
    if kind == 3:
        return published(first, body, version)
    name = _KINDS.get(kind)
    if name is None:
        raise Malformed(f"a packet of type {kind}, which a server never sends")
    found: dict[str, Any] = {"type": name}
    code, reason = 0, ""
    if kind == 2:
        found["session"], code = bool(body[0] & 1), body[1]
        if version == 5 and len(body) > 2:
            reason = properties(body, 2)[1]
        else:
            version = 4  # a broker of 3.1.1 also answers clients of version 5 like this
            reason = _OLD_REASONS[code] if 0 < code < len(_OLD_REASONS) else ""
    elif kind in (14, 15):
        if body:
            code = body[0]
            reason = properties(body, 1)[1] if len(body) > 1 else ""
        elif kind == 14:
            reason = "the server disconnected"
    elif kind != 13:
        found["id"] = number(body, 0)
        if kind in (9, 11):
            at, reason = properties(body, 2) if version == 5 else (2, "")
            found["codes"] = [*body[at:]]
            code = max(found["codes"], default=0)
            code = code if code >= 0x80 else 0
        elif len(body) > 2:
            code = body[2]
            reason = properties(body, 3)[1] if len(body) > 3 else ""
    found["code"] = code
    found["ok"] = code < 0x80 if version == 5 else code == 0
    if code or reason:
        found["reason"] = ": ".join(filter(None, dict.fromkeys((_REASONS.get(code, ""), reason)))) or f"code {code}"
    return found, body


def published(first: int, body: bytes, version: int) -> tuple[Any, bytes]:
    """Return a PUBLISH, whichever side sent it, and its payload."""
    qos = first >> 1 & 3
    at = 2 + number(body, 0)
    if at > len(body):
        raise Malformed("a topic that is longer than its packet")
    found: dict[str, Any] = {"type": "publish", "topic": body[2:at].decode(), "qos": qos, "retain": bool(first & 1)}
    if qos:
        if qos == 3:
            raise Malformed("a publication of QoS 3")
        found["id"] = number(body, at)
        at += 2
    if version == 5:
        at, _ = properties(body, at)
    payload = body[at:]
    try:
        found["payload"] = payload.decode()
    except UnicodeDecodeError:
        found["payload"] = None  # matched as bytes: hex, contains
    return found, payload


def number(body: bytes, at: int) -> int:
    """Return a number of two bytes."""
    return body[at] << 8 | body[at + 1]


def read_text(body: bytes, at: int) -> tuple[bytes, int]:
    """Return a text after its length, and where it ends."""
    end = at + 2 + number(body, at)
    return body[at + 2 : end], end


def properties(body: bytes, at: int) -> tuple[int, str]:
    """Return where the properties at `at` end, and the reason string among them."""
    at, size = length(body, at)
    if at < 0 or at + size > len(body):
        raise Malformed("properties that are longer than their packet")
    end, reason = at + size, ""
    while at < end:
        kind = body[at]
        at += 1
        if kind in _SIZES:
            at += _SIZES[kind]
        elif kind == 0x0B:
            at, _ = length(body, at)
            if at < 0:
                break
        elif kind in _TEXTS or kind == 0x26:
            for _ in range(2 if kind == 0x26 else 1):
                size = number(body, at)
                if kind == _REASON_STRING:
                    reason = body[at + 2 : at + 2 + size].decode("utf-8", "replace")
                at += 2 + size
        else:
            raise Malformed(f"an unknown property, {kind}")
    if at != end:
        raise Malformed("a property that is longer than all of them")
    return end, reason
