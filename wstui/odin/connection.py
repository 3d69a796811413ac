"""One connection: its request, its messages, its backlog, its close. It has no task of its own.

websockets' Sans-I/O `ServerProtocol` reads every byte. Only text frames for clients without compression are made here,
once for all receivers. Measured beside two alternatives on two busy cores, CPU of the server in µs:

|                          | a ping | a delivery | a connect | KiB a client |
|--------------------------|--------|------------|-----------|--------------|
| a parser of our own      |     22 |         11 |       444 |          2.0 |
| this                     |     41 |         12 |       458 |          6.1 |
| websockets.asyncio       |     84 |         20 |       718 |         12.6 |

The first took 300 lines more and saved 8 of 48 s of CPU in `wstui demo stress`; latencies and verdict are the same. The
last limits no half-open handshakes, keeps no backlog, and buffers pongs without bound for a client that never reads.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import cast

from websockets.exceptions import InvalidState
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol

from wstui.odin.admission import Admission, Rejection, choose_subprotocol
from wstui.odin.hub import Hub
from wstui.odin.message_handler import MessageHandler
from wstui.odin.rate_limit import TokenBucket
from wstui.odin.server_settings import ServerSettings, SlowConsumer
from wstui.odin.stats import ConnectionPhase, Stats
from wstui.servers.frame_writer import TEXT_PLAIN, text_frame

REQUEST_MAX = 16 * 1024
_END = b"\r\n\r\n"
_HEADER_BYTES = {126: 4, 127: 10}  # of an unmasked frame, by its second byte; else 2
_HANDSHAKE, _OPEN, _CLOSING, _CLOSED = ConnectionPhase
_log = logging.getLogger("wstui.odin.connection")
_protocol_log = logging.getLogger("wstui.odin.websockets")
_protocol_log.setLevel(logging.CRITICAL)  # what it would log is counted here


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of the server that all connections share."""

    loop: asyncio.AbstractEventLoop
    settings: ServerSettings
    stats: Stats
    hub: Hub
    admission: Admission
    handler: MessageHandler
    refused_by_fault: Callable[[], bool]
    connections: set[Connection] = field(default_factory=set)  # in any phase
    half_open: dict[Connection, None] = field(default_factory=dict)  # in order of arrival


