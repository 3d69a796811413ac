"""The frames of one connection: bytes in, messages out, and the other way round.

Every rare frame (control, fragmented, compressed, broken) is handled by websockets' Sans-I/O `ServerProtocol`. A
complete masked text frame, which is nearly all that clients send, is taken straight from the bytes.
"""

from __future__ import annotations

import asyncio
import logging
from abc import abstractmethod
from collections import deque
from collections.abc import Callable

from websockets.exceptions import InvalidState
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import OPEN as PROTOCOL_OPEN
from websockets.protocol import State
from websockets.server import ServerProtocol

from wstui.odin.context import Context
from wstui.odin.ratelimit import TokenBucket
from wstui.odin.stats import Phase
from wstui.servers.frame_writer import OPCODES, TEXT_PLAIN, apply_mask, extent

SHORT_MAX = 131  # bytes of the largest masked frame whose length is in its second byte
PROTOCOL_LOG = logging.getLogger("wstui.odin.websockets")
PROTOCOL_LOG.setLevel(logging.CRITICAL)  # what it would log is counted here
_HANDSHAKE, _OPEN, _CLOSING, _CLOSED = Phase


def nowhere(_frame: bytes) -> None:
    """Where a frame goes that can't be sent any more."""


class Wire(asyncio.Protocol):
    """Reads and writes frames. What opens a connection, fills it and ends it is left to `Connection`.

    An idle one keeps no protocol object and no buffer.
    """

    __slots__ = (
        "_context",
        "_fragments",
        "_protocol",
        "_rest",
        "_transport",
        "address",
        "backlog",
        "bucket",
        "heard",
        "malformed",
        "phase",
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
        self.write: Callable[[bytes], None] = nowhere
        self._context = context
        self._transport: asyncio.Transport | None = None
        self._protocol: ServerProtocol | None = None  # there only while it has something to do
        self._rest: bytearray | None = None  # bytes of an incomplete request or frame
        self._fragments: bytearray | None = None

    @abstractmethod
    def send(self, payload: bytes) -> None:
        """Send one text message to this client."""

    @abstractmethod
    def enqueue(self, frame: bytes) -> None:
        """Keep a frame until the client has read what it was sent before."""

    @abstractmethod
    def eject(self, code: CloseCode, reason: str) -> None:
        """Close the connection for something that the client did."""

    @abstractmethod
    def _receive_request(self, data: bytes | bytearray) -> None:
        """Bytes before the upgrade."""

    @abstractmethod
    def _begin_closing(self) -> None:
        """The close handshake has begun."""

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

    def _receive_rare(self, data: bytes | bytearray) -> None:
        protocol = self._frames()
        protocol.receive_data(data)
        for event in protocol.events_received():
            if isinstance(event, Frame) and self.phase is _OPEN:
                self._receive_frame(event)
        if self.phase is _OPEN and protocol.state is not PROTOCOL_OPEN:
            self._count_failure(protocol)
            self._begin_closing()
        if self.backlog is None:
            self._flush(protocol)
        else:  # who pings and doesn't read must not fill the memory with pongs
            for pong in protocol.data_to_send():
                self.enqueue(pong)
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
        protocol, transport = self._protocol, self._transport
        if protocol is not None and data and protocol.state is not State.CLOSED:
            protocol.receive_data(data)
            protocol.events_received()
            answered = b"" in protocol.data_to_send()  # the rest are pongs, which nobody waits for any more
            if answered and transport is not None and not transport.is_closing():
                transport.write_eof()

    def _frames(self) -> ServerProtocol:
        """The protocol object, made when it is needed."""
        if self._protocol is None:
            message_max = self._context.settings.limits.message_bytes
            self._protocol = ServerProtocol(state=PROTOCOL_OPEN, max_size=message_max, logger=PROTOCOL_LOG)
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
        if frame[0] != TEXT_PLAIN:
            if self._transport is not None:
                self._transport.write(frame)
            return
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
