"""Guess what a server speaks: from the agreed subprotocol, the frames of a connection, and its URL, in this order."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from wstui.protocols.plain import document
from wstui.scenario.conversation.dialect import Dialect
from wstui.scenario.conversation.known_dialects import DIALECTS

ObservedFrame = tuple[bool, str | bytes]
"""A frame: whether the client sent it, and its text or bytes."""
MOST_FRAMES = 50
_RECORD_END = "\x1e"
_SUBPROTOCOLS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "graphql-transport-ws": ("graphql", {}),
    "graphql-ws": ("graphql", {"legacy": True}),
    "mqtt": ("mqtt", {}),
    "mqttv3.1": ("mqtt", {}),
    "actioncable-v1-json": ("actioncable", {}),
    "wamp.2.json": ("wamp", {}),
    "centrifuge-json": ("centrifugo", {}),
}
OFFERED = ("any", *_SUBPROTOCOLS, "ocpp1.6", "ocpp2.0.1", "v12.stomp", "v11.stomp", "v10.stomp")
"""Subprotocols that give a server away that picks one, behind one that none speaks."""


class Opening(NamedTuple):
    """What a client of a protocol with these options says first."""

    protocol: str
    text: str | bytes
    options: Mapping[str, Any] = {}
    offers: bool = False
    """Whether it offers the protocol's subprotocols: some servers take no request that offers others as well."""


CONNECT = "CONNECT\naccept-version:1.2,1.1,1.0\nhost:localhost\n\n\0"
OPENINGS = (
    Opening("phoenix", '[null,"1","phoenix","heartbeat",{}]'),
    Opening("phoenix", '{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"1"}', {"version": 1}),
    Opening("centrifugo", '{"id":1,"connect":{}}'),
    Opening("signalr", f'{{"protocol":"json","version":1}}{_RECORD_END}'),
    Opening("stomp", CONNECT, offers=True),
    Opening("stomp", CONNECT, {"subprotocol": False}),
    Opening("stomp", json.dumps([CONNECT]), {"sockjs": True}),
    Opening("jsonrpc", '{"jsonrpc":"2.0","id":1,"method":"rpc.discover"}'),
    Opening("graphql", '{"type":"connection_init"}', offers=True),
    Opening("graphql", '{"type":"connection_init"}', {"legacy": True}, offers=True),
    Opening("wamp", '[1,"realm1",{"roles":{"caller":{}}}]', offers=True),
    Opening("mqtt", b"\x10\x0c\0\4MQTT\4\2\0\x3c\0\0", offers=True),
)
"""Of protocols whose servers wait for the client: what begins, and is answered by no other."""


BEATS: Mapping[str, float] = {"actioncable": 4.0}
"""Protocols whose servers send a ping that no other does, and within how many seconds."""


@dataclass(frozen=True, slots=True)
class ProtocolGuess:
    """A protocol with its options; `why` names what gave it away.

    `certain` is False if other servers have that as well. `echoes`: the server sends back what it gets.
    """

    protocol: str
    why: str
    options: Mapping[str, Any] = field(default_factory=dict)
    certain: bool = True
    echoes: bool = False


def guess(url: str, subprotocol: str = "", frames: Iterable[ObservedFrame] = ()) -> ProtocolGuess | None:
    """Return what a connection speaks; "json", "lines" or "raw" if no protocol on top is seen, None without a sign."""
    if (found := _by_subprotocol(subprotocol.lower())) and found.protocol in DIALECTS:
        return found
    seen = [frame for frame, _ in zip(frames, range(MOST_FRAMES), strict=False)]
    unsure = None
    for sent, data in seen:
        found = _binary(data) if isinstance(data, bytes) else _text(data, sent, url)
        if found and found.protocol == "socketio" and _joins_by_itself(seen):
            return replace(found, options={"version": 3})
        if found and found.certain and found.protocol in DIALECTS:
            return found
        unsure = unsure or found
    if unsure is not None and unsure.protocol in BEATS and any(sent for sent, _ in seen):
        unsure = None  # what a client of it says is certain
    found = unsure or _by_url(url)
    return found if found and found.protocol in DIALECTS else _plain(seen) if seen else None


