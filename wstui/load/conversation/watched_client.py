"""Clients that are watched while the load runs: each notes its messages and states. Others cost nothing for it.

A client becomes watched by changing its class, so that no code of the load asks whether it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, cast

from websockets.exceptions import WebSocketException
from websockets.frames import Close, Frame, Opcode

from wstui.load.buffered_client import BufferedClient
from wstui.load.client import LoadClient
from wstui.load.connect_outcome import Cause, Outcome
from wstui.load.conversation.conversation import Conversation
from wstui.load.conversation.trace import follow, said
from wstui.load.frames import BINARY, PING, PONG, TEXT, unmasked
from wstui.load.protocol import TraceLine

_CLOSE = 0x88
_KINDS = {TEXT: "", BINARY: "binary", PING: "ping", PONG: "pong", _CLOSE: "close"}
STATE = "state"
_LINES_KEPT = 100
_BYTES_KEPT = 64 << 10
_LONGEST = 4096
_MATCHED = {"matched": "reply", "late": "late reply", "duplicates": "duplicate", "unmatched": "unmatched"}


class ClientWatch:
    """What the watched clients of a worker have done since the last `take`; bounded, the rest is counted."""

    def __init__(self, zero_ns: Callable[[], int]) -> None:
        """`zero_ns` returns when the clock of the run was 0."""
        self.numbers: frozenset[int] = frozenset()
        self._zero_ns = zero_ns
        self._lines: list[TraceLine] = []
        self._bytes = self._missed = 0

    def change(self, numbers: frozenset[int], find: Callable[[int], LoadClient | None]) -> None:
        """Watch the clients of these numbers and no others; `find` returns one that is there."""
        before, self.numbers = self.numbers, numbers
        for number in before ^ numbers:
            if (client := find(number)) is None:
                continue
            set_watched(client, number in numbers)
            if number in numbers:
                self.note_state(client, client.step.name.lower())

    def begin(self, client: LoadClient) -> None:
        set_watched(client, True)
        self.note_state(client, "connecting")

    def note(self, client: LoadClient, payload: bytes, *, received: bool = False, kind: str = "") -> TraceLine:
        """Add a line, which the caller may complete until the next `take`."""
        conversation = client.conversation
        line = TraceLine(
            (time.monotonic_ns() - self._zero_ns()) / 1e6,
            conversation.role.name if conversation is not None else "",
            client.number,
            received,
            payload[:_LONGEST].decode("utf-8", "backslashreplace"),
            kind=kind,
            size=len(payload),
        )
        if len(self._lines) >= _LINES_KEPT or self._bytes >= _BYTES_KEPT:
            self._missed += 1
        else:
            self._lines.append(line)
            self._bytes += len(line.text)
        return line

    def note_state(self, client: LoadClient, text: str) -> None:
        self.note(client, text.encode(), kind=STATE)

    def take(self) -> tuple[list[TraceLine], int]:
        """Return the lines, and how many there were beside them."""
        taken = self._lines, self._missed
        self._lines, self._bytes, self._missed = [], 0, 0
        return taken


class _Tap:
    """Stands before the transport while a client sends one message of the load, which it reads from the frame."""

    def __init__(self, client: WatchedClient, transport: Any) -> None:
        self._client, self._transport = client, transport

    def write(self, data: bytes) -> None:
        self._client.note_sent(*unmasked(data))
        self._transport.write(data)


class WatchedClient(LoadClient):
    """Notes what a client does. The same layout as `LoadClient`: an object changes from one to the other and back."""

    __slots__ = ()

    @property
    def _watch(self) -> ClientWatch:
        watch: ClientWatch = self.events.watch  # type: ignore[attr-defined]  # a worker has one
        return watch

    # -- sending -----------------------------------------------------------------------------------------------

    def note_sent(self, first: int, payload: bytes) -> None:
        line = self._watch.note(self, payload, kind=_KINDS.get(first, "other"))
        if self.conversation is not None:
            said(cast(Conversation, self.conversation), line)

    def send(self, intended_ns: int = 0) -> None:
        transport: Any = self.transport
        if not self.plain or transport is None:
            super().send(intended_ns)
            return
        tap: Any = _Tap(self, transport)
        self.transport = tap
        try:
            super().send(intended_ns)
        finally:
            if self.transport is tap:
                self.transport = transport

    def send_payload(self, first: int, payload: bytes, more: Sequence[tuple[int, bytes]] = ()) -> None:
        for each in ((first, payload), *more) if self.plain else ():
            self.note_sent(*each)
        super().send_payload(first, payload, more)

    def _send_deflated(self, first: int, payload: bytes) -> None:
        self.note_sent(first, payload)
        super()._send_deflated(first, payload)

    def write(self, data: bytes) -> None:
        if data and data[0] in (PING, PONG, _CLOSE):
            first, payload = unmasked(data)
            self._watch.note(self, _close_words(payload) if first == _CLOSE else payload, kind=_KINDS[first])
        super().write(data)

    # -- receiving ---------------------------------------------------------------------------------------------

    def message(self, first: int, payload: bytes) -> None:
        line = self._watch.note(self, payload, received=True, kind=_KINDS.get(first, "other"))
        if self.conversation is not None:
            follow(
                cast(Conversation, self.conversation), line, lambda: super(WatchedClient, self).message(first, payload)
            )
            return
        counters = self.context.counters
        before = {name: getattr(counters, name) for name in _MATCHED}
        super().message(first, payload)
        line.step = next((word for name, word in _MATCHED.items() if getattr(counters, name) != before[name]), "")

    def pong(self, payload: bytes) -> None:
        self._watch.note(self, payload, received=True, kind="pong")
        super().pong(payload)

    def _event(self, frame: Frame) -> None:
        data = bytes(frame.data)
        if frame.opcode is Opcode.PING:
            self._watch.note(self, data, received=True, kind="ping")
        elif frame.opcode is Opcode.CLOSE:
            self._watch.note(self, _close_words(data), received=True, kind="close")
        super()._event(frame)

    # -- states ------------------------------------------------------------------------------------------------

    def _opened(self, at_ns: int) -> None:
        self._watch.note_state(self, "open")
        super()._opened(at_ns)

    def become_ready(self, at_ns: int) -> None:
        self._watch.note_state(self, "ready")
        super().become_ready(at_ns)

    def _give_up(self, outcome: Outcome, cause: Cause | None, detail: str = "") -> None:
        why = f"{cause.kind}: {cause.message}" if cause is not None else ""
        self._watch.note_state(self, " ".join(filter(None, (outcome.value.replace("_", " "), why, detail))))
        super()._give_up(outcome, cause, detail)

    def _dropped(self, cause: Cause) -> None:
        self._watch.note_state(self, f"dropped: {cause.kind}: {cause.message}")
        super()._dropped(cause)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._watch.note_state(self, "disconnected")


class WatchedBufferedClient(WatchedClient, BufferedClient):
    __slots__ = ()


_WATCHED: dict[type, type] = {LoadClient: WatchedClient, BufferedClient: WatchedBufferedClient}
_UNWATCHED = {watched: plain for plain, watched in _WATCHED.items()}


def set_watched(client: LoadClient, watched: bool) -> None:
    """Make a client note what it does from now on, or no longer."""
    client.__class__ = (_WATCHED if watched else _UNWATCHED).get(type(client), type(client))
    conversation: Any = client.conversation
    if conversation is not None and getattr(conversation.transmit, "__func__", None) in (
        LoadClient.send_payload,
        WatchedClient.send_payload,
    ):
        conversation.transmit = client.send_payload


def _close_words(payload: bytes) -> bytes:
    try:
        return str(Close.parse(payload)).encode()
    except (WebSocketException, UnicodeDecodeError):
        return payload
