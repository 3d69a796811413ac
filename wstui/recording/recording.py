"""Our own recordings: JSON lines, a header first, then every event with its time and the connection's number.

The header is {"wstui": "recording/1", "started": 1700000000.0, "target": "ws://host/path"}. Events are `upgrade`,
`answer`, `sent`, `received`, `close` and `http`, such as {"t": 0.03, "c": 1, "k": "sent", "text": "hello"}; binary
messages are base64.
"""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from wstui.recording.session import (
    MOST_BODY,
    Headers,
    ImportFailed,
    RecordedConnection,
    RecordedMessage,
    RecordedRequest,
    RecordedSession,
    websocket_url,
)

VERSION = "recording/1"
LONGEST_LINE = 64 << 20


class RecordedEvent(msgspec.Struct, omit_defaults=True):
    """One line after the header."""

    t: float
    c: int
    k: str
    url: str = ""
    headers: Headers = []
    status: int = 0
    text: str | None = None
    base64: str | None = None
    by: str = ""
    code: int = 0
    reason: str = ""
    method: str = ""
    body: str = ""
    answer: Headers = []
    answer_body: str = ""


class Recorder:
    """Writes a recording that only its owner may read, up to a size; `is_full` tells when it has stopped."""

    def __init__(self, path: Path, target: str, most_bytes: int) -> None:
        self._started, self._origin_ns = time.time(), time.monotonic_ns()
        self._path = path
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = os.fdopen(handle, "wb")
        self._encode = msgspec.json.Encoder().encode
        self._left = most_bytes
        self.is_full = False
        self.events = 0
        self._write(json.dumps({"wstui": VERSION, "started": self._started, "target": target}).encode())

    def seconds(self) -> float:
        """Return the time since the recording began."""
        return (time.monotonic_ns() - self._origin_ns) / 1e9

    def upgrade(self, number: int, url: str, headers: Headers) -> None:
        self._event(number, "upgrade", url=url, headers=headers)

    def answer(self, number: int, status: int, headers: Headers) -> None:
        self._event(number, "answer", status=status, headers=headers)

    def frame(self, number: int, sent: bool, data: str | bytes) -> None:
        kind = "sent" if sent else "received"
        if isinstance(data, str):
            self._event(number, kind, text=data)
        else:
            self._event(number, kind, base64=base64.b64encode(data).decode())

    def close(self, number: int, by: str, code: int, reason: str) -> None:
        self._event(number, "close", by=by, code=code, reason=reason)

    def http(self, request: RecordedRequest) -> None:
        self._event(
            0,
            "http",
            method=request.method,
            url=request.url,
            headers=request.headers,
            body=request.body[:MOST_BODY],
            status=request.status,
            answer=request.answer,
            answer_body=request.answer_body[:MOST_BODY],
        )

    def finish(self) -> None:
        """Flush and close the file."""
        self._file.close()

    def discard(self) -> None:
        """Close and remove the file: nothing was recorded."""
        self._file.close()
        self._path.unlink(missing_ok=True)

    def _event(self, number: int, kind: str, **values: Any) -> None:
        if not self.is_full:
            self.events += 1
            self._write(self._encode(RecordedEvent(round(self.seconds(), 6), number, kind, **values)))

    def _write(self, line: bytes) -> None:
        self._left -= len(line) + 1
        if self._left < 0:
            self.is_full = True
            return
        self._file.write(line + b"\n")
        self._file.flush()


def is_recording(head: bytes) -> bool:
    """Return whether a file begins as a recording of ours does."""
    return head.lstrip()[:40].replace(b" ", b"").startswith(b'{"wstui":"')


def read_recording(file: BinaryIO, progress: Callable[[int], None]) -> RecordedSession:
    """Return the session in a recording. A last line that was cut short is noted, not an error."""
    session = RecordedSession("recording")
    lines = _lines(file)
    _, first = next(lines, (1, b""))
    try:
        header = json.loads(first)
        version, started = header["wstui"], float(header.get("started", 0))
    except (ValueError, KeyError, TypeError):
        raise ImportFailed("line 1 is not the header of a recording") from None
    if version != VERSION:
        raise ImportFailed(f"it is a {str(version)[:40]}, and this wstui reads {VERSION}: record it again")
    connections: dict[int, RecordedConnection] = {}
    decode = msgspec.json.Decoder(RecordedEvent).decode
    read = len(first)
    for number, line in lines:
        read += len(line)
        progress(read)
        if not line.strip():
            continue
        try:
            event = decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            if not line.endswith(b"\n"):
                session.notes["a last line that was cut short"] += 1
                break
            raise ImportFailed(f"line {number} is not an event of a recording: {error}") from None
        try:
            _take(session, connections, event, started)
        except ValueError as error:
            raise ImportFailed(f"line {number} can't be read: {error}") from None
    return session


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise ImportFailed(f"line {number} is longer than {LONGEST_LINE >> 20} MiB")
        yield number, line


def _take(
    session: RecordedSession, connections: dict[int, RecordedConnection], event: RecordedEvent, started: float
) -> None:
    at = started + event.t
    if event.k == "http":
        session.add_request(
            RecordedRequest(at, event.method, event.url, event.headers, event.body, event.status, event.answer,
                    event.answer_body)
        )  # fmt: skip
        return
    if event.k == "upgrade":
        connections[event.c] = RecordedConnection(event.c, websocket_url(event.url), at, event.headers)
        session.connections.append(connections[event.c])
        return
    connection = connections.get(event.c)
    if connection is None:
        raise ValueError(f"connection {event.c} has no upgrade before it")
    match event.k:
        case "answer":
            connection.status, connection.answer = event.status, event.headers
        case "sent" | "received":
            data = event.text if event.text is not None else base64.b64decode(event.base64 or "", validate=True)
            session.add_frame(connection, RecordedMessage(at, event.k == "sent", data))
        case "close":
            connection.close = connection.close or f"{event.code} by {event.by}"  # the other side only answers it
        case kind:
            session.notes[f"events of the unknown kind {kind[:20]!r}"] += 1
