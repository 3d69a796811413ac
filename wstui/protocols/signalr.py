"""SignalR of ASP.NET Core: calls of hub methods, streams and events, in JSON or MessagePack.

Written by hand but for MessagePack, which msgspec reads and writes: JSON messages end with a record separator, others
begin with their length, and a frame holds several.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from wstui.protocols.plain import UNREADABLE, document, from_json
from wstui.scenario.conversation.dialect import (
    BadKey,
    Decode,
    Dialect,
    Frame,
    Json,
    Malformed,
    RecordedState,
    RecordedStep,
    Seconds,
    Table,
    Wrap,
    binary,
    reply,
    text,
    with_query,
)

_END = "\x1e"
_ID = "{{seq text}}"
_COMMANDS = ("invoke", "stream", "notify")
# Values of types that only an application knows are their bytes.
_from_msgpack = msgspec.msgpack.Decoder(ext_hook=lambda _kind, content: bytes(content)).decode


class SignalROptions(msgspec.Struct, kw_only=True):
    format: Annotated[Literal["json", "messagepack"], Meta(description="json or messagepack")] = "json"
    ping: Annotated[Seconds, Meta(description="how often clients say that they are there")] = Seconds(15)
    silence: Annotated[Seconds, Meta(description="drop a server that sends nothing for so long")] = Seconds(30)
    negotiate: Annotated[bool, Meta(description="ask the hub for a connection first, as its clients do by default")] = (
        False
    )
    result: Annotated[Any, Meta(description="the answer when the server calls a client and waits for a result")] = None


class SignalRKeys(msgspec.Struct, kw_only=True):
    invoke: Annotated[str, Meta(description="the hub's method to call; the step ends with its `result`")] = ""
    stream: Annotated[str, Meta(description="the hub's method to stream from; the step ends with the last item")] = ""
    notify: Annotated[str, Meta(description="the hub's method to call without a result")] = ""
    args: Annotated[list[Any], Meta(description="the arguments")] = []


class SignalR(Dialect):
    title = "SignalR of ASP.NET Core: hub methods, streams and events"
    option_keys, step_keys = SignalROptions, SignalRKeys
    kinds = ("target", "type")
    options: SignalROptions

    def address(self, url: str) -> str:
        return with_query(url, id="{{_connection}}") if self.options.negotiate else url

    def login(self, url: str, headers: Mapping[str, str]) -> list[Table]:
        if not self.options.negotiate:
            return []
        path, mark, query = f"http{url.removeprefix('ws')}".partition("?")
        address = with_query(f"{path.rstrip('/')}/negotiate{mark}{query}", negotiateVersion="1")
        return [
            {
                "name": "negotiate",
                "post": address,
                "headers": dict(headers),
                "capture": {"_connection": "connectionToken"},
            }
        ]

    def opening(self) -> list[Table]:
        return [
            {
                "name": "handshake",
                "frames": text(Json({"protocol": self.options.format, "version": 1}), _END),
                "expect": {"type": "handshake"},
                "refuse": [{"type": "handshake_error"}, {"type": "close"}],
                "reason": ["error", "reason"],
            }
        ]

    def step(self, keys: SignalRKeys, given: Table) -> Table:
        named = [name for name in _COMMANDS if getattr(keys, name)]
        if len(named) != 1:
            raise BadKey((), f'says one of {", ".join(_COMMANDS)}: write invoke = "Method"')
        number, method = 4 if keys.stream else 1, getattr(keys, named[0])
        if keys.notify:
            return given | {"frames": self._call(number, method, keys.args, None)}
        table = given | {"frames": self._call(number, method, keys.args, _ID)}
        done, failed = {"type": "completion", "id": _ID}, {"type": "error", "id": _ID}
        return reply(table, done, "", failed, reason=["error"])

    def _call(self, number: int, method: str, arguments: list[Any], own: str | None) -> list[Frame]:
        known = {"invocationId": own} if own else {}
        return self._framed(
            {"type": number, "target": method, "arguments": arguments} | known, [number, {}, own, method, arguments, []]
        )

    def _framed(self, message: Table, parts: list[Any]) -> list[Frame]:
        if self.options.format == "json":
            return text(Json(message), _END)
        return binary(Wrap("varint", [Wrap("msgpack", [Json(parts)])]))

    def recorded(self, frame: str | bytes, state: RecordedState) -> list[RecordedStep]:
        if isinstance(frame, str):
            messages = [document(record) for record in frame.split(_END) if record]
        else:
            messages = [_unpacked(record) for record in _records(frame)]
        found: list[RecordedStep] = []
        for message in messages:
            match message:
                case {"protocol": str(form), "version": 1}:
                    found.append(RecordedStep({"format": form}, opens=True))
                case {"type": 1 | 4 as kind, "target": str(method), **rest} if not rest.get("streamIds"):
                    own = rest.get("invocationId")
                    command = "stream" if kind == 4 else "notify" if own is None else "invoke"
                    found.append(RecordedStep({command: method, "args": rest.get("arguments", [])}, own))
                case {"type": 3, "result": result}:
                    found.append(RecordedStep({"result": result}, opens=True))
                case {"type": 3 | 6 | 7}:
                    pass
                case _:
                    raise Malformed("no message that a step sends")
        return found

    def rules(self) -> dict[str, list[Table]]:
        number, result = "{{message.id}}", self.options.result
        answered = self._framed({"type": 3, "invocationId": number, "result": result}, [3, {}, number, 3, result])
        said = [{"type": kind} for kind in ("ping", "invocation", "item", "completion", "error")]
        return {
            "answer": [{"on": {"type": "invocation", "waits": True}, "frames": answered}],
            "heartbeats": [{"every": f"{self.options.ping:g}s", "frames": self._framed({"type": 6}, [6])}],
            "watchdogs": [{"on": said, "within": f"{self.options.silence:g}s"}],
            "errors": [
                {"on": {"type": "close"}, "reason": ["reason"], "closes": True},
                {"on": {"type": "error"}, "reason": ["error"]},
            ],
        }

    def decoder(self) -> Decode:
        return decode_messagepack if self.options.format == "messagepack" else decode_json


def decode_json(kept: Any, _binary: bool, payload: bytes) -> tuple[Sequence[tuple[Any, bytes]], bool]:
    """Return the messages of a frame; the first one of a connection is the answer to the handshake."""
    if kept is not None and payload.find(b"\x1e") == len(payload) - 1:
        # Most frames are one message.
        record = payload[:-1]
        try:
            message = from_json(record)
        except UNREADABLE:
            message = None
        if type(message) is dict:
            return ((_named(message), record),), True
    found: list[tuple[Any, bytes]] = []
    if kept is None:
        payload = _handshake(payload, found)
    if payload and not payload.endswith(b"\x1e"):
        raise Malformed("no record separator at the end")
    for record in payload[:-1].split(b"\x1e") if payload else ():
        message = document(record)
        if type(message) is not dict:
            raise Malformed("no JSON object")
        found.append((_named(message), record))
    return found, True


def decode_messagepack(kept: Any, _binary: bool, payload: bytes) -> tuple[Sequence[tuple[Any, bytes]], bool]:
    """Return the messages of a frame as they are in JSON."""
    if kept is not None and payload and payload[0] == len(payload) - 1 < 128:
        # Most frames are one short message.
        record = payload[1:]
        return ((_named(_unpacked(record)), record),), True
    found: list[tuple[Any, bytes]] = []
    if kept is None:
        payload = _handshake(payload, found)
    found += ((_named(_unpacked(record)), record) for record in _records(payload))
    return found, True


def _unpacked(record: bytes) -> Table:
    """Return a message of MessagePack as it is in JSON."""
    try:
        parts = _from_msgpack(record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Malformed("no MessagePack") from None
    if type(parts) is not list or not parts or not isinstance(parts[0], int):
        raise Malformed("no message of a hub")
    if parts[0] == 3 and len(parts) > 3 and type(kind := parts[3]) is int:
        # What most messages are: the end of an invocation, with a result, an error or neither.
        completion = {"type": 3, "invocationId": parts[2]}
        if kind != 2:
            if len(parts) < 5:
                raise Malformed("a completion without its result")
            completion["error" if kind == 1 else "result"] = parts[4]
        return completion
    if len(parts) < _SHORTEST.get(parts[0], 1):
        raise Malformed("a message of too few parts")
    shape = _SHAPES.get(parts[0], ("type",))
    return {name: part for name, part in zip(shape, parts, strict=False) if part is not None}


def _handshake(payload: bytes, found: list[tuple[Any, bytes]]) -> bytes:
    head, end, rest = payload.partition(b"\x1e")
    answer = document(head)
    if not end or not isinstance(answer, dict):
        raise Malformed("no answer to the handshake")
    found.append((answer | {"type": "handshake_error" if "error" in answer else "handshake"}, head))
    return rest


def _records(payload: bytes) -> Iterator[bytes]:
    at, end = 0, len(payload)
    while at < end:
        size = payload[at]
        at += 1
        if size > 127:
            size, shift = size & 127, 7
            while True:
                if at >= end or shift > 28:
                    raise Malformed("no length of a message")
                byte = payload[at]
                at += 1
                size |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    break
        if at + size > end:
            raise Malformed("a message that is cut off")
        yield payload[at : at + size]
        at += size


_NAMES = {1: "invocation", 2: "item", 3: "completion", 4: "stream", 5: "cancel", 6: "ping", 7: "close", 8: "ack"}
_SHORTEST = {1: 5, 2: 4, 3: 4, 7: 2}
_SHAPES = {
    1: ("type", "headers", "invocationId", "target", "arguments", "streamIds"),
    4: ("type", "headers", "invocationId", "target", "arguments", "streamIds"),
    2: ("type", "headers", "invocationId", "item"),
    7: ("type", "error", "allowReconnect"),
}


def _named(message: Table) -> Table:
    """Return a message with its type as a word, its number as `id`, and whether the server `waits` for a result."""
    number = message.get("type")
    if number == 3:
        message["type"] = "completion" if message.get("error") is None else "error"
        message["id"] = message.get("invocationId")
        return message
    kind = _NAMES.get(number, "message") if type(number) is int else "message"
    message["type"] = kind
    if number == 7:
        again = ", and lets clients come back" if message.get("allowReconnect") else ""
        message["reason"] = f"{message.get('error') or 'the hub closed the connection'}{again}"
    if (own := message.get("invocationId")) is not None:
        message["id"] = own
        message["waits"] = number == 1
    return message


KINDS = {"signalr": SignalR}
