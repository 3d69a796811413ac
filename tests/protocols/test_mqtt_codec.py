"""Packets of MQTT 3.1.1 and 5 beside npm's mqtt-packet: all types, QoS and properties; cut and changed at any place."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.protocols.codecs import SENT, WORDS, broken, frames, heard, operation, reads_or_names, role_of, says_or_names
from tests.protocols.node_codecs import NodeCodecs
from wstui.protocols.mqtt_packets import decode
from wstui.scenario.conversation.dialect import Malformed, RecordedStep
from wstui.scenario.errors import ScenarioError

FEW = settings(max_examples=25, deadline=None)
NUMBERS, IDS = st.integers(1, 2**16 - 1), st.integers(1, 2**16 - 1)
QOS, VERSIONS = st.integers(0, 2), st.sampled_from([4, 5])
PROPERTIES = st.fixed_dictionaries(
    {},
    optional={
        "sessionExpiryInterval": st.integers(0, 2**32 - 1),
        "receiveMaximum": NUMBERS,
        "maximumQoS": QOS,
        "retainAvailable": st.booleans(),
        "maximumPacketSize": st.integers(2**16, 2**32 - 1),
        "assignedClientIdentifier": WORDS,
        "topicAliasMaximum": NUMBERS,
        "reasonString": WORDS,
        "userProperties": st.dictionaries(
            WORDS, WORDS | st.lists(WORDS, min_size=2, max_size=2), min_size=1, max_size=2
        ),
        "wildcardSubscriptionAvailable": st.booleans(),
        "serverKeepAlive": NUMBERS,
        "serverReference": WORDS,
        "authenticationMethod": WORDS,
        "authenticationData": st.binary(max_size=4),
        "payloadFormatIndicator": st.booleans(),
        "messageExpiryInterval": st.integers(0, 2**32 - 1),
        "contentType": WORDS,
        "responseTopic": WORDS,
        "correlationData": st.binary(max_size=4),
        "subscriptionIdentifier": st.integers(1, 2**28 - 1),
        "topicAlias": NUMBERS,
    },
)
BAD = [0x80, 0x83, 0x87, 0x97]
CODES = {
    "connack": [0, 0x80, 0x84, 0x87, 0x9F],
    "puback": [0, 0x10, *BAD],
    "pubrec": [0, 0x10, *BAD],
    "pubrel": [0, 0x92],
    "pubcomp": [0, 0x92],
    "suback": [0, 1, 2, *BAD],
    "unsuback": [0, 0x11, 0x80, 0x87],
    "disconnect": [0, 0x8B, 0x8E],
    "auth": [0, 0x18],
}

SAME = {"id": "messageId", "topic": "topic", "qos": "qos", "retain": "retain", "codes": "granted"}
SAME |= {"session": "sessionPresent"}


@st.composite
def packets(draw: st.DrawFn, version: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """A packet of a server in the words of mqtt-packet, and what of it must be found."""
    kinds = ["connack", "publish", "puback", "pubrec", "pubrel", "pubcomp", "suback", "unsuback", "pingresp"]
    kind = draw(st.sampled_from([*kinds, "disconnect", "auth"] if version == 5 else kinds))
    more = {"properties": draw(PROPERTIES)} if version == 5 and kind != "pingresp" else {}
    own = draw(IDS)
    found: dict[str, Any] = {"type": kind}
    made: dict[str, Any] = {"cmd": kind} | more
    code = draw(st.sampled_from(CODES[kind])) if kind in CODES and version == 5 else 0
    match kind:
        case "publish":
            qos, retain = draw(QOS), draw(st.booleans())
            payload = draw(WORDS.map(str.encode) | st.binary(max_size=200))
            about = {"topic": draw(WORDS), "qos": qos, "retain": retain}
            made |= about | {"messageId": own, "payload": payload, "dup": bool(qos) and draw(st.booleans())}
            return made, found | about | ({"id": own} if qos else {}) | {"part": payload}
        case "connack" if version == 4:
            code, present = draw(st.integers(0, 5)), draw(st.booleans())
            made |= {"returnCode": code, "sessionPresent": present}
            return made, found | {"code": code, "ok": code == 0, "session": present}
        case "connack":
            present = draw(st.booleans())
            return made | {"reasonCode": code, "sessionPresent": present}, found | {"code": code, "session": present}
        case "suback" | "unsuback":
            codes = draw(st.lists(st.sampled_from(CODES[kind] if version == 5 else [0, 1, 2, 128]), min_size=1))
            worst = max(codes) if max(codes) >= 0x80 else 0
            if kind == "unsuback" and version == 4:
                return made | {"messageId": own}, found | {"id": own, "ok": True}
            made |= {"messageId": own, "granted": codes}
            return made, found | {"id": own, "codes": codes, "code": worst, "ok": not worst}
        case "pingresp":
            return made, found
        case "disconnect" | "auth":
            return made | {"reasonCode": code}, found | {"code": code}
    return made | {"messageId": own, "reasonCode": code}, found | {"id": own, "code": code, "ok": code < 0x80}


@settings(max_examples=40, deadline=None)
@given(VERSIONS, st.data())
def test_packets_are_read_as_the_library_writes_them(node: NodeCodecs, version: int, data: st.DataObject) -> None:
    both = data.draw(st.lists(packets(version), min_size=1, max_size=4))
    written: list[bytes] = node.ask("mqtt", "encode", {"version": version, "packets": [made for made, _ in both]})
    stream = b"".join(written)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=3)))
    kept: bytes | None = None
    found: list[Any] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        messages, kept = decode(kept, True, stream[start:end], version)
        found += messages
    assert not kept
    for (document, part), (made, expected) in zip(found, both, strict=True):
        assert document | {"part": part} == document | {"part": part} | expected
        told = made.get("properties", {}).get("reasonString", "")
        assert told in document.get("reason", "") or made["cmd"] == "publish"
    read = partial(decode, version=version)
    damaged = data.draw(broken(stream))
    reads_or_names(read, damaged, data.draw(broken(stream)), is_binary=True)
    assert_alike(node, version, damaged)


def assert_alike(node: NodeCodecs, version: int, damaged: bytes) -> None:
    """What of a changed stream the library reads and we do is the same."""
    read = node.understands("mqtt", "decode", {"version": version, "frames": [damaged]})
    try:
        messages, _ = decode(None, True, damaged, version)
    except Malformed:
        return
    for (ours, _), theirs in zip(messages, read["found"] if read else (), strict=False):
        assert ours["type"] == theirs["cmd"]
        for name, their in SAME.items():
            assert name not in ours or their not in theirs or ours[name] == theirs[their], name


TOPICS = WORDS.filter(lambda word: not set(word) & set("+#"))
OPTIONS = st.fixed_dictionaries(
    {"client_id": WORDS, "clean": st.booleans(), "keep_alive": st.integers(0, 65535).map("{}s".format)},
    optional={
        "user": WORDS,
        "will": st.fixed_dictionaries(
            {"topic": TOPICS}, optional={"payload": WORDS, "qos": QOS, "retain": st.booleans()}
        ),
    },
)


@FEW
@given(VERSIONS, OPTIONS, WORDS)
def test_the_library_reads_how_clients_connect_and_we_read_how_its_do(
    node: NodeCodecs, version: int, options: dict[str, Any], password: str
) -> None:
    given = options | ({"password": password} if "user" in options else {})
    named: dict[str, Any] = {"version": "5" if version == 5 else "3.1.1"}
    (frame,) = frames(operation(role_of("mqtt", **named, **given), "connect"))
    read = node.ask("mqtt", "decode", {"version": version, "frames": [frame]})
    (found,) = read["found"]
    will = {"payload": "", "qos": 0, "retain": False} | given["will"] if "will" in given else None
    shown = {"cmd": "connect", "protocolId": "MQTT", "protocolVersion": version, "clientId": given["client_id"]}
    shown |= {"clean": given["clean"], "keepalive": int(given["keep_alive"][:-1])}
    shown |= {"username": given["user"], "password": password.encode()} if "user" in given else {}
    shown |= {"will": will | {"payload": will["payload"].encode()}} if will else {}
    assert read["left"] == 0 and found | shown == found and ("will" in found) == bool(will)
    theirs = shown | ({"properties": {"sessionExpiryInterval": 5}} if version == 5 else {})
    if will and version == 5:
        theirs |= {"will": theirs["will"] | {"properties": {"willDelayInterval": 3}}}
    (written,) = node.ask("mqtt", "encode", {"version": version, "packets": [theirs]})
    (said,) = heard("mqtt", written, **named)
    expected = {name: value for name, value in given.items() if name not in ("client_id", "will")}
    assert said == RecordedStep(expected | ({"will": will} if will else {}), opens=True)


TEXTS = st.just("") | WORDS.filter(lambda word: not word.startswith("["))  # else it might be JSON
STEPS = st.one_of(
    st.fixed_dictionaries({"publish": TOPICS, "payload": TEXTS, "qos": QOS, "retain": st.booleans()}),
    st.fixed_dictionaries({"subscribe": WORDS | st.lists(WORDS, min_size=2, max_size=3), "qos": QOS}),
    st.fixed_dictionaries({"unsubscribe": WORDS | st.lists(WORDS, min_size=2, max_size=3)}),
)


@FEW
@given(VERSIONS, STEPS, PROPERTIES, st.data())
def test_the_library_reads_what_clients_send_and_we_read_what_its_do(
    node: NodeCodecs, version: int, step: dict[str, Any], properties: dict[str, Any], data: st.DataObject
) -> None:
    named: dict[str, Any] = {"version": "5" if version == 5 else "3.1.1"}
    role = role_of("mqtt", step, **named)
    (frame,) = frames(operation(role))
    (kind,) = {"publish", "subscribe", "unsubscribe"} & step.keys()
    filters = step[kind] if isinstance(step[kind], list) else [step[kind]]
    expected: dict[str, Any] = {"cmd": kind, "messageId": SENT}
    match kind:
        case "publish":
            expected |= {"topic": step["publish"], "payload": step["payload"].encode(), "qos": step["qos"]}
            expected |= {"retain": step["retain"], "dup": False}
            if not step["qos"]:
                del expected["messageId"]
        case "subscribe":
            more = {"nl": False, "rap": False, "rh": 0} if version == 5 else {}
            expected["subscriptions"] = [{"topic": each, "qos": step["qos"]} | more for each in filters]
        case "unsubscribe":
            expected["unsubscriptions"] = filters
    (beat,) = role.beats
    ends = b"".join([frame, *frames(beat)])
    read = node.ask("mqtt", "decode", {"version": version, "frames": [ends]})
    found, ping = read["found"]
    assert read["left"] == 0 and found | expected == found and ping["cmd"] == "pingreq"
    theirs = expected | ({"properties": properties} if version == 5 else {})
    if kind == "subscribe" and version == 5:
        theirs["subscriptions"] = [each | {"nl": True, "rh": 1} for each in theirs["subscriptions"]]
    (written,) = node.ask("mqtt", "encode", {"version": version, "packets": [theirs]})
    assert heard("mqtt", written, **named) == [RecordedStep(step, expected.get("messageId"))]
    says_or_names("mqtt", data.draw(broken(written)), True, **named)


def test_a_broker_of_3_1_1_refuses_version_5_in_its_own_words(node: NodeCodecs) -> None:
    refused = {"cmd": "connack", "returnCode": 1, "sessionPresent": False}
    (frame,) = node.ask("mqtt", "encode", {"version": 4, "packets": [refused]})
    ((document, _),), _ = decode(None, True, frame, 5)
    assert (document["ok"], document["reason"]) == (False, "unacceptable protocol version")


def test_what_no_packet_can_say_is_refused(node: NodeCodecs) -> None:
    frame = b"\x36\6\0\1a\0\7x"  # QoS 3
    assert node.understands("mqtt", "decode", {"version": 4, "frames": [frame]}) is None
    with pytest.raises(Malformed, match="QoS 3"):
        decode(None, True, frame)
    with pytest.raises(ScenarioError, match="longer than the 65535 bytes"):
        role_of("mqtt", {"publish": "x" * 70_000, "payload": "said"})
