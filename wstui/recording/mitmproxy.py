"""Flow files of mitmproxy (`mitmdump -w`): a tnetstring for each flow, read one at a time."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO

from wstui.recording.session import (
    MOST_BODY,
    Headers,
    ImportFailed,
    RecordedConnection,
    RecordedMessage,
    RecordedRequest,
    RecordedSession,
    value_of,
    websocket_url,
)

MOST_FLOW = 256 << 20
"""Larger flows (downloads, mostly) are skipped."""
_DEEPEST = 32
_HEAD = re.compile(rb"[1-9][0-9]{0,11}:(?=[0-9]+:)")
_LENGTH = re.compile(rb"([0-9]{1,12}):")


def is_flow_file(head: bytes) -> bool:
    """Return whether a file begins with a tnetstring that holds others."""
    return _HEAD.match(head) is not None


def read_flows(file: BinaryIO, progress: Callable[[int], None]) -> RecordedSession:
    """Return the WebSocket connections and HTTP requests of a flow file. A last flow that was cut short is noted."""
    session, number = RecordedSession("mitmproxy flow file"), 0
    handshakes: dict[str, RecordedConnection] = {}
    while (start := file.tell(), head := file.read(13))[1]:
        number += 1
        place = f"flow {number}, at byte {start}"
        found = _LENGTH.match(head)
        if found is None:
            raise ImportFailed(f"{place}, does not begin with its length: is it a flow file of mitmproxy?")
        length = int(found[1])
        file.seek(start + found.end())
        if length > MOST_FLOW:
            session.notes[f"flows larger than {MOST_FLOW >> 20} MiB"] += 1
            file.seek(length + 1, 1)
            continue
        data = file.read(length + 1)
        if len(data) <= length:
            session.notes["a last flow that was cut short"] += 1
            break
        try:
            flow = _value(data[length : length + 1], data, 0, length, 0)
            if not isinstance(flow, dict):
                raise TypeError("it is not a table")
            _take(session, handshakes, flow, number)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            why = f"it has no {error}" if isinstance(error, KeyError) else str(error)
            raise ImportFailed(f"{place}, can't be read: {why[:120]}") from None
        progress(file.tell())
    return session


def _value(kind: bytes, data: bytes, start: int, end: int, depth: int) -> Any:
    """Return what a tnetstring of a kind holds between two places."""
    match kind:
        case b",":
            return data[start:end]
        case b";":
            return data[start:end].decode("utf-8", "replace")
        case b"#":
            return int(data[start:end])
        case b"^":
            return float(data[start:end])
        case b"!":
            return data[start:end] == b"true"
        case b"~":
            return None
        case b"]" | b"}" if depth < _DEEPEST:
            items = []
            while start < end:
                found = _LENGTH.match(data, start, end)
                if found is None or (stop := found.end() + int(found[1])) >= end:
                    raise ValueError(f"a value {start} bytes into it has no valid length")
                items.append(_value(data[stop : stop + 1], data, found.end(), stop, depth + 1))
                start = stop + 1
            if kind == b"]":
                return items
            return {_text(key): value for key, value in zip(items[::2], items[1::2], strict=True)}
        case b"]" | b"}":
            raise ValueError(f"it is nested more than {_DEEPEST} deep")
    raise ValueError(f"a value ends with {kind!r}, which is not a type")


def _take(
    session: RecordedSession, handshakes: dict[str, RecordedConnection], flow: dict[str, Any], number: int
) -> None:
    kind = _text(flow["type"])
    if kind == "websocket":  # until mitmproxy 6, messages were a flow of their own
        old = handshakes.get(_text(flow["metadata"].get("websocket_handshake")))
        if old is None:
            session.notes["WebSocket flows without their handshake"] += 1
        else:
            _add_messages(session, old, flow["messages"])
        return
    if kind != "http":
        session.notes[f"{kind[:20]} flows"] += 1
        return
    request, answer = flow["request"], flow.get("response") or {}
    url, headers, at = _url(request), _headers(request), float(request["timestamp_start"] or 0)
    status, answered = int(answer.get("status_code") or 0), _headers(answer)
    messages = (flow.get("websocket") or {}).get("messages")
    if messages is None and status != 101:
        body, answer_body = _body(request, headers), _body(answer, answered)
        session.add_request(
            RecordedRequest(at, _text(request["method"]), url, headers, body, status, answered, answer_body)
        )
        return
    connection = RecordedConnection(number, websocket_url(url), at, headers, status or 101, answered)
    session.connections.append(connection)
    if messages is None:
        handshakes[_text(flow["id"])] = connection
    else:
        _add_messages(session, connection, messages)


def _add_messages(session: RecordedSession, connection: RecordedConnection, messages: list[list[Any]]) -> None:
    """Add messages: type, whether by the client, content, time, whether dropped; older versions write fewer."""
    for opcode, by_client, content, at, *dropped in messages:
        if opcode not in (1, 2) or (dropped and dropped[0]):
            session.notes["frames that hold no message, or were dropped by the proxy"] += 1
            continue
        data = _text(content) if opcode == 1 else content
        if not isinstance(data, str | bytes):
            raise TypeError("a message is neither text nor bytes")
        session.add_frame(connection, RecordedMessage(float(at), bool(by_client), data))


def _url(request: dict[str, Any]) -> str:
    scheme, port, path = _text(request["scheme"]), int(request["port"]), _text(request["path"])
    host = value_of(_headers(request), "host") or _text(request.get("authority") or b"")
    if not host:
        host = _text(request["host"])
        host += "" if port == {"http": 80, "https": 443}.get(scheme) else f":{port}"
    return f"{scheme}://{host}{path}"


def _headers(message: dict[str, Any]) -> Headers:
    return [(_text(name), _text(value)) for name, value in message.get("headers") or ()]


def _body(message: dict[str, Any], headers: Headers) -> str:
    """Return a body as text; it is stored as it was sent, which may be compressed."""
    content = message.get("content") or b""
    if value_of(headers, "content-encoding") in ("gzip", "deflate"):
        try:
            content = zlib.decompressobj(47).decompress(content, MOST_BODY)
        except zlib.error:
            return ""
    return "" if b"\0" in content[:1024] else _text(content[: MOST_BODY + 1])


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")
