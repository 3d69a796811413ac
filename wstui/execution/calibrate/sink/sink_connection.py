"""One client of the sink: HTTP until the upgrade, frames after it; rarely more than a slice and a mask."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import socket
import struct
import time
from collections.abc import Callable
from typing import Protocol, cast

from wstui.servers.frame_writer import apply_mask, frame, text_frame

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_HEAD_LIMIT = 16 * 1024
_MESSAGE_LIMIT = 1 << 20
_NO_LINGER = struct.pack("ii", 1, 0)
_SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %b\r\n\r\n"
)
_ANSWER = b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
_WELCOME = text_frame(b'{"type":"connection:established","timestamp":1000000000000}').replace(
    b"1000000000000", b"%d"
)  # right as long as milliseconds have 13 digits

_now = time.monotonic_ns
_wall = time.time_ns


class SinkEvents(Protocol):
    """The owner of a connection: what it reports to, and what it asks for."""

    answer: Callable[[SinkConnection, int, bytes, int], None]
    """Called with each message: the first byte of its frame, its payload, the time of its arrival."""

    def opened(self, client: SinkConnection) -> None:
        """A client has completed its upgrade."""
        ...

    def closed(self, client: SinkConnection) -> None: ...

    def page(self, path: bytes) -> tuple[bytes, bytes, bytes]:
        """Return status, content type and body of the answer to a GET request."""
        ...


class SinkConnection(asyncio.Protocol):
    __slots__ = (
        "blocked",
        "broadcasts",
        "dropped",
        "duplicated",
        "fragments",
        "number",
        "sink",
        "skipped",
        "tail",
        "transport",
        "upgraded",
    )

    def __init__(self, sink: SinkEvents) -> None:
        self.sink = sink
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)
        self.tail = b""
        self.upgraded = False
        self.blocked = False  # it does not read, so broadcasts skip it
        self.number = -1
        self.broadcasts = 0
        self.dropped = 0
        self.duplicated = 0
        self.skipped = 0
        self.fragments: list[bytes] | None = None

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.sink.closed(self)

    def pause_writing(self) -> None:
        """Let broadcasts skip a client that does not read."""
        self.blocked = True

    def resume_writing(self) -> None:
        """Include it in broadcasts again."""
        self.blocked = False

    def data_received(self, data: bytes) -> None:
        """Read the frames; the clock is read once for all of them."""
        if not self.upgraded:
            self._request(self.tail + data)
            return
        now = _now()
        if self.tail:
            data = self.tail + data
            self.tail = b""
        size = len(data)
        pos = 0
        while size - pos >= 6:
            first = data[pos]
            length = data[pos + 1] - 128
            if length < 0:
                self._fail(1002)
                return
            start = pos + 6
            if length >= 126:
                wide = 2 if length == 126 else 8
                start += wide
                length = int.from_bytes(data[pos + 2 : pos + 2 + wide], "big")
                if size < start:
                    break
                if length > _MESSAGE_LIMIT:
                    self._fail(1009)
                    return
            end = start + length
            if end > size:
                break
            payload = apply_mask(data[start:end], data[start - 4 : start])
            if first == 0x81 or first == 0x82:
                self.sink.answer(self, first, payload, now)
            elif not self._rare(first, payload, now):
                return
            pos = end
        if pos < size:
            self.tail = data[pos:]
            if size - pos > 1 and data[pos + 1] < 128:
                self._fail(1002)

    def _rare(self, first: int, payload: bytes, now: int) -> bool:
        """Handle control frames and fragments. Returns whether to read on."""
        opcode = first & 0x0F
        if opcode == 0x8:
            self.transport.write(frame(0x88, payload[:2]))
            self.transport.close()
            return False
        if opcode == 0x9:
            self.transport.write(frame(0x8A, payload))
        elif opcode < 0x8:
            parts = self.fragments = [bytes((0x80 | opcode,))] if opcode else self.fragments
            if parts is None or sum(map(len, parts)) > _MESSAGE_LIMIT:
                self._fail(1002 if parts is None else 1009)
                return False
            parts.append(payload)
            if first & 0x80:
                self.fragments = None
                self.sink.answer(self, parts[0][0], b"".join(parts[1:]), now)
        return True

    def _fail(self, code: int) -> None:
        self.tail = b""
        self.transport.write(frame(0x88, code.to_bytes(2, "big")))
        self.transport.close()

    def reset(self) -> None:
        """End the connection with RST instead of FIN."""
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.transport.abort()

    def _request(self, data: bytes) -> None:
        end = data.find(b"\r\n\r\n")
        if end < 0:
            self.tail = data
            if len(data) > _HEAD_LIMIT:
                self.transport.abort()
            return
        key = _header(data[: end + 2], b"sec-websocket-key")
        if key is None:
            status, kind, body = self.sink.page(data.split(b" ", 2)[1])
            self.transport.write(_ANSWER % (status, kind, len(body)) + body)
            self.transport.close()
            return
        accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
        self.transport.write(_SWITCH % accept)
        self.upgraded = True
        self.tail = b""
        self.sink.opened(self)
        if len(data) > end + 4:
            self.data_received(data[end + 4 :])


def _header(head: bytes, name: bytes) -> bytes | None:
    at = head.lower().find(b"\r\n" + name + b":")
    if at < 0:
        return None
    start = at + len(name) + 3
    return head[start : head.index(b"\r\n", start)].strip()


def welcome() -> bytes:
    """Return the frame that welcomes a client, with the time in it."""
    return _WELCOME % (_wall() // 1_000_000)


def pong_to(payload: bytes) -> bytes | None:
    """Return the frame that answers a ping, or None if it is not a ping with a timestamp."""
    original = _timestamp(payload)
    if not original or b'"ping"' not in payload:
        return None
    return text_frame(
        b'{"type":"pong","timestamp":%d,"originalTimestamp":%b,"latency":0}' % (_wall() // 1_000_000, original)
    )


def identify(number: int, payload: bytes) -> tuple[int, int, int]:
    """Return client, connection and key of a message: `wstui:CLIENT:KEY;…` names both, a ping its timestamp."""
    if payload[:6] == b"wstui:":
        client, _, key = payload[6 : payload.find(b";")].partition(b":")
        if client.isdigit() and key.isdigit():
            return int(client), number, int(key)
    stamp = _timestamp(payload)
    return number, number, int(stamp) if stamp.isdigit() else -1


def _timestamp(payload: bytes) -> bytes:
    start = payload.find(b'"timestamp":')
    if start < 0:
        return b""
    start += 12
    end = payload.find(b",", start)
    return payload[start : end if end > 0 else payload.find(b"}", start)].strip()