def _by_subprotocol(name: str) -> ProtocolGuess | None:
    why = f'the subprotocol "{name}"'
    if match := re.fullmatch(r"ocpp(1\.6|2\.0\.1)", name):
        return ProtocolGuess("ocpp", why, {"version": match[1]})
    if match := re.fullmatch(r"v1([012])\.stomp", name):
        return ProtocolGuess("stomp", why, {} if match[1] == "2" else {"version": f"1.{match[1]}"})
    protocol, options = _SUBPROTOCOLS.get(name, ("", {}))
    return ProtocolGuess(protocol, why, options) if protocol else None


def guess_by_close(protocol: str, kind: type[Dialect], code: int | None) -> ProtocolGuess | None:
    """Return that it is this protocol if the answer to its opening was a close code of its own."""
    meaning = kind.closes.get(code or 0) if (code or 0) >= 3000 else None
    return ProtocolGuess(protocol, f"it closes with {code}, {meaning}") if meaning else None


def _joins_by_itself(seen: list[ObservedFrame]) -> bool:
    """Return whether a server says that the client has joined before it has asked: one of Socket.IO 2."""
    joins = (sent for sent, data in seen if isinstance(data, str) and re.match("40(?!/)", data))
    return next(joins, True) is False


def _binary(data: bytes) -> ProtocolGuess | None:
    if data[:1] == b"\x10" and (found := re.match(rb"\x10[\x80-\xff]{0,3}[\x00-\x7f]\x00\x04MQTT([\x04\x05])", data)):
        return ProtocolGuess("mqtt", "its CONNECT packet", {"version": "5"} if found[1] == b"\5" else {})
    if re.fullmatch(rb"\x20\x02[\x00\x01][\x00-\x05]", data):
        return ProtocolGuess("mqtt", "its CONNACK packet")
    return None


def _text(text: str, sent: bool, url: str) -> ProtocolGuess | None:
    if re.match(r'0\{.*"sid"', text):
        old = "EIO=3" in url
        return ProtocolGuess("socketio", "the open packet of Engine.IO", {"version": 3} if old else {})
    if match := re.match(r"(CONNECT|STOMP|CONNECTED|ERROR)\r?\n", text):
        return ProtocolGuess("stomp", f"its {match[1]} frame")
    if text == "o" and not sent:
        return ProtocolGuess(
            "stomp", "the open frame of SockJS, which mostly carries STOMP", {"sockjs": True}, certain=False
        )
    if re.match(r'a\["(CONNECTED|ERROR)\\', text) and not sent:
        return ProtocolGuess("stomp", "its frames inside SockJS", {"sockjs": True})
    if text.endswith(_RECORD_END):
        return ProtocolGuess(
            "signalr", "records that end in 0x1e", {"format": "messagepack"} if '"messagepack"' in text else {}
        )
    found = document(text.encode("utf-8", "replace"))
    if found is None and "\n" in text:
        found = document(text.partition("\n")[0].encode("utf-8", "replace"))
    return next((made for rule in _DOCUMENTS if (made := rule(found))), None)


def _pusher(found: Any) -> ProtocolGuess | None:
    match found:
        case {"event": str(event)} if event.startswith(("pusher:", "pusher_internal:")):
            return ProtocolGuess("pusher", f"its {event}")
    return None


def _phoenix(found: Any) -> ProtocolGuess | None:
    match found:
        case [_, _, str(), str(event), dict()] if event.startswith("phx_"):
            return ProtocolGuess("phoenix", f"its {event}")
        case [_, _, "phoenix", "heartbeat", dict()]:
            return ProtocolGuess("phoenix", "its heartbeat")
        case {"topic": str(topic), "event": str(event)} if event.startswith("phx_") or topic == "phoenix":
            return ProtocolGuess("phoenix", f"its {event}", {"version": 1})
    return None


def _actioncable(found: Any) -> ProtocolGuess | None:
    match found:
        case {"type": "confirm_subscription" | "reject_subscription" as kind, "identifier": str()}:
            return ProtocolGuess("actioncable", f"its {kind}")
        case {"command": "subscribe" | "message", "identifier": str()}:
            return ProtocolGuess("actioncable", "its commands with an identifier")
        case {"type": "welcome"} if found.keys() <= {"type", "sid"}:
            return ProtocolGuess("actioncable", "its bare welcome, which others say as well", certain=False)
        case {"type": "ping", "message": int(stamp)} if stamp > 10**9:
            return ProtocolGuess("actioncable", "its ping")
    return None


