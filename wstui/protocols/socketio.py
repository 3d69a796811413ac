"""Socket.IO 3 and later (Engine.IO 4), and Socket.IO 2 (Engine.IO 3), over WebSocket.

Written by hand: the packet format is a prefix of digits before JSON, and the Python library brings tasks of its own.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from wstui.protocols.step_keys import from_base64
from wstui.scenario.conversation.dialect import (
    MOST_KEPT,
    BadKey,
    Decode,
    Dialect,
    Frame,
    Json,
    Malformed,
    Piece,
    RecordedState,
    RecordedStep,
    Table,
    Wrap,
    reply,
    text,
    with_path,
    with_query,
    without_query,
)

_ENGINE = {b"0": "open", b"1": "close", b"2": "ping", b"3": "pong", b"5": "upgrade", b"6": "noop"}
_PACKETS = ("connect", "disconnect", "event", "ack", "connect_error", "event", "ack")
_HEAD = re.compile(rb"4([0-6])(?:(\d{1,4})-)?(?:(/[^,]*)(?:,|$))?(\d{1,15})?")
_LONGEST_ID = 18
_from_json = msgspec.json.Decoder().decode


class SocketIOOptions(msgspec.Struct, kw_only=True):
    namespace: Annotated[str, Meta(description="the namespace that clients join")] = "/"
    auth: Annotated[Any, Meta(description='what they join it with: { token = "{{token}}" }')] = None
    version: Annotated[Literal[4, 3], Meta(description="Engine.IO: 4, or 3 for servers of Socket.IO 2")] = 4


class SocketIOKeys(msgspec.Struct, kw_only=True):
    emit: Annotated[str, Meta(description="the event to send")] = ""
    data: Annotated[Any, Meta(description="its argument")] = None
    args: Annotated[list[Any], Meta(description="its arguments, if it has several")] = []
    attach: Annotated[list[str], Meta(description="binary arguments after these, each in base64")] = []
    ack: Annotated[bool, Meta(description="wait for the acknowledgement; expect and capture read its argument")] = False
    connect: Annotated[str, Meta(description="join one more namespace: /admin")] = ""
    auth: Annotated[Any, Meta(description="what it is joined with")] = None
    namespace: Annotated[str, Meta(description="the namespace of the event; unset: that of the target")] = ""


class SocketIO(Dialect):
    title = "Socket.IO: events, acknowledgements, namespaces"
    option_keys, step_keys = SocketIOOptions, SocketIOKeys
    kinds = ("event", "type")
    options: SocketIOOptions

    def address(self, url: str) -> str:
        return with_query(with_path(url, "/socket.io/"), EIO=str(self.options.version), transport="websocket")

    def opening(self) -> list[Table]:
        namespace = self.options.namespace
        self._check_auth(self.options.auth)
        times = {"_beat": "pingInterval", "_dead": "deadline"}
        connect = self._connect(namespace, self.options.auth) | {"name": "connect"}
        if self.options.version == 3 and namespace == "/":
            del connect["frames"]  # such a server connects to it by itself
        return [{"name": "open", "expect": {"type": "open"}, "capture": times}, connect]

    def _check_auth(self, auth: Any) -> None:
        if self.options.version == 3 and auth is not None:
            raise BadKey(("auth",), 'is not known to version 3: put it into the query: url = "…?token={{token}}"')

    def _connect(self, namespace: str, auth: Any) -> Table:
        answered = namespace.partition("?")[0]
        return {
            "frames": text("40", *_of(namespace), *([] if auth is None else [Json(auth)])),
            "expect": {"type": "connect", "namespace": answered},
            "refuse": {"type": "connect_error", "namespace": answered},
            "reason": "reason",
        }

    def step(self, keys: SocketIOKeys, given: Table) -> Table:
        if bool(keys.emit) == bool(keys.connect):
            raise BadKey((), 'says neither what to emit nor what to connect: write emit = "event"')
        if keys.connect:
            self._check_auth(keys.auth)
            return given | self._connect(keys.connect, keys.auth)
        arguments = keys.args or ([] if keys.data is None else [keys.data])
        count = len(keys.attach)
        arguments += [{"_placeholder": True, "num": number} for number in range(count)]
        namespace = (keys.namespace or self.options.namespace).partition("?")[0]
        head: list[Piece] = [f"45{count}-" if count else "42", *_of(namespace)]
        if keys.ack:
            head.append("{{seq}}")
        frames = [*text(*head, Json([keys.emit, *arguments])), *map(self._attachment, keys.attach)]
        table = given | {"frames": frames}
        return reply(table, {"type": "ack", "id": "{{seq}}"}, "data") if keys.ack else table

    def _attachment(self, encoded: str) -> Frame:
        content = from_base64(encoded, "attach")
        return Frame([b"\4" * (self.options.version == 3) + content], True)

    def bare(self, url: str) -> str:
        return without_query(url, "EIO", "transport", "sid", "t")

    def recorded(self, frame: str | bytes, state: RecordedState) -> list[RecordedStep]:
        kept = state.kept
        if isinstance(frame, bytes):
            given, own, left = kept.pop("attached")
            attachment = frame[1:] if self.options.version == 3 else frame
            given["attach"] = [*given.get("attach", []), base64.b64encode(attachment).decode()]
            if left == 1:
                return [RecordedStep(given, own)]
            kept["attached"] = given, own, left - 1
            return []
        head = _HEAD.match(frame.encode())
        if head is None or head[1] == b"1":
            return []  # of Engine.IO, or a farewell
        packet, count, named, own = (part and part.decode() for part in head.groups())
        rest = frame.encode()[head.end() :]
        content, namespace = _json(rest) if rest else None, named or "/"
        if packet == "0":
            first = kept.setdefault("namespace", namespace) == namespace
            joined = {"namespace" if first else "connect": namespace, "auth": content}
            return [RecordedStep(joined, opens=first)]
        if packet not in ("2", "5") or not isinstance(content, list) or not content:
            raise Malformed("no packet that a step sends")
        size = int(count or 0)
        event, *arguments = content[: len(content) - size]
        if content[len(content) - size :] != [{"_placeholder": True, "num": n} for n in range(size)]:
            raise Malformed("attachments inside its arguments")
        given = {"emit": event, "ack": own is not None}
        given |= {"data": arguments[0]} if len(arguments) == 1 and arguments[0] is not None else {"args": arguments}
        given |= {"namespace": namespace} if namespace != kept.get("namespace", "/") else {}
        if size:
            kept["attached"] = given, own, size
        return [] if size else [RecordedStep(given, own)]

    def rules(self) -> dict[str, list[Table]]:
        goodbye = {"on": [{"type": "disconnect"}, {"type": "close"}], "reason": "reason", "closes": True}
        if self.options.version == 3:
            beat = {"every": "{{_beat}}ms", "frames": text("2"), "expect": {"type": "pong"}}
            return {"heartbeats": [beat], "watchdogs": [{"variable": "_dead"}], "errors": [goodbye]}
        return {
            "answer": [{"on": {"type": "ping"}, "frames": text("3")}],
            "watchdogs": [{"on": {"type": "ping"}, "variable": "_dead"}],
            "errors": [goodbye],
        }

    def leaving(self) -> list[Table]:
        return [{"frames": text("41", *_of(self.options.namespace.partition("?")[0]))}]

    def decoder(self) -> Decode:
        return _old if self.options.version == 3 else decode


def _of(namespace: str) -> Sequence[Piece]:
    return [] if namespace == "/" else [Wrap("namespace", [namespace], "the namespace"), ","]


Kept = tuple[dict[str, Any], int, list[bytes]] | None
"""A packet whose attachments are still to come: how many it has, and its frames so far."""


def decode(kept: Kept, binary: bool, payload: bytes) -> tuple[Sequence[tuple[Any, bytes]], Kept]:
    """Return the packet in a frame, or that it completes."""
    found: dict[str, Any]
    if binary:
        return _attached(kept, payload)
    if kept is not None:
        raise Malformed("text in the place of a binary attachment")
    if (
        payload.startswith(b"43")
        and (at := payload.find(b"[", 2, _LONGEST_ID)) > 2
        and (own := payload[2:at]).isdigit()
    ):
        # What most frames are: an acknowledgement in the first namespace.
        arguments = _json(payload[at:])
        argument = arguments[0] if arguments else None
        found = {"type": "ack", "namespace": "/", "id": int(own), "data": argument, "args": arguments}
        return ((found, payload),), None
    if payload[:1] != b"4":
        return [(_engine(payload), payload)], None
    head = _HEAD.match(payload)
    if head is None:
        raise Malformed("a packet of no known type")
    number, attachments, namespace, identity = head.groups()
    kind = _PACKETS[int(number)]
    found = {"type": kind, "namespace": namespace.decode("utf-8", "replace") if namespace else "/"}
    if identity is not None:
        found["id"] = int(identity)
    if head.end() < len(payload):
        found["data"] = _json(payload[head.end() :])
    if kind == "event" or kind == "ack":
        arguments = found.get("data")
        if not isinstance(arguments, list) or (kind == "event" and not arguments):
            raise Malformed(f"an {kind} without its list of arguments")
        if kind == "event":
            found["event"] = str(arguments[0])
            del arguments[0]
        found["args"] = arguments
        found["data"] = arguments[0] if arguments else None
        if attachments is not None and int(attachments):
            return (), (found, int(attachments), [payload])
    elif kind == "connect_error":
        data = found.get("data")
        found["reason"] = data.get("message", "") if isinstance(data, dict) else data
    elif kind == "disconnect":
        found["reason"] = "the server left the namespace (41)"
    return [(found, payload)], None


def _engine(payload: bytes) -> dict[str, Any]:
    kind = _ENGINE.get(payload[:1])
    if kind is None:
        raise Malformed("a packet of no known type")
    found: dict[str, Any] = {"type": kind}
    if kind == "open":
        opened = _json(payload[1:])
        if not isinstance(opened, dict):
            raise Malformed("an open packet without its session")
        found = opened | found
        times = opened.get("pingInterval"), opened.get("pingTimeout")
        if all(isinstance(time, int) for time in times):
            found["deadline"] = sum(times)
    elif kind == "close":
        found["reason"] = "the server closed the session (1)"
    return found


def _attached(kept: Kept, payload: bytes) -> tuple[Sequence[tuple[Any, bytes]], Kept]:
    if kept is None:
        raise Malformed("a binary frame that no packet announced")
    found, count, frames = kept
    frames.append(payload)
    if sum(map(len, frames)) > MOST_KEPT:
        raise Malformed(f"attachments of more than {MOST_KEPT >> 20} MiB")
    if len(frames) <= count:
        return (), kept
    found["attachments"] = [len(frame) for frame in frames[1:]]
    return [(found, b"".join(frames))], None


def _old(kept: Kept, binary: bool, payload: bytes) -> tuple[Sequence[tuple[Any, bytes]], Kept]:
    """In Engine.IO 3 the type of a packet stands before binary data, too."""
    return decode(kept, binary, payload[1:] if binary else payload)


def _json(payload: bytes) -> Any:
    try:
        return _from_json(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Malformed("a packet whose data is not JSON") from None


KINDS = {"socketio": SocketIO}