class Connection(asyncio.Protocol):
    """The server's side of one connection."""

    def __init__(self, context: Context) -> None:
        self.phase = _HANDSHAKE
        self.address = ""
        self.tokens: frozenset[str] = frozenset()
        self.backlog: deque[bytes] | None = None  # frames for a client that reads too slowly
        self.bucket: TokenBucket | None = None
        self.malformed = 0
        self.heard = True  # since the last check for dead peers
        self.pinged = False
        self.write: Callable[[bytes], None] = _discard  # sends a frame now
        self._context = context
        self._transport: asyncio.Transport | None = None
        self._protocol: ServerProtocol | None = None  # from the request to the end
        self._timer: asyncio.TimerHandle | None = None
        self._request = bytearray()
        self._fragments: bytearray | None = None
        self._paused = False

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the request; drop the oldest half-open connection if there are too many."""
        context = self._context
        self._transport = cast(asyncio.Transport, transport)  # uvloop's does not derive from it
        stats, limits = context.stats, context.settings.limits
        stats.accepted += 1
        stats.phases[_HANDSHAKE] += 1
        context.connections.add(self)
        context.half_open[self] = None
        self._expire_in(context.settings.timing.handshake)
        if len(context.half_open) > limits.handshakes or len(context.connections) > limits.sockets:
            # The oldest, not the newest: a client that means to connect sends its request at once.
            oldest = next(iter(context.half_open))
            stats.refused["too many handshakes"] += 1
            oldest._enter(_CLOSED)
            oldest.abort()

    def data_received(self, data: bytes) -> None:
        """Pass on what came, by phase."""
        self.heard = True
        protocol = self._protocol
        if self.phase is _HANDSHAKE:
            self._receive_request(data)
        elif protocol is not None and protocol.state is not State.CLOSED:
            if self.phase is _OPEN:
                self._receive_frames(protocol, data)
            else:
                self._receive_while_closing(protocol, data)

    def connection_lost(self, error: Exception | None) -> None:
        """Release everything."""
        self._context.connections.discard(self)
        if self.phase is _OPEN:
            self._context.hub.leave(self)
        self._enter(_CLOSED)
        self.write = _discard
        self.backlog = self._transport = self._protocol = self._fragments = None

    def pause_writing(self) -> None:
        """Keep a backlog: the client reads more slowly than it is written to."""
        self._paused = True
        if self.backlog is None and self.phase is _OPEN:
            self.backlog = deque()

    def resume_writing(self) -> None:
        self._paused = False
        backlog = self.backlog
        while backlog and not self._paused:
            self.write(backlog.popleft())
        if not backlog:
            self.backlog = None

    # Called by the hub, the message handler, the background tasks and the server.

    def send(self, payload: bytes) -> None:
        """Send one text message to this client."""
        if self.backlog is None:
            self.write(text_frame(payload))
        else:
            self.enqueue(text_frame(payload))

    def ping(self) -> None:
        """Send a ping frame."""
        if self.phase is _OPEN and self._protocol is not None:
            self._protocol.send_ping(b"")
            self._flush(self._protocol)

    def enqueue(self, frame: bytes) -> None:
        """Keep a frame for a client that reads too slowly; beyond the limit drop the oldest one, or the client."""
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
        """Begin the close handshake; the client has `timing.close` seconds to end it."""
        protocol = self._protocol
        if self.phase is not _OPEN or protocol is None:
            return
        if protocol.state is State.OPEN:
            protocol.send_close(code, reason)
        self._begin_closing()
        self._flush(protocol)

    def abort(self) -> None:
        """Drop the TCP connection."""
        if self._transport is not None:
            self._transport.abort()

    def expire(self) -> None:
        """Give up a handshake or a close that takes too long."""
        stats = self._context.stats
        if self.phase is _HANDSHAKE:
            stats.refused["handshake timeout"] += 1
        elif self.phase is _CLOSING:
            stats.close_timeouts += 1
        self.abort()

    # The request.

    def _receive_request(self, data: bytes) -> None:
        self._request += data
        end = self._request.find(_END)
        if (end if end >= 0 else len(self._request)) > REQUEST_MAX:
            refusal = Rejection(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "request too large")
            self._context.stats.refused[refusal.reason] += 1
            self._answer(refusal.response().serialize())
        elif end >= 0:
            end += len(_END)
            # Frames may follow in the same bytes: the protocol may read them only after its response.
            received, self._request = self._request, bytearray()
            self._respond(bytes(received[:end]), bytes(received[end:]))

    def _respond(self, received: bytes, rest: bytes) -> None:
        context, transport, settings = self._context, self._transport, self._context.settings
        if transport is None:
            return
        protocol = ServerProtocol(
            extensions=[ServerPerMessageDeflateFactory()] if settings.compression else None,
            select_subprotocol=lambda _protocol, offered: choose_subprotocol(offered),
            max_size=settings.limits.message_bytes,
            logger=_protocol_log,
        )
        protocol.receive_data(received)
        events = protocol.events_received()
        if not (events and isinstance(events[0], Request)):
            refusal = Rejection(HTTPStatus.BAD_REQUEST, "malformed request")
            context.stats.refused[refusal.reason] += 1
            self._answer(b"".join(protocol.data_to_send()) or refusal.response().serialize())
            return
        peer = transport.get_extra_info("peername")
        self.address = peer[0] if isinstance(peer, tuple) else ""
        response = context.admission.answer(protocol, events[0], self.address, context.loop.time())
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            body = b"" if events[0].method == "HEAD" else response.body
            head = Response(response.status_code, response.reason_phrase, response.headers)
            self._answer(head.serialize() + body)
            return
        protocol.send_response(response)
        context.stats.opened += 1
        self._enter(_OPEN)
        self._protocol = protocol
        transport.set_write_buffer_limits(high=settings.limits.send_buffer_bytes)
        transport.write(b"".join(protocol.data_to_send()))
        self.write = self._write_compressed if protocol.extensions else transport.write
        context.hub.join(self)
        if context.refused_by_fault():
            self.eject(CloseCode.POLICY_VIOLATION, "not available for this user yet")
            return
        context.handler.welcome(self)
        if rest:
            self.data_received(rest)

    def _answer(self, response: bytes) -> None:
        """Send an HTTP response other than 101, and give the client a moment to close."""
        self._enter(_CLOSING)
        self._expire_in(self._context.settings.timing.close)
        if self._transport is not None:
            self._transport.write(response)
            self._transport.write_eof()

    # Frames.

    def _receive_frames(self, protocol: ServerProtocol, data: bytes) -> None:
        protocol.receive_data(data)
        for event in protocol.events_received():
            if self.phase is _OPEN and isinstance(event, Frame):
                self._receive_frame(event)
        if self.phase is _OPEN and protocol.state is not State.OPEN:
            if protocol.close_rcvd is None and protocol.close_sent is not None:  # the protocol found an error
                self._context.stats.malformed += 1
                self._context.stats.ejected[f"{int(protocol.close_sent.code)} broken frame"] += 1
            self._begin_closing()
        self._flush(protocol)

    def _receive_frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.BINARY:
            self._context.stats.malformed += 1
            self.eject(CloseCode.UNSUPPORTED_DATA, "text messages only")
        elif frame.opcode is Opcode.TEXT and frame.fin:
            self._context.handler.receive(self, bytes(frame.data))
        elif frame.opcode is Opcode.TEXT or frame.opcode is Opcode.CONT:
            self._fragments = self._fragments or bytearray()
            self._fragments += frame.data
            if frame.fin:
                payload, self._fragments = bytes(self._fragments), None
                self._context.handler.receive(self, payload)

    def _receive_while_closing(self, protocol: ServerProtocol, data: bytes) -> None:
        """Wait for the answer to our close, and ignore everything else."""
        protocol.receive_data(data)
        protocol.events_received()
        answered = b"" in protocol.data_to_send()  # the rest are pongs, which the client no longer waits for
        if answered and self._transport is not None and not self._transport.is_closing():
            self._transport.write_eof()

    def _flush(self, protocol: ServerProtocol) -> None:
        """Send what the protocol has to say; a client that pings and does not read gets a backlog of pongs."""
        transport, has_backlog = self._transport, self.backlog is not None
        for chunk in protocol.data_to_send():
            if transport is None or transport.is_closing():
                return
            if has_backlog and self.backlog is None:  # closed by `enqueue`: nothing may follow the close frame
                return
            if not chunk:
                transport.write_eof()
            elif self.backlog is None:
                transport.write(chunk)
            else:
                self.enqueue(chunk)

    def _write_compressed(self, frame: bytes) -> None:
        protocol, transport = self._protocol, self._transport
        assert protocol is not None and transport is not None  # it is only called while the connection is open
        if frame[0] == TEXT_PLAIN:
            try:
                protocol.send_text(frame[_HEADER_BYTES.get(frame[1], 2) :])
            except InvalidState:  # the client has begun to close
                return
            frame = b"".join(protocol.data_to_send())
        transport.write(frame)

    # Phases.

    def _begin_closing(self) -> None:
        self._context.hub.leave(self)
        self._enter(_CLOSING)
        self.write = _discard
        self.backlog = self._fragments = None
        self._expire_in(self._context.settings.timing.close)

    def _expire_in(self, seconds: float) -> None:
        self._timer = self._context.loop.call_later(seconds, self.expire)

    def _enter(self, phase: ConnectionPhase) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.phase is _HANDSHAKE:
            self._context.half_open.pop(self, None)
        phases = self._context.stats.phases
        phases[self.phase] -= 1
        phases[phase] += 1
        self.phase = phase


def _discard(_frame: bytes) -> None:
    """Drop a frame for a connection that is not open."""
