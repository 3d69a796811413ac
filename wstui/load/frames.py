"""The fast path for frames: plain ones are taken straight from the bytes, all others go through websockets."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, cast

from websockets.client import ClientProtocol
from websockets.frames import DATA_OPCODES, Frame, Opcode
from websockets.protocol import OPEN

try:  # not documented API, but eight times as fast
    from websockets.speedups import apply_mask
except ImportError:  # pragma: no cover - a build without the C extension
    from websockets.utils import apply_mask

if TYPE_CHECKING:
    from wstui.scenario.url import Address

TEXT = 0x81
BINARY = 0x82
PING = 0x89
PONG = 0x8A
_RESERVED = 0xF8F8  # a bit for each reserved opcode: 3…7 and 11…15
_HEADS = [b"\x81%c" % size if size < 126 else None for size in range(256)]
"""How short texts begin, by their size."""

# RFC 6455 5.3 wants unpredictable masks, to protect proxies from hostile scripts. For a load generator a random pool
# is enough, at a tenth of the cost of one os.urandom() call per frame.
_MASKS = [os.urandom(4) for _ in range(256)]

quiet = logging.getLogger("wstui.frames")
quiet.addHandler(logging.NullHandler())
quiet.propagate = False
quiet.setLevel(logging.CRITICAL)


class FrameProtocol(ClientProtocol):
    """Accepts a close frame between the fragments of a message, which websockets calls an error (RFC 6455 5.4)."""

    def recv_frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE:
            self.current_size = None
        super().recv_frame(frame)


def encode(first: int, payload: bytes, seed: int) -> bytes:
    """Return a masked frame with FIN. `first` is its first byte (TEXT, BINARY, PING); `seed` picks the mask."""
    mask = _MASKS[seed & 255]
    size = len(payload)
    if size < 126:
        return b"%c%c%b%b" % (first, size | 0x80, mask, apply_mask(payload, mask))
    if size < 65536:
        return b"%c\xfe%b%b%b" % (first, size.to_bytes(2, "big"), mask, apply_mask(payload, mask))
    return b"%c\xff%b%b%b" % (first, size.to_bytes(8, "big"), mask, apply_mask(payload, mask))


def unmasked(frame: bytes) -> tuple[int, bytes]:
    """Return the first byte and the payload of a whole frame as `encode` makes it."""
    start = 2 + {126: 2, 127: 8}.get(frame[1] & 0x7F, 0)
    return frame[0], apply_mask(frame[start + 4 :], frame[start : start + 4])


def plain_size(payload: int, mask: int = 0) -> int:
    """Return the size of an uncompressed frame; `mask` is 4 for a client's."""
    return payload + mask + (2 if payload < 126 else 4 if payload < 65536 else 10)


