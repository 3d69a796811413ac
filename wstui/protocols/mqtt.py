"""MQTT 3.1.1 and 5 over WebSocket.

Written by hand: a packet is a byte, a length and fixed fields, and the Python clients bring loops or threads.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from wstui.protocols.mqtt_packets import decode, decode_5, length, number, properties, published, read_text
from wstui.protocols.plain import document
from wstui.protocols.step_keys import command_of
from wstui.scenario.conversation.dialect import (
    BadKey,
    Decode,
    Dialect,
    Frame,
    Json,
    Malformed,
    Piece,
    RecordedState,
    RecordedStep,
    Seconds,
    Table,
    Wrap,
    binary,
    reply,
    with_path,
)
from wstui.scenario.errors import Key

_LONGEST_S = 65535


class Will(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What the broker publishes for a client that is cut off."""

    topic: str
    payload: Any = ""
    qos: Literal[0, 1, 2] = 0
    retain: bool = False


class MqttOptions(msgspec.Struct, kw_only=True):
    version: Annotated[Literal["3.1.1", "5"], Meta(description="of the protocol: 3.1.1 or 5")] = "3.1.1"
    client_id: Annotated[str, Meta(description="a second client of the same id takes over the first")] = (
        "wstui-{{client}}"
    )
    user: Annotated[str, Meta(description="user name")] = ""
    password: Annotated[str, Meta(description="password: {{env MQTT_PASSWORD}}")] = ""
    keep_alive: Annotated[Seconds, Meta(description="PINGREQ so often; 0s: never")] = Seconds(60)
    clean: Annotated[bool, Meta(description="begin without the session of an earlier connection")] = True
    will: Annotated[Will | None, Meta(description="{ topic = …, payload = …, qos = …, retain = … }")] = None


class MqttKeys(msgspec.Struct, kw_only=True):
    publish: Annotated[str, Meta(description="the topic of a message")] = ""
    payload: Annotated[Any, Meta(description="its text, or a table or list as JSON")] = ""
    qos: Annotated[Literal[0, 1, 2], Meta(description="0, 1 (waits for PUBACK) or 2 (waits for PUBCOMP)")] = 0
    retain: Annotated[bool, Meta(description="let the broker keep it for later subscribers")] = False
    subscribe: Annotated[str | list[str], Meta(description="topic filters; waits for SUBACK")] = []
    unsubscribe: Annotated[str | list[str], Meta(description="topic filters; waits for UNSUBACK")] = []


