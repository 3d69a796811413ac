"""One connection: its request, its frames, its backlog, its close.

The handshake and every rare frame (control, fragmented, compressed, broken) are handled by websockets' Sans-I/O
`ServerProtocol`. A complete masked text frame, which is nearly all that clients send, is taken straight from the
bytes. A connection has no task and no timer; an idle one keeps no protocol object and no buffer either.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast

from websockets.exceptions import InvalidState
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import OPEN as PROTOCOL_OPEN
from websockets.protocol import State
from websockets.server import ServerProtocol

from wstui.odin.deadlines import Deadlines
from wstui.odin.dialogue import Dialogue
from wstui.odin.frames import OPCODES, TEXT_PLAIN, apply_mask, extent, text_frame
from wstui.odin.gate import Gate
from wstui.odin.hub import Hub
from wstui.odin.opening import Opening, Unreadable, read_opening
from wstui.odin.ratelimit import TokenBucket
from wstui.odin.settings import Settings, SlowConsumer
from wstui.odin.stats import Phase, Stats

SHORT_MAX = 131  # bytes of the largest masked frame whose length is in its second byte
_HANDSHAKE, _OPEN, _CLOSING, _CLOSED = Phase
_log = logging.getLogger("wstui.odin.connection")
_protocol_log = logging.getLogger("wstui.odin.websockets")
_protocol_log.setLevel(logging.CRITICAL)  # what it would log is counted here


@dataclass(frozen=True, slots=True)
class Context:
    """What all connections of a server share."""

    loop: asyncio.AbstractEventLoop
    settings: Settings
    stats: Stats
    hub: Hub
    gate: Gate
    dialogue: Dialogue
    deadlines: Deadlines
    refused_by_fault: Callable[[], bool]


def _nowhere(_frame: bytes) -> None:
    """Where a frame goes that can't be sent any more."""


