"""One connection: HTTP request, WebSocket handshake, frames, close.

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
from enum import IntEnum
from http import HTTPStatus
from typing import cast
from uuid import uuid4

import msgspec
from websockets.exceptions import InvalidState
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import OPEN as PROTOCOL_OPEN
from websockets.protocol import State
from websockets.server import ServerProtocol

from wstui.odin import messages
from wstui.odin.admission import Refusal, choose_subprotocol
from wstui.odin.deadlines import Deadlines
from wstui.odin.frames import TEXT_MASKED, apply_mask, extent, text_frame
from wstui.odin.gate import Gate
from wstui.odin.hub import ALL, Hub
from wstui.odin.ratelimit import RateLimit, TokenBucket
from wstui.odin.settings import Settings, SlowConsumer
from wstui.odin.stats import Stats

REQUEST_MAX = 16 * 1024
TOKEN_NAME_MAX = 32
_protocol_log = logging.getLogger("wstui.odin.websockets")
_protocol_log.setLevel(logging.CRITICAL)
_log = logging.getLogger("wstui.odin.connection")


class Phase(IntEnum):
    """Where a connection stands."""

    HANDSHAKE = 0
    OPEN = 1
    CLOSING = 2
    CLOSED = 3


_HANDSHAKE, _OPEN, _CLOSING, _CLOSED = Phase


@dataclass(frozen=True, slots=True)
class Context:
    """What all connections of a server share."""

    loop: asyncio.AbstractEventLoop
    settings: Settings
    stats: Stats
    hub: Hub
    gate: Gate
    deadlines: Deadlines
    message_rate: RateLimit | None
    refused_by_fault: Callable[[], bool]


def _nowhere(_frame: bytes) -> None:
    """Where a frame goes when the connection is lost."""


class Connection(asyncio.Protocol):
    """The server's side of one connection; also what the hub knows as a subscriber."""

    __slots__ = (
        "_bucket",
        "_context",
        "_fragments",
        "_malformed",
        "_paused",
        "_protocol",
        "_rest",
        "_transport",
        "address",
        "backlog",
        "heard",
        "phase",
        "pinged",
        "tokens",
        "write",
    )

    def __init__(self, context: Context) -> None:
        self.phase = _HANDSHAKE
        self.address = ""
        self.backlog: deque[bytes] | None = None
        self.heard = True  # since the last look for dead peers
        self.pinged = False
        self.tokens: frozenset[str] = frozenset()
        self.write: Callable[[bytes], None] = _nowhere
        self._context = context
        self._transport: asyncio.Transport | None = None
        self._protocol: ServerProtocol | None = None  # there only while it has something to do
        self._rest: bytearray | None = None  # bytes of an incomplete request or frame
        self._fragments: bytearray | None = None
        self._malformed = 0
        self._paused = False
        self._bucket: TokenBucket | None = None

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for a request, for so long."""
        context = self._context
        self._transport = cast(asyncio.Transport, transport)  # uvloop's does not derive from it
        context.stats.accepted += 1
        context.stats.phases[_HANDSHAKE] += 1
        if context.stats.phases[_HANDSHAKE] > context.settings.limits.handshakes:
            context.stats.refused["too many handshakes"] += 1
            self.abort()
            return
        context.deadlines.set(self, context.loop.time() + context.settings.timing.handshake)

    def data_received(self, data: bytes | bytearray) -> None:
        """Take the frames out of what came."""
        self.heard = True
        if self.phase is not _OPEN:
            if self.phase is _HANDSHAKE:
                self._receive_request(data)
            elif self.phase is _CLOSING:
                self._receive_while_closing(data)
            return
        if self._rest is not None:
            self._rest += data
            data, self._rest = self._rest, None
        start, size = 0, len(data)
        while size - start >= 2:
            second = data[start + 1]
            if 0x80 <= second < 0xFE:
                payload = start + 6
                end = payload + second - 0x80
            else:
                where = extent(data, start)
                if where is None:
                    break
                payload, end = where
                if second < 0x80 or end - payload > self._context.settings.limits.message_bytes:
                    end = size  # wrong at its header already: no need to wait for the rest
            if end > size:
                break
            if (
                data[start] == TEXT_MASKED
                and second >= 0x80
                and self._fragments is None
                and end - payload <= (self._context.settings.limits.message_bytes)
            ):
                self._receive_text(apply_mask(data[payload:end], data[payload - 4 : payload]))
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
        if self.backlog is None:
            self.backlog = deque()

    def resume_writing(self) -> None:
        """The client has read: write the backlog."""
        self._paused = False
        backlog = self.backlog
        while backlog and not self._paused:
            self.write(backlog.popleft())
        if not backlog:
            self.backlog = None

    # What the server and the hub call.

    def enqueue(self, frame: bytes) -> None:
        """Keep a frame for a client that reads too slowly, or give up the oldest one, or the client."""
        context, backlog = self._context, self.backlog
        if backlog is None:
            self.write(frame)
            return
        if len(backlog) >= context.settings.limits.send_queue:
            if context.settings.slow_consumer is SlowConsumer.CLOSE:
                context.stats.closed_slow += 1
                self._eject(CloseCode.TRY_AGAIN_LATER, "reads too slowly")
                return
            backlog.popleft()
            context.stats.dropped_slow += 1
        backlog.append(frame)

    def send(self, payload: bytes) -> None:
        """Send one text message to this client."""
        frame = text_frame(payload)
        if self.backlog is None:
            self.write(frame)
        else:
            self.enqueue(frame)

    def close(self, code: int, reason: str = "") -> None:
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

    def refuse_request(self) -> None:
        """End a connection that has not sent its request yet."""
        if self.phase is _HANDSHAKE and self._transport is not None:
            self._transport.abort()

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
        rest = self._rest if self._rest is not None else bytearray()
        searched = max(0, len(rest) - 3)
        rest += data
        end = rest.find(b"\r\n\r\n", searched)
        if (end if end >= 0 else len(rest)) > REQUEST_MAX:
            self._rest = None
            self._context.stats.refused["request too large"] += 1
            refusal = Refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "request too large")
            self._answer(refusal.response().serialize())
            return
        if end < 0:
            self._rest = rest
            return
        self._rest = None
        settings = self._context.settings
        protocol = ServerProtocol(
            extensions=[ServerPerMessageDeflateFactory()] if settings.compression else None,
            select_subprotocol=lambda _protocol, offered: choose_subprotocol(offered),
            max_size=settings.limits.message_bytes,
            logger=_protocol_log,
        )
        protocol.receive_data(bytes(rest[: end + 4]))
        events = protocol.events_received()
        if not events:
            self._context.stats.refused["malformed request"] += 1
            written = b"".join(protocol.data_to_send())
            refusal = Refusal(HTTPStatus.BAD_REQUEST, "malformed request")
            self._answer(written or refusal.response().serialize())
            return
        request = events[0]
        assert isinstance(request, Request)
        self._respond(protocol, request, rest[end + 4 :])

    def _respond(self, protocol: ServerProtocol, request: Request, tail: bytearray) -> None:
        context, transport = self._context, self._transport
        assert transport is not None
        peer = transport.get_extra_info("peername")
        self.address = peer[0] if isinstance(peer, tuple) else ""
        response: Response = context.gate.answer(protocol, request, self.address)
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            body = b"" if request.method == "HEAD" else response.body
            head = Response(response.status_code, response.reason_phrase, response.headers)
            self._answer(head.serialize() + body)
            return
        protocol.send_response(response)
        context.deadlines.clear(self)
        context.stats.opened += 1
        self._enter(_OPEN)
        self._protocol = protocol if protocol.extensions else None
        transport.set_write_buffer_limits(high=context.settings.limits.send_buffer_bytes)
        for chunk in protocol.data_to_send():
            transport.write(chunk)
        self.write = self._write_compressed if protocol.extensions else transport.write
        context.hub.join(self)
        if context.refused_by_fault():
            self._eject(CloseCode.POLICY_VIOLATION, "not available for this user yet")
            return
        rate = context.settings.limits.message_rate_per_client
        if rate > 0:
            self._bucket = TokenBucket(rate, context.loop.time())
        self.send(messages.welcome(f"client-{uuid4().hex[:16]}", 100, True))
        if tail:
            self.data_received(tail)

    def _answer(self, response: bytes) -> None:
        """Send an HTTP response other than 101, and wait a moment for the other side to close."""
        self._enter(_CLOSING)
        self._context.deadlines.set(self, self._context.loop.time() + self._context.settings.timing.close)
        if self._transport is not None:
            self._transport.write(response)
            self._transport.write_eof()

    # Frames.

    def _receive_text(self, payload: bytes) -> None:
        context = self._context
        stats = context.stats
        stats.received += 1
        if context.message_rate is not None and context.message_rate.take(self.address, context.loop.time()):
            self._eject(CloseCode.POLICY_VIOLATION, "message rate limit")
            return
        if self._bucket is not None and not self._bucket.take(context.loop.time()):
            self._eject(CloseCode.POLICY_VIOLATION, "message rate limit")
            return
        if not payload.isascii():
            try:
                payload.decode()
            except UnicodeDecodeError:
                stats.malformed += 1
                self._eject(CloseCode.INVALID_DATA, "not UTF-8")
                return
        try:
            message = messages.decode_inbound(payload)
        except (msgspec.DecodeError, RecursionError):
            self._count_malformed()
            return
        kind = message.type
        if kind == "ping":
            stats.pongs += 1
            self._reply(messages.pong(bytes(message.timestamp)))
        elif kind == "subscribe":
            stats.received_by_type[kind] += 1
            self._subscribe(message.tokens)
        elif kind == "unsubscribe":
            stats.received_by_type[kind] += 1
            context.hub.subscribe(self, self.tokens - frozenset(map(_token_name, message.tokens)))
        else:
            stats.received_by_type["unknown"] += 1

    def _subscribe(self, tokens: list[str]) -> None:
        names = self.tokens | frozenset(map(_token_name, tokens))
        if len(names) > self._context.settings.limits.tokens or any(
            not 0 < len(name) <= TOKEN_NAME_MAX for name in names
        ):
            self._count_malformed()
            return
        self._context.hub.subscribe(self, names)
        self._reply(messages.subscription_ack(sorted(names)))

    def _reply(self, payload: bytes) -> None:
        delay = self._context.settings.faults.delay
        if delay:
            self._context.loop.call_later(delay, self.send, payload)
        else:
            self.send(payload)

    def _count_malformed(self) -> None:
        self._context.stats.malformed += 1
        self._malformed += 1
        if self._malformed > self._context.settings.limits.malformed_messages:
            self._eject(CloseCode.POLICY_VIOLATION, "too many malformed messages")

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
            self._eject(CloseCode.UNSUPPORTED_DATA, "text messages only")
            return
        if frame.opcode is Opcode.TEXT:
            self._fragments = bytearray(frame.data)
        elif frame.opcode is Opcode.CONT and self._fragments is not None:
            self._fragments += frame.data
        else:
            return
        if frame.fin:
            payload, self._fragments = bytes(self._fragments), None
            self._receive_text(payload)

    def _receive_while_closing(self, data: bytes | bytearray) -> None:
        protocol = self._protocol
        if protocol is not None and data and protocol.state is not State.CLOSED:
            protocol.receive_data(data)
            protocol.events_received()
            self._flush(protocol)

    def _frames(self) -> ServerProtocol:
        """The protocol object, made when it is needed: an idle connection has none."""
        if self._protocol is None:
            self._protocol = ServerProtocol(
                state=PROTOCOL_OPEN, max_size=self._context.settings.limits.message_bytes, logger=_protocol_log
            )
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
        protocol = self._frames()
        try:
            protocol.send_text(frame[_payload_start(frame) :])
        except InvalidState:
            return
        self._flush(protocol)

    def _eject(self, code: CloseCode, reason: str) -> None:
        self._context.stats.ejected[f"{code.value} {reason}"] += 1
        _log.debug("client closed by the server", extra={"code": code.value, "reason": reason})
        self.close(code, reason)

    def _count_failure(self, protocol: ServerProtocol) -> None:
        """Count a close that the protocol object decided on; one that the client began is no failure."""
        if protocol.close_rcvd is None and protocol.close_sent is not None:
            self._context.stats.malformed += 1
            self._context.stats.ejected[f"{int(protocol.close_sent.code)} protocol"] += 1

    def _enter(self, phase: Phase) -> None:
        phases = self._context.stats.phases
        phases[self.phase] -= 1
        phases[phase] += 1
        self.phase = phase

    def _begin_closing(self) -> None:
        context = self._context
        self._enter(_CLOSING)
        self.write = _nowhere
        self.backlog = self._fragments = None
        context.hub.leave(self)
        context.deadlines.set(self, context.loop.time() + context.settings.timing.close)


def _token_name(text: str) -> str:
    return ALL if text.lower() == ALL else text.upper()


def _payload_start(frame: bytes) -> int:
    where = extent(frame, 0)
    assert where is not None
    return where.payload
