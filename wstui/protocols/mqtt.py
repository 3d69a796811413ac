"""MQTT 3.1.1 and 5 over WebSocket.

Written by hand: a packet is a byte, a length and fixed fields, and the Python clients bring loops or threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from wstui.scenario.conversation.dialect import (
    MOST_KEPT,
    BadKey,
    Decode,
    Dialect,
    Frame,
    Json,
    Malformed,
    Piece,
    Seconds,
    Table,
    Wrap,
    binary,
    reply,
    with_path,
)


class Will(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What the broker publishes for a client that is cut off."""

    topic: str
    payload: Any = ""
    qos: Literal[0, 1, 2] = 0
    retain: bool = False


class Options(msgspec.Struct, kw_only=True):
    """The keys of [target.options]."""

    version: Annotated[Literal["3.1.1", "5"], Meta(description="of the protocol: 3.1.1 or 5")] = "3.1.1"
    client_id: Annotated[str, Meta(description="a second client of the same id takes over the first")] = (
        "wstui-{{client}}"
    )
    user: Annotated[str, Meta(description="user name")] = ""
    password: Annotated[str, Meta(description="password: {{env MQTT_PASSWORD}}")] = ""
    keep_alive: Annotated[Seconds, Meta(description="PINGREQ so often; 0s: never")] = Seconds(60)
    clean: Annotated[bool, Meta(description="begin without the session of an earlier connection")] = True
    will: Annotated[Will | None, Meta(description="{ topic = …, payload = …, qos = …, retain = … }")] = None


class Keys(msgspec.Struct, kw_only=True):
    """The keys of a step."""

    publish: Annotated[str, Meta(description="the topic of a message")] = ""
    payload: Annotated[Any, Meta(description="its text, or a table or list as JSON")] = ""
    qos: Annotated[Literal[0, 1, 2], Meta(description="0, 1 (waits for PUBACK) or 2 (waits for PUBCOMP)")] = 0
    retain: Annotated[bool, Meta(description="let the broker keep it for later subscribers")] = False
    subscribe: Annotated[str | list[str], Meta(description="topic filters; waits for SUBACK")] = []
    unsubscribe: Annotated[str | list[str], Meta(description="topic filters; waits for UNSUBACK")] = []


class Mqtt(Dialect):
    """MQTT, see the page of the manual."""

    title = "MQTT 3.1.1 and 5: publish and subscribe"
    option_keys, step_keys = Options, Keys
    options: Options

    def address(self, url: str) -> str:
        return with_path(url, "/mqtt")

    def subprotocols(self) -> list[str]:
        return ["mqtt"]

    @property
    def _none(self) -> bytes:
        """No properties, which only version 5 has."""
        return b"\0" if self.options.version == "5" else b""

    def opening(self) -> list[Table]:
        options, will = self.options, self.options.will
        flags = options.clean << 1 | bool(options.password) << 6 | bool(options.user) << 7
        last: list[Piece] = [_text(options.client_id)]
        if will is not None:
            flags |= 1 << 2 | will.qos << 3 | will.retain << 5
            last += [self._none, _text(will.topic), Wrap("utf16", [_content(will.payload)])]
        last += [_text(text) for text in (options.user, options.password) if text]
        level = 5 if options.version == "5" else 4
        head = b"\0\4MQTT%c%c%b%b" % (level, flags, round(options.keep_alive).to_bytes(2, "big"), self._none)
        return [
            {
                "name": "connect",
                "frames": _packet(0x10, head, *last),
                "expect": {"type": "connack", "ok": True},
                "refuse": {"type": "connack"},
                "reason": ["reason"],
            }
        ]

    def step(self, keys: Keys, given: Table) -> Table:
        said = [name for name in ("publish", "subscribe", "unsubscribe") if getattr(keys, name)]
        if len(said) != 1:
            raise BadKey(
                tuple(said[:1]), f"and {said[1]} are both given: keep one" if said else "needs publish or subscribe"
            )
        identity: list[Piece] = [Wrap("number16", ["{{seq16}}"])]
        if not keys.publish:
            wanted = keys.subscribe or keys.unsubscribe
            filters = [wanted] if isinstance(wanted, str) else wanted
            quality = bytes([keys.qos]) if keys.subscribe else b""
            pieces: list[Piece] = [piece for each in filters for piece in (_text(each), quality)]
            frames = _packet(0x82 if keys.subscribe else 0xA2, *identity, self._none, *pieces)
            return self._acknowledged(given | {"frames": frames}, "suback" if keys.subscribe else "unsuback")
        first = 0x30 | keys.qos << 1 | keys.retain
        body = [_text(keys.publish), *(identity if keys.qos else []), self._none, _content(keys.payload)]
        table = given | {"frames": _packet(first, *body)}
        if not keys.qos:
            return table
        return self._acknowledged(table, "puback" if keys.qos == 1 else "pubcomp")

    def _acknowledged(self, table: Table, kind: str) -> Table:
        if table.get("expect") is not None:
            raise BadKey((), f"waits for its {kind.upper()}: expect a message in a step of its own")
        answer = {"type": kind, "id": "{{seq16}}"}
        refused: list[Table] = [answer, {"type": "pubrec", "id": "{{seq16}}", "ok": False}]
        return reply(table, answer | {"ok": True}, "", *refused, reason=["reason"])

    def rules(self) -> dict[str, list[Table]]:
        identity = Wrap("number16", ["{{message.id}}"])
        answers = [
            ({"type": "publish", "qos": 1}, b"\x40\2"),
            ({"type": "publish", "qos": 2}, b"\x50\2"),
            ({"type": "pubrec", "ok": True}, b"\x62\2"),
            ({"type": "pubrel"}, b"\x70\2"),
        ]
        rules: dict[str, list[Table]] = {
            "answer": [{"on": on, "frames": binary(head, identity)} for on, head in answers],
            "errors": [{"on": {"type": "disconnect"}, "reason": ["reason"], "closes": True}],
        }
        if self.options.keep_alive:
            every = f"{self.options.keep_alive:g}s"
            rules["heartbeats"] = [{"every": every, "frames": binary(b"\xc0\0"), "expect": {"type": "pingresp"}}]
        return rules

    def leaving(self) -> list[Table]:
        return [{"frames": binary(b"\xe0\0")}]

    def decoder(self) -> Decode:
        return decode_5 if self.options.version == "5" else decode


