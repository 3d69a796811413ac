"""One connection: its request, its backlog, its close. It has no task and no timer of its own."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from http import HTTPStatus
from typing import cast

from websockets.frames import CloseCode
from websockets.http11 import Response

from wstui.odin.context import Context
from wstui.odin.frame_connection import PROTOCOL_LOG, Wire, nowhere
from wstui.odin.server_settings import SlowConsumer
from wstui.odin.stats import Phase
from wstui.odin.upgrade_request import Opening, Unreadable, read_opening
from wstui.servers.frame_writer import text_frame

_HANDSHAKE, _OPEN, _CLOSING, _CLOSED = Phase
_log = logging.getLogger("wstui.odin.connection")


class Connection(Wire):
    """The server's side of one connection; also what the hub knows as a subscriber."""

    __slots__ = ("_paused", "pinged")

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.pinged = False  # since it was last heard
        self._paused = False

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for a request, for so long."""
        context = self._context
        self._transport = cast(asyncio.Transport, transport)  # uvloop's does not derive from it
        stats, limits = context.stats, context.settings.limits
        stats.accepted += 1
        stats.phases[_HANDSHAKE] += 1
        context.half_open[self] = None
        context.deadlines.set(self, context.loop.time() + context.settings.timing.handshake)
        if len(context.half_open) > limits.handshakes or sum(stats.phases[:_CLOSED]) > limits.sockets:
            # The oldest goes, not the newest: whoever means to come in has soon said what it wants.
            next(iter(context.half_open)).crowd_out()

    def eof_received(self) -> None:
        """The other side sends nothing more: returning nothing closes the transport."""

    def connection_lost(self, error: Exception | None) -> None:
        """Let go of everything."""
        context = self._context
        context.deadlines.clear(self)
        if self.phase is _OPEN:
            self._leave()
        self._enter(_CLOSED)
        self.write = nowhere
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

    def crowd_out(self) -> None:
        """Too many are as slow with their request as this one, and it is the slowest."""
        self._context.stats.refused["too many handshakes"] += 1
        self._context.deadlines.clear(self)
        self._enter(_CLOSED)
        self.abort()

    # Requests.

    def _receive_request(self, data: bytes | bytearray) -> None:
        context = self._context
        received = self._rest if self._rest is not None else bytearray()
        searched = len(received)
        received += data
        settings = context.settings
        opening = read_opening(received, searched, settings.compression, settings.limits.message_bytes, PROTOCOL_LOG)
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

    # Phases.

    def _begin_closing(self) -> None:
        context = self._context
        self._enter(_CLOSING)
        self.write = nowhere
        self.backlog = self._fragments = None
        self._leave()
        context.deadlines.set(self, context.loop.time() + context.settings.timing.close)

    def _leave(self) -> None:
        self._context.hub.leave(self)
        self._context.gate.admission.places.give_back()

    def _enter(self, phase: Phase) -> None:
        if self.phase is _HANDSHAKE:
            self._context.half_open.pop(self, None)
        phases = self._context.stats.phases
        phases[self.phase] -= 1
        phases[phase] += 1
        self.phase = phase
