"""Packets of MQTT, their properties packed and reason codes named by paho-mqtt, cut and changed at any place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wstui.protocols.mqtt_packets import decode, decode_5
from wstui.scenario.conversation.dialect import MOST_KEPT, Malformed
from wstui.scenario.conversation.pack import varint

pytest.importorskip("paho.mqtt.properties", reason="paho-mqtt is not installed")

import paho.mqtt.properties
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=6)
CODES = st.sampled_from([0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99])


def text(value: str) -> bytes:
    return len(value.encode()).to_bytes(2, "big") + value.encode()


def packed(kind: int, reason: str, more: dict[str, Any]) -> bytes:
    """Properties as paho packs them."""
    made: Any = paho.mqtt.properties.Properties(kind)  # type: ignore[no-untyped-call]
    if reason:
        made.ReasonString = reason
    for name, value in more.items():
        setattr(made, name, value)
    return bytes(made.pack())


@st.composite
def packets(draw: st.DrawFn) -> tuple[bytes, dict[str, Any]]:
    """A packet of version 5, and what of it must be found."""
    own, reason = draw(st.integers(1, 65535)), draw(st.just("") | WORDS)
    number = own.to_bytes(2, "big")
    users = draw(st.lists(st.tuples(WORDS, WORDS), max_size=2))
    more: dict[str, Any] = {"UserProperty": users} if users else {}
    match draw(st.sampled_from(["publish", "puback", "suback", "pingresp"])):
        case "publish":
            topic, payload, qos = draw(WORDS), draw(WORDS), draw(st.integers(0, 2))
            more |= draw(st.fixed_dictionaries({}, optional={"ContentType": WORDS, "TopicAlias": st.integers(1, 9)}))
            body = text(topic) + number * bool(qos) + packed(PacketTypes.PUBLISH, "", more) + payload.encode()
            found: dict[str, Any] = {"type": "publish", "topic": topic, "payload": payload, "qos": qos}
            return bytes([0x30 | qos << 1]) + varint(len(body)) + body, found | ({"id": own} if qos else {})
        case "puback":
            code = draw(CODES)
            body = number + bytes([code]) + packed(PacketTypes.PUBACK, reason, more)
            named = str(ReasonCode(PacketTypes.PUBACK, identifier=code)).lower()
            words = ": ".join(filter(None, dict.fromkeys((named, reason))))
            found = {"type": "puback", "id": own, "ok": False, "code": code}
            found |= {"reason": words}
            return b"\x40" + varint(len(body)) + body, found
        case "suback":
            codes = draw(st.lists(st.integers(0, 2), min_size=1, max_size=3))
            body = number + packed(PacketTypes.SUBACK, reason, more) + bytes(codes)
            return b"\x90" + varint(len(body)) + body, {"type": "suback", "id": own, "codes": codes, "ok": True}
    return b"\xd0\0", {"type": "pingresp"}


@given(st.lists(packets(), min_size=1, max_size=4), st.lists(st.integers(0, 60), max_size=3), st.data())
def test_packets_share_and_cross_frames(made: list[tuple[bytes, dict[str, Any]]], cuts: list[int], data: Any) -> None:
    stream = b"".join(packet for packet, _ in made)
    ends = sorted({*(cut for cut in cuts if cut < len(stream)), len(stream)})
    kept: bytes | None = None
    found: list[Any] = []
    for start, end in zip([0, *ends], ends, strict=False):
        messages, kept = decode_5(kept, True, stream[start:end])
        found += [document for document, _ in messages]
    assert not kept and len(found) == len(made)
    for document, (_, expected) in zip(found, made, strict=True):
        assert {name: document.get(name) for name in expected} == expected
    broken = bytearray(stream)
    broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    reads_or_names(bytes(broken))


@given(st.binary(max_size=40), st.booleans())
def test_whatever_comes_is_read_or_named(payload: bytes, is_binary: bool) -> None:
    reads_or_names(payload, is_binary)


def reads_or_names(payload: bytes, is_binary: bool = True) -> None:
    for read in (decode, decode_5):
        try:
            messages, kept = read(None, is_binary, payload)
        except Malformed:
            continue
        assert all(document["type"] for document, _ in messages) and len(kept or b"") <= len(payload)


def test_a_short_acknowledgement_is_read_as_a_long_one() -> None:
    ((short, part),), _ = decode(None, True, b"\x40\2\1\2")
    ((long, other), (_, _)), _ = decode(None, True, b"\x40\2\1\2\xd0\0")
    assert (short, part) == (long, other)
    with pytest.raises(Malformed, match="16 MiB"):
        decode(None, True, b"\x30" + varint(MOST_KEPT + 1))