def _text(text: str) -> Wrap:
    return Wrap("utf16", [text])


def _content(payload: Any) -> Piece:
    return payload if isinstance(payload, str) else Json(payload)


def _packet(first: int, *pieces: Piece) -> list[Frame]:
    return binary(bytes([first]), Wrap("varint", pieces))


_KINDS = {2: "connack", 4: "puback", 5: "pubrec", 6: "pubrel", 7: "pubcomp", 9: "suback", 11: "unsuback",
          13: "pingresp", 14: "disconnect", 15: "auth"}  # fmt: skip
_OLD_REASONS = ("accepted", "unacceptable protocol version", "client identifier rejected", "server unavailable",
                "bad user name or password", "not authorized")  # fmt: skip
_REASONS = {
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
    data = kept + payload if kept else payload
    found: list[tuple[Any, bytes]] = []
    at, end = 0, len(data)
    while at < end:
        start, size = _length(data, at + 1)
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


def _length(data: bytes, at: int) -> tuple[int, int]:
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
        return _published(first, body, version)
    name = _KINDS.get(kind)
    if name is None:
        raise Malformed(f"a packet of type {kind}, which a server never sends")
    found: dict[str, Any] = {"type": name}
    code, reason = 0, ""
    if kind == 2:
        found["session"], code = bool(body[0] & 1), body[1]
        if version == 5:
            reason = _properties(body, 2)[1]
        elif code:
            reason = _OLD_REASONS[code] if code < len(_OLD_REASONS) else f"code {code}"
    elif kind in (14, 15):
        if body:
            code = body[0]
            reason = _properties(body, 1)[1] if len(body) > 1 else ""
        elif kind == 14:
            reason = "the server disconnected"
    elif kind != 13:
        found["id"] = _number(body, 0)
        if kind in (9, 11):
            at, reason = _properties(body, 2) if version == 5 else (2, "")
            found["codes"] = [*body[at:]]
            code = max(found["codes"], default=0)
            code = code if code >= 0x80 else 0
        elif len(body) > 2:
            code = body[2]
            reason = _properties(body, 3)[1] if len(body) > 3 else ""
    found["code"] = code
    found["ok"] = code < 0x80 if version == 5 else code == 0
    if code or reason:
        found["reason"] = ": ".join(filter(None, dict.fromkeys((_REASONS.get(code, ""), reason)))) or f"code {code}"
    return found, body


def _published(first: int, body: bytes, version: int) -> tuple[Any, bytes]:
    qos = first >> 1 & 3
    at = 2 + _number(body, 0)
    if at > len(body):
        raise Malformed("a topic that is longer than its packet")
    found: dict[str, Any] = {"type": "publish", "topic": body[2:at].decode(), "qos": qos, "retain": bool(first & 1)}
    if qos:
        found["id"] = _number(body, at)
        at += 2
    if version == 5:
        at, _ = _properties(body, at)
    payload = body[at:]
    try:
        found["payload"] = payload.decode()
    except UnicodeDecodeError:
        found["payload"] = None  # matched as bytes: hex, contains
    return found, payload


def _number(body: bytes, at: int) -> int:
    return body[at] << 8 | body[at + 1]


def _properties(body: bytes, at: int) -> tuple[int, str]:
    """Return where the properties at `at` end, and the reason string among them."""
    at, size = _length(body, at)
    if at < 0 or at + size > len(body):
        raise Malformed("properties that are longer than their packet")
    end, reason = at + size, ""
    while at < end:
        kind = body[at]
        at += 1
        if kind in _SIZES:
            at += _SIZES[kind]
        elif kind == 0x0B:
            at, _ = _length(body, at)
            if at < 0:
                break
        elif kind in _TEXTS or kind == 0x26:
            for _ in range(2 if kind == 0x26 else 1):
                length = _number(body, at)
                if kind == _REASON_STRING:
                    reason = body[at + 2 : at + 2 + length].decode("utf-8", "replace")
                at += 2 + length
        else:
            raise Malformed(f"an unknown property, {kind}")
    if at != end:
        raise Malformed("a property that is longer than all of them")
    return end, reason


KINDS = {"mqtt": Mqtt}