class Mqtt(Dialect):
    title = "MQTT 3.1.1 and 5: publish and subscribe"
    option_keys, step_keys = MqttOptions, MqttKeys
    options: MqttOptions

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
        level = 5 if options.version == "5" else 4
        if options.keep_alive > _LONGEST_S:
            raise BadKey(("keep_alive",), f"is longer than MQTT can say: write at most {_LONGEST_S}s, or 0s for never")
        if options.password and not options.user and level == 4:
            raise BadKey(("password",), 'needs a user in MQTT 3.1.1: write user = "…", or version = "5"')
        flags = options.clean << 1 | bool(options.password) << 6 | bool(options.user) << 7
        last: list[Piece] = [_text(options.client_id, "the client id")]
        if will is not None:
            _check_topic(will.topic, ("will", "topic"))
            flags |= 1 << 2 | will.qos << 3 | will.retain << 5
            payload = Wrap("utf16", [_content(will.payload)], "the payload of the will")
            last += [self._none, _text(will.topic, "the topic of the will"), payload]
        last += [_text(text, f"the {name}") for name in ("user", "password") if (text := getattr(options, name))]
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

    def step(self, keys: MqttKeys, given: Table) -> Table:
        command_of(keys, ("publish", "subscribe", "unsubscribe"), "needs publish or subscribe")
        identity: list[Piece] = [Wrap("number16", ["{{seq16}}"])]
        if not keys.publish:
            wanted = keys.subscribe or keys.unsubscribe
            filters = [wanted] if isinstance(wanted, str) else wanted
            quality = bytes([keys.qos]) if keys.subscribe else b""
            pieces: list[Piece] = [piece for each in filters for piece in (_text(each, "the topic filter"), quality)]
            frames = _packet(0x82 if keys.subscribe else 0xA2, *identity, self._none, *pieces)
            return self._acknowledged(given | {"frames": frames}, "suback" if keys.subscribe else "unsuback")
        _check_topic(keys.publish, ("publish",))
        first = 0x30 | keys.qos << 1 | keys.retain
        body = [_text(keys.publish, "the topic"), *(identity if keys.qos else []), self._none, _content(keys.payload)]
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

    def recorded(self, frame: str | bytes, state: RecordedState) -> list[RecordedStep]:
        data = state.kept.pop("rest", b"") + (frame if isinstance(frame, bytes) else b"")
        found: list[RecordedStep] = []
        while data:
            start, size = length(data, 1)
            if start < 0 or start + size > len(data):
                state.kept["rest"] = data
                break
            found += self._steps_of(data[0], data[start : start + size])
            data = data[start + size :]
        return found

    def _steps_of(self, first: int, body: bytes) -> list[RecordedStep]:
        version = 5 if self.options.version == "5" else 4
        kind = first >> 4
        if kind == 1:
            return [RecordedStep(self._connected(body), opens=True)]
        if kind == 3:
            packet, content = published(first, body, version)
            payload = packet["payload"]
            if payload is None:
                raise Malformed("a payload that is not text")
            read = document(content)
            given = {"publish": packet["topic"], "payload": read if isinstance(read, dict | list) else payload}
            return [RecordedStep(given | {"qos": packet["qos"], "retain": packet["retain"]}, packet.get("id"))]
        if kind not in (8, 10):
            return []  # acknowledgements, pings, the farewell
        at = properties(body, 2)[0] if version == 5 else 2
        filters, qos = [], 0
        while at < len(body):
            text, at = read_text(body, at)
            filters.append(text.decode())
            if kind == 8:
                qos, at = max(qos, body[at] & 3), at + 1
        named: Any = filters[0] if len(filters) == 1 else filters
        return [
            RecordedStep({"subscribe": named, "qos": qos} if kind == 8 else {"unsubscribe": named}, number(body, 0))
        ]

    def _connected(self, body: bytes) -> Table:
        """Return what a CONNECT says. Not the client's id: a second client of the same id would take over."""
        flags, at = body[7], 10
        if self.options.version == "5":
            at, _ = properties(body, at)
        _, at = read_text(body, at)
        options: Table = {"keep_alive": f"{number(body, 8)}s", "clean": bool(flags & 2)}
        if flags & 4:
            at = properties(body, at)[0] if self.options.version == "5" else at
            topic, at = read_text(body, at)
            payload, at = read_text(body, at)
            will = {"topic": topic.decode(), "payload": payload.decode()}
            options["will"] = will | {"qos": flags >> 3 & 3, "retain": bool(flags & 32)}
        for flag, name in ((0x80, "user"), (0x40, "password")):
            if flags & flag:
                text, at = read_text(body, at)
                options[name] = text.decode()
        return options

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


def _check_topic(topic: str, key: Key) -> None:
    if re.search("[#+]", re.sub(r"\{\{.*?\}\}", "", topic)):
        raise BadKey(key, "has a wildcard, # or +, which only a subscription may have: name one topic")


def _text(text: str, what: str) -> Wrap:
    return Wrap("utf16", [text], what)


def _content(payload: Any) -> Piece:
    return payload if isinstance(payload, str) else Json(payload)


def _packet(first: int, *pieces: Piece) -> list[Frame]:
    return binary(bytes([first]), Wrap("varint", pieces, "the packet"))


KINDS = {"mqtt": Mqtt}