class Connection(asyncio.Protocol):
    """The server's side of one connection; also what the hub knows as a subscriber."""

    __slots__ = (
        "_context",
        "_fragments",
        "_paused",
        "_protocol",
        "_rest",
        "_transport",
        "address",
        "backlog",
        "bucket",
        "heard",
        "malformed",
        "phase",
        "pinged",
        "tokens",
        "write",
    )

    def __init__(self, context: Context) -> None:
        self.phase = _HANDSHAKE
        self.address = ""
        self.tokens: frozenset[str] = frozenset()
        self.backlog: deque[bytes] | None = None
        self.bucket: TokenBucket | None = None
        self.malformed = 0
        self.heard = True  # since the last look for dead peers
        self.pinged = False
        self.write: Callable[[bytes], None] = _nowhere
        self._context = context
        self._transport: asyncio.Transport | None = None
        self._protocol: ServerProtocol | None = None  # there only while it has something to do
        self._rest: bytearray | None = None  # bytes of an incomplete request or frame
        self._fragments: bytearray | None = None
        self._paused = False

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for a request, for so long."""
        context = self._context
        self._transport = cast(asyncio.Transport, transport)  # uvloop's does not derive from it
        stats, limits = context.stats, context.settings.limits
        stats.accepted += 1
        stats.phases[_HANDSHAKE] += 1
        if stats.phases[_HANDSHAKE] > limits.handshakes or sum(stats.phases[:_CLOSED]) > limits.sockets:
            stats.refused["too many handshakes"] += 1
            self.abort()
            return
        context.deadlines.set(self, context.loop.time() + context.settings.timing.handshake)

    def data_received(self, data: bytes | bytearray) -> None:
        """Take the frames out of what came; most of the time that is one short text frame, and nothing else."""
        self.heard = True
        size = len(data)
        if self.phase is not _OPEN:
            if self.phase is _HANDSHAKE:
                self._receive_request(data)
            else:
                self._receive_while_closing(data)
            return
        if (
            6 <= size <= SHORT_MAX
            and data[1] == size + 0x7A  # a mask, and a length that ends with these bytes
            and data[0] == TEXT_PLAIN
            and self._rest is None
            and self._fragments is None
        ):
            self._context.dialogue.receive(self, apply_mask(data[6:], data[2:6]))
            return
        self._receive_frames(data)

    def _receive_frames(self, data: bytes | bytearray) -> None:
        if self._rest is not None:
            self._rest += data
            data, self._rest = self._rest, None
        message_max = self._context.settings.limits.message_bytes
        start, size = 0, len(data)
        while size - start >= 2:
            first, second = data[start], data[start + 1]
            if second < 0x80 or (first != TEXT_PLAIN and first & 0x0F not in OPCODES):
                self._receive_rare(data[start:])  # wrong at its beginning: this ends the connection
                return
            if second < 0xFE:
                payload = start + 6
                end = payload + second - 0x80
            else:
                where = extent(data, start)
                if where is None:
                    break
                payload, end = where
            if end - payload > message_max:
                self._receive_rare(data[start:])  # too big: this ends the connection before the rest is there
                return
            if end > size:
                break
            if first == TEXT_PLAIN and self._fragments is None:
                text = apply_mask(data[payload:end], data[payload - 4 : payload])
                self._context.dialogue.receive(self, text)
            else:
                self._receive_rare(data[start:end])
            start = end
            if self.phase is not _OPEN:
                self._receive_while_closing(data[start:])
                return
        if start < size:
            self._rest = bytearray(data[start:])

    def eof_received(self) -> None:
        """The other side sends nothing more: returning nothing closes the transport."""

    def connection_lost(self, error: Exception | None) -> None:
        """Let go of everything."""
        context = self._context
        context.deadlines.clear(self)
        if self.phase is _OPEN:
            context.hub.leave(self)
        self._enter(_CLOSED)
        self.write = _nowhere
        self.backlog = self._transport = self._protocol = self._rest = self._fragments = None

    def pause_writing(self) -> None:
        """The client reads more slowly than it is written to: keep a backlog."""
        self._paused = True
        if self.backlog is None and self.phase is _OPEN:
            self.backlog = deque()

    def resume_writing(self) -> None:
        """The client has read: write the backlog."""
        self._paused = False
        backlog = self.backlog
        while backlog and not self._paused:
            self.write(backlog.popleft())
        if not backlog:
            self.backlog = None

    # What the hub, the dialogue and the server call.

    def send(self, payload: bytes) -> None:
        """Send one text message to this client."""
        if self.backlog is None:
            self.write(text_frame(payload))
        else:
            self.enqueue(text_frame(payload))

    def enqueue(self, frame: bytes) -> None:
        """Keep a frame for a client that reads too slowly, or give up the oldest one, or the client."""
        context, backlog = self._context, self.backlog
        if backlog is None:
            self.write(frame)
            return
        if len(backlog) >= context.settings.limits.send_queue:
            if context.settings.slow_consumer is SlowConsumer.CLOSE:
                context.stats.closed_slow += 1
                self.eject(CloseCode.TRY_AGAIN_LATER, "reads too slowly")
                return
            backlog.popleft()
            context.stats.dropped_slow += 1
        backlog.append(frame)

    def eject(self, code: CloseCode, reason: str) -> None:
        """Close the connection for something that the client did."""
        self._context.stats.ejected[f"{code.value} {reason}"] += 1
        _log.debug("client closed", extra={"code": code.value, "reason": reason, "address": self.address})
        self.close(code, reason)

    def close(self, code: CloseCode, reason: str = "") -> None:
        """Begin the close handshake; the other side has `timing.close` seconds to end it."""
        if self.phase is not _OPEN:
            return
        protocol = self._frames()
        rest, self._rest = self._rest, None
        protocol.send_close(code, reason)
        self._begin_closing()
        self._flush(protocol)
        if rest:
            self._receive_while_closing(rest)

    def abort(self) -> None:
        """Drop the connection without a word."""
        if self._transport is not None:
            self._transport.abort()

    def expire(self) -> None:
        """A deadline has passed: that of the handshake, or that of the close."""
        stats = self._context.stats
        if self.phase is _HANDSHAKE:
            stats.refused["handshake timeout"] += 1
        else:
            stats.close_timeouts += 1
        self.abort()

    # Requests.

    def _receive_request(self, data: bytes | bytearray) -> None:
        context = self._context
        received = self._rest if self._rest is not None else bytearray()
        searched = len(received)
        received += data
        settings = context.settings
        opening = read_opening(received, searched, settings.compression, settings.limits.message_bytes, _protocol_log)
        if opening is None:
            self._rest = received
            return
        self._rest = None
        if isinstance(opening, Unreadable):
            context.stats.refused[opening.reason] += 1
            self._answer(opening.answer)
            return
        self._respond(opening)

    def _respond(self, opening: Opening) -> None:
        context, transport, protocol = self._context, self._transport, opening.protocol
        if transport is None:
            return
        peer = transport.get_extra_info("peername")
        self.address = peer[0] if isinstance(peer, tuple) else ""
        response = context.gate.answer(protocol, opening.request, self.address)
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            body = b"" if opening.request.method == "HEAD" else response.body
            head = Response(response.status_code, response.reason_phrase, response.headers)
            self._answer(head.serialize() + body)
            return
        protocol.send_response(response)
        context.deadlines.clear(self)
        context.stats.opened += 1
        self._enter(_OPEN)
        self._protocol = protocol if protocol.extensions else None
        transport.set_write_buffer_limits(high=context.settings.limits.send_buffer_bytes)
        transport.write(b"".join(protocol.data_to_send()))
        self.write = self._write_compressed if protocol.extensions else transport.write
        context.hub.join(self)
        if context.refused_by_fault():
            self.eject(CloseCode.POLICY_VIOLATION, "not available for this user yet")
            return
        context.dialogue.begin(self)
        if opening.rest:
            self.data_received(opening.rest)

    def _answer(self, response: bytes) -> None:
        """Send an HTTP response other than 101, and give the other side a moment to close."""
        context, transport = self._context, self._transport
        self._enter(_CLOSING)
        context.deadlines.set(self, context.loop.time() + context.settings.timing.close)
        if transport is not None:
            transport.write(response)
            transport.write_eof()

    # Rare frames.

    def _receive_rare(self, data: bytes | bytearray) -> None:
        protocol = self._frames()
        protocol.receive_data(data)
        for event in protocol.events_received():
            if isinstance(event, Frame) and self.phase is _OPEN:
                self._receive_frame(event)
        if self.phase is _OPEN and protocol.state is not PROTOCOL_OPEN:
            self._count_failure(protocol)
            self._begin_closing()
        self._flush(protocol)
        if self.phase is _OPEN and self._fragments is None and not protocol.extensions:
            self._protocol = None

    def _receive_frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.BINARY:
            self._context.stats.malformed += 1
            self.eject(CloseCode.UNSUPPORTED_DATA, "text messages only")
            return
        if frame.opcode is Opcode.TEXT:
            self._fragments = bytearray(frame.data)
        elif frame.opcode is Opcode.CONT and self._fragments is not None:
            self._fragments += frame.data
        else:
            return
        if frame.fin:
            payload, self._fragments = bytes(self._fragments), None
            self._context.dialogue.receive(self, payload)

    def _receive_while_closing(self, data: bytes | bytearray) -> None:
        """Wait for the answer to our close; what else comes is no longer of interest."""
        protocol = self._protocol
        if protocol is not None and data and protocol.state is not State.CLOSED:
            protocol.receive_data(data)
            protocol.events_received()
            self._flush(protocol)

    def _frames(self) -> ServerProtocol:
        """The protocol object, made when it is needed."""
        if self._protocol is None:
            message_max = self._context.settings.limits.message_bytes
            self._protocol = ServerProtocol(state=PROTOCOL_OPEN, max_size=message_max, logger=_protocol_log)
        return self._protocol

    def _flush(self, protocol: ServerProtocol) -> None:
        transport = self._transport
        for chunk in protocol.data_to_send():
            if transport is None or transport.is_closing():
                return
            if chunk:
                transport.write(chunk)
            else:
                transport.write_eof()

    def _write_compressed(self, frame: bytes) -> None:
        where = extent(frame, 0)
        assert where is not None
        protocol = self._frames()
        try:
            protocol.send_text(frame[where.payload :])
        except InvalidState:  # it is failing right now
            return
        self._flush(protocol)

    def _count_failure(self, protocol: ServerProtocol) -> None:
        """Count a close that the protocol object decided on; one that the client began is no failure."""
        if protocol.close_rcvd is None and protocol.close_sent is not None:
            self._context.stats.malformed += 1
            self._context.stats.ejected[f"{int(protocol.close_sent.code)} broken frame"] += 1

    # Phases.

    def _begin_closing(self) -> None:
        context = self._context
        self._enter(_CLOSING)
        self.write = _nowhere
        self.backlog = self._fragments = None
        context.hub.leave(self)
        context.deadlines.set(self, context.loop.time() + context.settings.timing.close)

    def _enter(self, phase: Phase) -> None:
        phases = self._context.stats.phases
        phases[self.phase] -= 1
        phases[phase] += 1
        self.phase = phase