def _graphql(found: Any) -> ProtocolGuess | None:
    match found:
        case {"type": "connection_init" | "connection_ack" as kind}:
            return ProtocolGuess("graphql", f"its {kind}")
        case {"type": "ka" | "connection_error"} | {"type": "start", "payload": {"query": str()}}:
            return ProtocolGuess("graphql", "a message of the old graphql-ws", {"legacy": True})
    return None


def _centrifugo(found: Any) -> ProtocolGuess | None:
    match found:
        case {"connect": dict(inner), "id": int()} if not inner or inner.keys() & {
            "client",
            "token",
            "version",
            "name",
        }:
            return ProtocolGuess("centrifugo", "its connect command")
        case {"id": int(), "error": {"code": int(code), "message": str()}} if 99 < code < 200:
            return ProtocolGuess("centrifugo", "the code of its error")
        case {"push": {"channel": str()}}:
            return ProtocolGuess("centrifugo", "its push")
    return None


def _arrays(found: Any) -> ProtocolGuess | None:
    match found:
        case [1, str(realm), {"roles": dict()}]:
            return ProtocolGuess("wamp", "its HELLO", {"realm": realm})
        case [2, int(), {"roles": dict()}]:
            return ProtocolGuess("wamp", "its WELCOME")
        case [3, dict(), str(reason)] if reason.startswith("wamp."):
            return ProtocolGuess("wamp", "its ABORT")
        case [2, str(), str(action), dict()]:
            return ProtocolGuess("ocpp", f"a call of {action}")
    return None


def _others(found: Any) -> ProtocolGuess | None:
    match found:
        case {"jsonrpc": "2.0"}:
            return ProtocolGuess("jsonrpc", "its jsonrpc key")
        case {"type": str(kind)} if kind in _REALTIME or kind.startswith(("input_audio_buffer.", "response.output_")):
            return ProtocolGuess("realtime", f"its {kind}")
    return None


_REALTIME = ("session.created", "session.update", "session.updated", "response.create", "response.created")
_DOCUMENTS: tuple[Callable[[Any], ProtocolGuess | None], ...] = (
    _pusher, _phoenix, _actioncable, _graphql, _centrifugo, _arrays, _others,
)  # fmt: skip
_URLS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    (r"[?&]EIO=3\b", "socketio", {"version": 3}),
    (r"/socket\.io/|[?&]EIO=4\b", "socketio", {}),
    (r"[?&]vsn=2\.", "phoenix", {}),
    (r"[?&]vsn=1\.", "phoenix", {"version": 1}),
    (r"/app/[\w-]+\?(.*&)?protocol=\d", "pusher", {}),
    (r"/connection/websocket$", "centrifugo", {}),
    (r"/\d{3}/[\w-]+/websocket$", "stomp", {"sockjs": True}),
    (r"/cable$", "actioncable", {}),
    (r"/mqtt$", "mqtt", {}),
    (r"/graphql$", "graphql", {}),
)


def _by_url(url: str) -> ProtocolGuess | None:
    for pattern, protocol, options in _URLS:
        if match := re.search(pattern, url if "?" in pattern else url.partition("?")[0]):
            return ProtocolGuess(protocol, f'the URL, which has "{match[0]}"', options, certain=False)
    return None


def _plain(seen: list[ObservedFrame]) -> ProtocolGuess:
    texts = [data for _, data in seen if isinstance(data, str)]
    documents = [_read(text) for text in texts]
    if texts and all(documents):
        return ProtocolGuess("json", "JSON frames")
    lines = [line for text in texts for line in text.splitlines() if line.strip()]
    if len(lines) > len(texts) and all(map(_read, lines)):
        return ProtocolGuess("lines", "several JSON documents a frame")
    return ProtocolGuess("raw", "frames that are not JSON")


def _read(text: str) -> bool:
    return isinstance(document(text.encode("utf-8", "replace")), dict | list)
