"""STOMP 1.0 to 1.2 over WebSocket, raw and inside SockJS.

Written by hand: a frame is a command, lines of headers and a body, and the Python client brings threads.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from wstui.protocols.plain import document
from wstui.protocols.step_keys import command_of
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
    Seconds,
    Table,
    Wrap,
    reply,
    text,
    with_path,
)
from wstui.scenario.errors import quote


class StompOptions(msgspec.Struct, kw_only=True):
    version: Annotated[Literal["1.2", "1.1", "1.0"], Meta(description="of the protocol: 1.2, 1.1 or 1.0")] = "1.2"
    sockjs: Annotated[bool, Meta(description="speak inside SockJS, at a session's own path below the URL")] = False
    subprotocol: Annotated[
        bool, Meta(description="offer one; false for servers that grant none, as SockJS of Node")
    ] = True
    host: Annotated[str, Meta(description="the virtual host")] = "/"
    login: Annotated[str, Meta(description="user name")] = ""
    passcode: Annotated[str, Meta(description="password: {{env STOMP_PASSCODE}}")] = ""
    headers: Annotated[dict[str, str], Meta(description='more headers of CONNECT: { Authorization = "…" }')] = {}
    heartbeat_outgoing: Annotated[Seconds, Meta(description="offer to send a heartbeat so often; 0s: never")] = Seconds(
        10
    )
    heartbeat_incoming: Annotated[Seconds, Meta(description="ask the server for one so often; 0s: never")] = Seconds(10)
    receipts: Annotated[bool, Meta(description="wait for the RECEIPT of a step that expects nothing else")] = True


class StompKeys(msgspec.Struct, kw_only=True):
    publish: Annotated[str, Meta(description="the destination of a message (SEND)")] = ""
    body: Annotated[Any, Meta(description="its text, or a table or list as JSON")] = ""
    subscribe: Annotated[str, Meta(description="the destination to subscribe to")] = ""
    ack: Annotated[
        Literal["auto", "client", "client-individual"],
        Meta(description="of a subscription; but for auto, each message is acknowledged (STOMP 1.2)"),
    ] = "auto"
    unsubscribe: Annotated[str, Meta(description="the destination, or the id, of a subscription to end")] = ""
    id: Annotated[str, Meta(description="the id of a subscription; unset: its destination")] = ""
    headers: Annotated[dict[str, str], Meta(description="more headers of the frame")] = {}
    receipt: Annotated[bool | None, Meta(description="wait for a RECEIPT; unset: as `receipts` of the target")] = None


class Stomp(Dialect):
    title = "STOMP 1.0 to 1.2: publish and subscribe, also inside SockJS"
    option_keys, step_keys = StompOptions, StompKeys
    options: StompOptions

    def address(self, url: str) -> str:
        url = with_path(url, "/ws")
        if not self.options.sockjs or re.search(r"/websocket/?(\?|$)", url):
            return url
        before, mark, query = url.partition("?")
        return f"{before.rstrip('/')}/{{{{random int 100 999}}}}/{{{{random hex 16}}}}/websocket{mark}{query}"

    def subprotocols(self) -> list[str]:
        plain = self.options.sockjs or not self.options.subprotocol
        return [] if plain else [f"v{self.options.version.replace('.', '')}.stomp"]

    def opening(self) -> list[Table]:
        options = self.options
        beats = f"{round(options.heartbeat_outgoing * 1000)},{round(options.heartbeat_incoming * 1000)}"
        said = {"accept-version": options.version, "host": options.host, "heart-beat": beats}
        said |= {name: value for name in ("login", "passcode") if (value := getattr(options, name))}
        connect: Table = {
            "name": "connect",
            "frames": self._frame("CONNECT", said | options.headers, escapes=False),
            "expect": {"type": "connected"},
            "refuse": {"type": "error"},
            "reason": ["reason"],
            "capture": {"_beat": "beat", "_dead": "deadline"},
        }
        return [{"name": "session", "expect": {"type": "open"}}, connect] if options.sockjs else [connect]

    def step(self, keys: StompKeys, given: Table) -> Table:
        command = command_of(keys, ("publish", "subscribe", "unsubscribe"), "needs publish or subscribe")
        expects = given.get("expect") is not None
        if keys.receipt and expects:
            raise BadKey(("receipt",), "waits for a RECEIPT: expect a message in a step of its own")
        if keys.ack != "auto" and self.options.version != "1.2":
            raise BadKey(("ack",), 'takes "auto" before STOMP 1.2')
        headers = {"receipt": "{{seq}}"} if (self.options.receipts if keys.receipt is None else keys.receipt) else {}
        if expects:
            headers = {}
        waits = bool(headers)
        body: Piece = ""
        if keys.publish:
            plain = isinstance(keys.body, str)
            body = Wrap("body", [keys.body], "the body") if plain else Json(keys.body)
            headers |= {"destination": keys.publish, "content-type": "text/plain" if plain else "application/json"}
        elif keys.subscribe:
            headers |= {"destination": keys.subscribe, "id": keys.id or keys.subscribe, "ack": keys.ack}
        else:
            headers |= {"destination": keys.unsubscribe, "id": keys.id or keys.unsubscribe}
        frame = self._frame("SEND" if keys.publish else command.upper(), headers | keys.headers, body)
        table = given | {"frames": frame}
        if not waits:
            return table
        return reply(table, {"type": "receipt", "headers.receipt-id": "{{seq text}}"}, "", _ERROR, reason=["reason"])

    def bare(self, url: str) -> str:
        return re.sub(r"/\d{1,3}/[^/?]+/websocket", "", url) if self.options.sockjs else url

    def recorded(self, frame: str | bytes, state: RecordedState) -> list[RecordedStep]:
        data = frame.encode() if isinstance(frame, str) else frame
        parts = [str(one).encode() for one in document(data)] if self.options.sockjs else [data]
        frames = [one for part in parts for one in part.split(b"\0") if one.strip()]
        return [step for one in frames for step in self._steps_of(one, state)]

    def _steps_of(self, data: bytes, state: RecordedState) -> list[RecordedStep]:
        head, _, content = data.lstrip().replace(b"\r\n", b"\n").partition(b"\n\n")
        first, _, lines = head.partition(b"\n")
        command = first.decode()
        plain = self.options.version == "1.0" or command in ("CONNECT", "STOMP")
        headers = _lines(lines.decode().split("\n") if lines else [], escaped=not plain)
        place, own = headers.pop("destination", ""), headers.pop("receipt", None)
        body = content.decode()
        match command:
            case "CONNECT" | "STOMP":
                sends, wants = _beats(headers.pop("heart-beat", "0,0"))
                options: Table = {"heartbeat_outgoing": f"{sends}ms", "heartbeat_incoming": f"{wants}ms"}
                options |= {name: value for name in ("host", "login", "passcode") if (value := headers.pop(name, ""))}
                headers.pop("accept-version", None)
                return [RecordedStep(options | {"headers": headers}, opens=True)]
            case "SEND":
                for name in ("content-type", "content-length"):
                    headers.pop(name, None)
                found = document(body)
                given = {"publish": place, "body": found if isinstance(found, dict | list) else body}
            case "SUBSCRIBE":
                given = {"subscribe": place, "id": headers.pop("id", place), "ack": headers.pop("ack", "auto")}
                state.kept[given["id"]] = place
            case "UNSUBSCRIBE":
                named = headers.pop("id", place)
                given = {"unsubscribe": state.kept.get(named, place or named), "id": named}
            case "ACK" | "DISCONNECT":
                return []
            case _:
                raise Malformed("no frame that a step sends")
        if given.get("id") == place:
            del given["id"]  # the default
        return [RecordedStep(given | {"headers": headers} | ({} if own else {"receipt": False}), own)]

    def rules(self) -> dict[str, list[Table]]:
        acknowledge = self._frame("ACK", {"id": "{{message.headers.ack}}"})
        return {
            "answer": [{"on": {"type": "message", "headers.ack": "*"}, "frames": acknowledge}],
            "heartbeats": [{"every": "{{_beat}}ms", "frames": self._frames("\n")}],
            "watchdogs": [{"variable": "_dead"}],
            "errors": [{"on": [_ERROR, {"type": "closed"}], "reason": ["reason"], "closes": True}],
        }

    def leaving(self) -> list[Table]:
        return [{"frames": self._frame("DISCONNECT", {})}]

    def _frame(self, command: str, headers: dict[str, str], body: Piece = "", *, escapes: bool = True) -> list[Frame]:
        """Return a frame; CONNECT, and all of version 1.0, know no escapes."""
        how = "header" if escapes and self.options.version != "1.0" else "line"
        lines: list[Piece] = [f"{command}\n"]
        for name, value in headers.items():
            if how == "line" and ":" in name:
                raise BadKey(("headers",), f"has the name {quote(name)}, and none may hold a colon here")
            what = f"the header {quote(name)}"
            lines += [Wrap(how, [name], what), ":", Wrap(how, [value], what), "\n"]
        return self._frames(*lines, "\n", body, "\0")

    def _frames(self, *pieces: Piece) -> list[Frame]:
        return text('["', Wrap("text", pieces), '"]') if self.options.sockjs else text(*pieces)

    def decoder(self) -> Decode:
        options = self.options
        beats = round(options.heartbeat_outgoing * 1000), round(options.heartbeat_incoming * 1000)
        return partial(decode_sockjs if options.sockjs else decode, beats, options.version != "1.0")


_ERROR: Table = {"type": "error"}
_COMMANDS = {"CONNECTED": "connected", "MESSAGE": "message", "RECEIPT": "receipt", "ERROR": "error"}
_ESCAPES = {"n": "\n", "r": "\r", "c": ":", "\\": "\\"}
_ESCAPED = re.compile(r"\\([nrc\\])")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
Decoded = tuple[Sequence[tuple[Any, bytes]], bytes | None]


def decode(beats: tuple[int, int], escaped: bool, kept: bytes | None, _binary: bool, payload: bytes) -> Decoded:
    """Return the frames that end in a payload, which they may share or cross; line ends alone are a heartbeat.

    `beats` is what the client offered: CONNECTED gets what was agreed, as `beat` and `deadline` in milliseconds.
    """
    if payload[:19] == b"RECEIPT\nreceipt-id:" and payload.find(b"\n\n\0", 19) == len(payload) - 3 and not kept:
        own = payload[19:-3].decode("utf-8", "replace")
        if own.isdecimal():  # as those of our own steps
            return (({"type": "receipt", "headers": {"receipt-id": own}, "body": ""}, payload[:-1]),), None
    if not kept and (found_one := _single(escaped, payload, beats)) is not None:
        return (found_one,), None
    data = kept + payload if kept else payload
    if data[:1] in (b"\n", b"\r", b"") and not data.strip(b"\r\n"):
        return [({"type": "heartbeat"}, payload)], None
    found: list[tuple[Any, bytes]] = []
    at, end = 0, len(data)
    while True:
        while at < end and data[at] in b"\r\n":
            at += 1
        if at == end:
            return found, None
        start = data.find(b"\n\n", at) + 2
        head = data[at : start - 2]
        if start < 2 or b"\r" in head:  # lines may end with both
            end_of_head = _HEAD_END.search(data, at)
            if end_of_head is None:
                if b"\0" in data[at:]:
                    raise Malformed("a frame without an empty line after its headers")
                return found, _rest(data, at)
            head, start = data[at : end_of_head.start()].replace(b"\r\n", b"\n").rstrip(b"\r"), end_of_head.end()
        command, headers = _headers(head, escaped)
        size = headers.get("content-length", "")
        stop = start + int(size) if size.isdecimal() and len(size) < 12 else data.find(b"\0", start)
        if not start <= stop < end:
            return found, _rest(data, at)
        if data[stop]:
            raise Malformed("a body that is longer than its content-length")
        body = data[start:stop]
        found.append((_document(command, headers, _text(body), beats), body or data[at:stop]))
        at = stop + 1


def _single(escaped: bool, payload: bytes, beats: tuple[int, int]) -> tuple[Any, bytes] | None:
    """Return the frame in a payload, if it is as most are: the only one, whole, without escapes."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return None
    head, _, body = text.partition("\n\n")
    if text.find("\0") != len(text) - 1 or not body or "\r" in head or (escaped and "\\" in head):
        return None
    first, *lines = head.split("\n")
    command = _COMMANDS.get(first)
    if command is None:
        return None
    headers = _lines(lines, escaped=False)
    body = body[:-1]
    if "content-length" in headers and headers["content-length"] != str(len(body.encode())):
        return None
    return _document(command, headers, body, beats), body.encode() if body else payload[:-1]