class FrameReceiver:
    """Cuts the bytes of an open connection into messages.

    Plain data frames (FIN, no RSV bit, unmasked, whole, outside a fragmented message, within `max_size`) and
    pongs are taken from the bytes. Every other frame is handed whole to a `ClientProtocol`, which is made for the
    first such frame and dropped when it is no longer needed: it costs 3 KiB a client.

    Subclasses implement `message`, `pong`, `closing` and `write`.
    """

    __slots__ = ("_awaited", "_fragments", "_inside", "_kept", "max_size", "protocol", "tail", "uri")

    def __init__(self, uri: Address, max_size: int) -> None:
        self.uri = uri
        self.max_size = max_size
        self.protocol: ClientProtocol | None = None
        self.tail: bytes | bytearray = b""  # the beginning of a frame
        self._awaited = 0  # bytes of it that are needed to go on
        self._kept = False  # an extension keeps its state in the protocol object
        self._inside = 0  # TEXT or BINARY inside a fragmented message, else 0
        self._fragments: bytearray | None = None

    def message(self, first: int, payload: bytes) -> None:
        """Take a whole message; `first` is TEXT or BINARY."""
        raise NotImplementedError

    def pong(self, payload: bytes) -> None:
        raise NotImplementedError

    def closing(self) -> None:
        """The connection is being closed; `protocol` has the close codes and the parser's error."""
        raise NotImplementedError

    def write(self, data: bytes) -> None:
        raise NotImplementedError

    def inflated(self, saved: int) -> None:
        """Note that a compressed frame arrived, which saved so many bytes (or wasted them, if negative)."""

    def adopt(self, protocol: ClientProtocol) -> None:
        """Begin after the handshake of `protocol`, which is kept only if it negotiated an extension."""
        if protocol.extensions:
            self.protocol = protocol
            self._kept = True
        else:
            self.protocol = None

    @property
    def compressed(self) -> bool:
        """Return whether an extension was negotiated, so that messages go through `protocol`."""
        return self._kept

    def feed(self, data: bytes) -> None:
        """Take bytes from the network, cut anywhere."""
        size = len(data)
        if self.tail:
            # Append to a buffer until the frame is whole: joining bytes at every read takes the square of its size.
            tail = self.tail
            if not isinstance(tail, bytearray):
                tail = self.tail = bytearray(tail)
            tail += data
            size = len(tail)
            if size < self._awaited:
                return
            data = bytes(tail)
            self.tail = b""
        elif size > 3 and data[0] == TEXT and not self._inside:
            # By far most reads hold exactly one message.
            length = data[1]
            if length == size - 2 < 126 and length <= self.max_size:
                self.message(TEXT, data[2:])
                return
            if length == 126 and (data[2] << 8) | data[3] == size - 4 <= self.max_size:
                self.message(TEXT, data[4:])
                return
            end = length + 2
            start = length + 4
            if length < 126 and size < 256 and size <= self.max_size and data[end:start] == _HEADS[size - start]:
                # Of the others many hold two: a reply, and what completes it.
                self.message(TEXT, data[2:end])
                if self.protocol is None or self.protocol.state is OPEN:
                    self.message(TEXT, data[start:])
                else:
                    self._surrender(data[end:])
                return
        pos = end = 0
        while size - pos >= 2:
            first = data[pos]
            length = data[pos + 1]
            if length < 126:
                start = pos + 2
            elif length > 127 or _RESERVED >> (first & 15) & 1:
                # Masked by a server, or reserved: an error that websockets names.
                self._surrender(data[pos:])
                return
            elif length == 126:
                if size - pos < 4:
                    break
                length = (data[pos + 2] << 8) | data[pos + 3]
                start = pos + 4
            else:
                if size - pos < 10:
                    break
                length = int.from_bytes(data[pos + 2 : pos + 10], "big")
                start = pos + 10
            end = start + length
            if (first == TEXT or first == BINARY) and length <= self.max_size and not self._inside:
                if end > size:
                    break
                self.message(first, data[start:end])
            elif first == PONG and length < 126 and length <= self.max_size and not self._inside:
                if end > size:
                    break
                self.pong(data[start:end])
            elif length > self._capacity() or _RESERVED >> (first & 15) & 1:
                self._surrender(data[pos:])
                return
            else:
                if end > size:
                    break
                self._rare(data[pos:end])
            pos = end
            if self.protocol is not None and self.protocol.state is not OPEN:
                self._surrender(data[pos:])
                return
        if pos < size:
            self.tail = data[pos:]
            self._awaited = end - pos

    def ensure_protocol(self) -> ClientProtocol:
        """Return the `ClientProtocol` of this open connection; make it if there is none."""
        if self.protocol is None:
            self.protocol = FrameProtocol(cast(Any, self.uri), state=OPEN, max_size=self.max_size, logger=quiet)
        return self.protocol

    def _capacity(self) -> int:
        return self.max_size if self._fragments is None else self.max_size - len(self._fragments)

    def _rare(self, frame: bytes) -> None:
        protocol = self.ensure_protocol()
        protocol.receive_data(frame)
        self._events(protocol, len(frame) if self._kept else 0)
        if protocol.state is OPEN and not self._inside and not self._kept:
            self.protocol = None

    def _surrender(self, data: bytes) -> None:
        """Hand the rest of a stream that is broken or being closed to websockets."""
        protocol = self.ensure_protocol()
        if data:
            protocol.receive_data(data)
        self._events(protocol)

    def feed_closing(self, data: bytes) -> None:
        """Take bytes from the network once the stream is broken or being closed."""
        protocol = self.ensure_protocol()
        if self.tail:
            data, self.tail = bytes(self.tail) + data, b""
        protocol.receive_data(data)
        self._events(protocol)

    def _events(self, protocol: ClientProtocol, wire: int = 0) -> None:
        """Handle what websockets made of a frame; `wire` is its size on the wire if it may be compressed."""
        for event in protocol.events_received():
            if isinstance(event, Frame):
                if wire and event.opcode in DATA_OPCODES:
                    self.inflated(plain_size(len(event.data)) - wire)
                self._event(event)
        for data in protocol.data_to_send():
            if data:
                self.write(data)
        if protocol.state is not OPEN:
            self.closing()

    def _event(self, frame: Frame) -> None:
        opcode = frame.opcode
        if opcode is Opcode.TEXT or opcode is Opcode.BINARY:
            first = TEXT if opcode is Opcode.TEXT else BINARY
            if frame.fin:
                self.message(first, bytes(frame.data))
            else:
                self._inside = first
                self._fragments = bytearray(frame.data)
        elif opcode is Opcode.CONT and self._fragments is not None:
            self._fragments += frame.data
            if frame.fin:
                first, whole = self._inside, bytes(self._fragments)
                self._inside, self._fragments = 0, None
                self.message(first, whole)
        elif opcode is Opcode.PONG:
            self.pong(bytes(frame.data))
