"""Sessions of Socket.IO that begin by HTTP polling, as in browsers: what was said before the upgrade."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

from wstui.recording.session import RecordedConnection, RecordedMessage, RecordedSession

_SEPARATOR = "\x1e"


def with_polled(session: RecordedSession, connections: Sequence[RecordedConnection]) -> list[RecordedConnection]:
    """Return the connections, each beginning with what its Engine.IO session said by HTTP."""
    return [_whole(session, connection) for connection in connections]


def _whole(session: RecordedSession, connection: RecordedConnection) -> RecordedConnection:
    sid = _value(connection.url, "sid")
    if not sid or "transport=websocket" not in connection.url:
        return connection
    frames: list[RecordedMessage] = []
    for request in session.requests:
        opens = not _value(request.url, "sid") and f'"{sid}"' in request.answer_body
        if "transport=polling" in request.url and (opens or _value(request.url, "sid") == sid):
            for sent, body in ((True, request.body), (False, request.answer_body)):
                packets = body.split(_SEPARATOR) if body and body != "ok" else []
                frames += [RecordedMessage(request.at, sent, packet) for packet in packets]
    return replace(connection, frames=[*frames, *connection.frames])


def _value(url: str, name: str) -> str:
    return parse_qs(urlsplit(url).query).get(name, [""])[0]