def decode_sockjs(beats: tuple[int, int], escaped: bool, kept: bytes | None, binary: bool, payload: bytes) -> Decoded:
    """Return the frames inside one of SockJS: `o`, `h`, `a["…"]` or `c[code,"reason"]`."""
    kind = payload[:1]
    if kind in (b"o", b"h"):
        return [({"type": "open"}, payload)] if kind == b"o" else [], kept
    content = document(payload[1:])
    match kind, content:
        case b"c", [int(code), str(reason)]:
            return [({"type": "closed", "code": code, "reason": f"{reason} ({code})"}, payload)], None
        case b"a", list() if all(isinstance(one, str) for one in content):
            found: list[tuple[Any, bytes]] = []
            for one in content:
                more, kept = decode(beats, escaped, kept, binary, one.encode("utf-8", "replace"))
                found += more
            return found, kept
    raise Malformed("no frame of SockJS")


def _rest(data: bytes, at: int) -> bytes:
    if len(data) - at > MOST_KEPT:
        raise Malformed(f"a frame of more than {MOST_KEPT >> 20} MiB")
    return data[at:]


def _headers(head: bytes, escaped: bool) -> tuple[str, dict[str, str]]:
    first, *lines = head.decode("utf-8", "replace").split("\n")
    command = _COMMANDS.get(first)
    if command is None:
        raise Malformed("a command that no server sends")
    return command, _lines(lines, escaped=escaped and command != "connected")


