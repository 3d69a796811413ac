"""HAR files of browsers and proxies, read as a stream: only what a scenario is guessed from is kept."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, BinaryIO, NamedTuple

import ijson

from wstui.recording.session import (
    Headers,
    ImportFailed,
    RecordedConnection,
    RecordedMessage,
    RecordedRequest,
    RecordedSession,
    websocket_url,
)
from wstui.scenario.secrets import mask_url

_ENTRY = "log.entries.item"
_MESSAGE = f"{_ENTRY}._webSocketMessages.item"
_WANTED = frozenset(
    f"{_ENTRY}.{name}"
    for name in (
        "startedDateTime", "_resourceType", "request.method", "request.url", "request.headers.item.name",
        "request.headers.item.value", "request.postData.text", "response.status", "response.headers.item.name",
        "response.headers.item.value", "response.content.text", "response.content.encoding",
        "response.content.mimeType",
    )
)  # fmt: skip
_BODIES = ("json", "text", "javascript", "xml", "html")
_DEEPEST = 64


def is_har(head: bytes) -> bool:
    """Return whether a file may be a HAR: JSON whose first key is "log"."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return text.startswith(b"{") and text[1:].lstrip().startswith(b'"log"')


def read_har(file: BinaryIO, progress: Callable[[int], None]) -> RecordedSession:
    """Return the WebSocket connections and HTTP requests of a HAR. Raises ImportFailed with the place."""
    counted = _CountingReader(file)
    reader = _EntryReader(RecordedSession("HAR"))
    try:
        for event in ijson.parse(counted, use_float=True, buf_size=1 << 18):
            reader.take(*event)
            if counted.read_bytes != reader.told:
                reader.told = counted.read_bytes
                progress(counted.read_bytes)
    except (ijson.JSONError, UnicodeDecodeError, ValueError) as error:
        why = str(error).partition("\n")[0].strip()[:120]  # the lines after it quote the file, secrets and all
        last = f"after {reader.entries} entries, " if reader.entries else ""
        raise ImportFailed(f"it is not valid JSON {last}near byte {counted.read_bytes}: {why}") from None
    if not reader.has_entries:
        raise ImportFailed("it has no log.entries: is it a HAR?")
    return reader.session


class _CountingReader:
    """A file that counts what was read of it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.read_bytes = 0

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        if not self.read_bytes:
            data = data.removeprefix(b"\xef\xbb\xbf")
        self.read_bytes += len(data)
        return data


class _EntryReader:
    """Builds connections and requests from the events of the parser."""

    def __init__(self, session: RecordedSession) -> None:
        self.session = session
        self.entries = 0
        self.has_entries = False
        self.told = 0
        self._values: dict[str, Any] = {}
        self._headers: dict[str, Headers] = {}
        self._message: dict[str, Any] = {}
        self._frames: list[RecordedMessage] | None = None
        self._connection: RecordedConnection | None = None

    def take(self, prefix: str, event: str, value: Any) -> None:
        if prefix in _WANTED:
            self._value(prefix[len(_ENTRY) + 1 :], value)
        elif prefix.startswith(_MESSAGE):
            if prefix == _MESSAGE:
                if event == "start_map":
                    self._message = {}
                elif event == "end_map":
                    self._add_message()
            elif event in ("string", "number", "boolean", "null"):
                self._message[prefix[len(_MESSAGE) + 1 :]] = value
        elif prefix == _ENTRY:
            if event == "start_map":
                self._values, self._headers, self._connection = {}, {"request": [], "response": []}, None
            elif event == "end_map":
                self._finish()
        elif prefix == "log.entries" and event == "start_array":
            self.has_entries = True
        elif prefix.count(".") > _DEEPEST:
            raise ImportFailed(f"entry {self.entries + 1} is nested more than {_DEEPEST} deep")

    def _value(self, name: str, value: Any) -> None:
        if name.endswith("headers.item.name"):
            self._headers[name.partition(".")[0]].append((str(value), ""))
        elif name.endswith("headers.item.value"):
            headers = self._headers[name.partition(".")[0]]
            if headers:
                headers[-1] = (headers[-1][0], str(value))
        else:
            self._values[name] = value

    def _add_message(self) -> None:
        if self._connection is None:
            self._connection = RecordedConnection(self.entries + 1, "")
        message, session = self._message, self.session
        kind, opcode, data = message.get("type"), message.get("opcode", 1), message.get("data")
        if kind not in ("send", "receive") or opcode not in (1, 2) or not isinstance(data, str):
            session.notes["frames that hold no message (pings, errors)"] += 1
            return
        at = message.get("time")
        seconds = _seconds(at) if isinstance(at, int | float) and abs(at) < 1e18 else self._connection.at
        content: str | bytes = data
        if opcode == 2:
            try:
                content = base64.b64decode(data, validate=True)
            except (ValueError, binascii.Error):
                session.notes["binary messages that are not base64"] += 1
                return
        session.add_frame(self._connection, RecordedMessage(seconds, kind == "send", content))

    def _finish(self) -> None:
        self.entries += 1
        values = self._values
        url = values.get("request.url")
        if not isinstance(url, str) or not url:
            if self._connection is not None:
                raise ImportFailed(f"entry {self.entries} has WebSocket messages and no request.url")
            self.session.notes["entries without a URL"] += 1
            return
        at = _started(values.get("startedDateTime"))
        status = values.get("response.status")
        status = status if isinstance(status, int) else 0
        request, answer = (
            [(n, v) for n, v in self._headers[s] if not n.startswith(":")] for s in ("request", "response")
        )
        is_websocket = url.startswith(("ws:", "wss:")) or status == 101 or values.get("_resourceType") == "websocket"
        if self._connection is None and not is_websocket:
            self.session.add_request(
                RecordedRequest(at, str(values.get("request.method", "GET")), url, request,
                        str(values.get("request.postData.text") or ""), status, answer, self._body())
            )  # fmt: skip
            return
        connection = self._connection or RecordedConnection(self.entries, "")
        connection.url, connection.at, connection.request = websocket_url(url), at, request
        connection.status, connection.answer = status or 101, answer
        if not at and connection.frames:
            connection.at = connection.frames[0].at
        self.session.connections.append(connection)

    def _body(self) -> str:
        text, kind = self._values.get("response.content.text"), str(self._values.get("response.content.mimeType"))
        if not isinstance(text, str) or not any(word in kind for word in _BODIES):
            return ""
        if self._values.get("response.content.encoding") == "base64":
            try:
                return base64.b64decode(text).decode("utf-8", "replace")
            except (ValueError, binascii.Error):
                return ""
        return text


def _seconds(at: float) -> float:
    """Return a time in seconds: some tools write ms or µs."""
    if abs(at) > 1e14:
        return at / 1e6
    return at / 1e3 if abs(at) > 1e11 else at


def _started(text: Any) -> float:
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except (ValueError, OverflowError, OSError):
        return 0.0


class ListedConnection(NamedTuple):
    """A WebSocket connection as `--entry` counts them, with its messages and its masked URL."""

    entry: int
    sent: int
    received: int
    url: str

    def __str__(self) -> str:
        return f"{self.entry:>5}  {self.sent} sent, {self.received} received  {self.url}"


def entries_of(session: RecordedSession) -> Iterator[ListedConnection]:
    for connection in session.connections:
        sent = sum(frame.sent for frame in connection.frames)
        yield ListedConnection(connection.number, sent, len(connection.frames) - sent, mask_url(connection.url))
