"""What was seen of real clients: their WebSocket connections with every message, and the HTTP requests beside them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlsplit

Headers = list[tuple[str, str]]
MOST_MESSAGES = 100_000
MOST_BYTES = 32 << 20
"""Of all messages that are kept for guesses; what comes after is counted and left out."""
MOST_BODY = 256 << 10
"""Of one HTTP body."""
MOST_BODIES = 32 << 20
MOST_REQUESTS = 20_000


class ImportFailed(Exception):
    """A file that holds no session that can be read; the message names the place and the fix."""


@dataclass(frozen=True, slots=True)
class RecordedMessage:
    """One message: when it passed in seconds since 1970, who sent it, what it held. Text is str, binary bytes."""

    at: float
    sent: bool
    data: str | bytes


@dataclass(slots=True)
class RecordedConnection:
    """One WebSocket connection of a client, from its upgrade request to its close."""

    number: int
    url: str
    at: float = 0.0
    request: Headers = field(default_factory=list)
    status: int = 101
    answer: Headers = field(default_factory=list)
    frames: list[RecordedMessage] = field(default_factory=list)
    close: str = ""

    @property
    def endpoint(self) -> str:
        """The URL without its query: clients of one endpoint are compared with each other."""
        return self.url.partition("?")[0]


@dataclass(slots=True)
class RecordedRequest:
    """One HTTP request and its answer."""

    at: float
    method: str
    url: str
    headers: Headers = field(default_factory=list)
    body: str = ""
    status: int = 0
    answer: Headers = field(default_factory=list)
    answer_body: str = ""


@dataclass(slots=True)
class RecordedSession:
    """Everything that a file holds. `notes` says what of it was left out; `source` is what kind of file it was.

    `made_up` tells that it was not recorded: its rounds and times come from a description or a script.
    """

    source: str = ""
    connections: list[RecordedConnection] = field(default_factory=list)
    requests: list[RecordedRequest] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    made_up: bool = False
    _messages: int = 0
    _bytes: int = 0
    _bodies: int = 0

    def add_frame(self, connection: RecordedConnection, frame: RecordedMessage) -> None:
        """Keep a message as long as there is room."""
        self._messages += 1
        self._bytes += len(frame.data)
        if self._messages > MOST_MESSAGES or self._bytes > MOST_BYTES:
            self.notes[f"messages left out after the first {len_text(MOST_MESSAGES)} or {MOST_BYTES >> 20} MiB"] += 1
        else:
            connection.frames.append(frame)

    def add_request(self, request: RecordedRequest) -> None:
        """Keep an HTTP request as long as there is room."""
        if len(self.requests) >= MOST_REQUESTS:
            self.notes[f"HTTP requests left out after the first {len_text(MOST_REQUESTS)}"] += 1
            return
        self._bodies += len(request.answer_body)
        if len(request.answer_body) > MOST_BODY or self._bodies > MOST_BODIES:
            request.answer_body = ""
        request.body = request.body[:MOST_BODY]
        self.requests.append(request)


def len_text(number: int) -> str:
    """Return a count with thin groups: 200 000."""
    return f"{number:,}".replace(",", " ")


def value_of(headers: Headers, name: str) -> str:
    """Return a header's value, "" without one."""
    return next((value for key, value in headers if key.lower() == name), "")


def websocket_url(url: str) -> str:
    """Return the ws:// form of an address that some tools write as http://. Raises ImportFailed for a broken one."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ImportFailed(f"an address can't be read: {error}") from None
    return parts._replace(scheme={"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme), fragment="").geturl()