def _lines(lines: Sequence[str], *, escaped: bool) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise Malformed("a header without a colon")
        if escaped and "\\" in line:
            name, value = (_ESCAPED.sub(lambda match: _ESCAPES[match[1]], part) for part in (name, value))
        if name not in headers:
            headers[name] = value
    return headers


def _beats(header: str) -> tuple[int, int]:
    """Return how often the other side can send a heartbeat, and wants one, in milliseconds; 0: never."""
    found = re.fullmatch(r"(\d{1,9}),(\d{1,9})", header)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _text(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None  # matched as bytes: hex, contains


def _document(command: str, headers: dict[str, str], body: str | None, beats: tuple[int, int]) -> dict[str, Any]:
    found: dict[str, Any] = {"type": command, "headers": headers}
    if command == "connected":
        outgoing, incoming = beats
        sends, wants = _beats(headers.get("heart-beat", "0,0"))
        found["beat"] = max(outgoing, wants) if outgoing and wants else 0
        found["deadline"] = 2 * max(incoming, sends) if incoming and sends else 0  # as late as the usual clients allow
        return found
    found["body"] = body
    if command == "error":
        lines = (body or "").strip().splitlines()
        words = [headers.get("message", ""), lines[0] if lines else ""]
        found["reason"] = ": ".join(filter(None, dict.fromkeys(words))) or "an ERROR without a message"
    return found


KINDS = {"stomp": Stomp}
