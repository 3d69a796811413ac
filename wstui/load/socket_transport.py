"""Open connections on `Sockets`, as asyncio's transports are: plain, and in TLS."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import time
from collections.abc import Callable
from ssl import SSLSocket, SSLWantReadError, SSLWantWriteError
from typing import Protocol

EVENTS_A_TURN = 64
TURN_NS = 5_000_000
"""Serve fewer sockets per turn if that many take longer."""
IN, OUT = (select.EPOLLIN, select.EPOLLOUT) if hasattr(select, "epoll") else (1, 4)


class SocketEntry(Protocol):
    """What gets the events of a socket."""

    def ready(self, events: int) -> None: ...


class Sockets:
    """Serves what has entered: connections, and attempts at one. Linux only."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self.loop = loop
        self.epoll = select.epoll()
        self.entries: list[SocketEntry | None] = []  # by the number of the socket
        self.events_a_turn = EVENTS_A_TURN
        self._clock = clock
        loop.add_reader(self.epoll.fileno(), self.turn)

    def close(self) -> None:
        self.loop.remove_reader(self.epoll.fileno())

    def enter(self, fd: int, entry: SocketEntry) -> None:
        """Pass the events of a socket to `entry`."""
        if fd >= len(self.entries):
            self.entries.extend([None] * (fd + 64 - len(self.entries)))
        self.entries[fd] = entry

    def turn(self) -> None:
        """Serve some of the ready sockets. The kernel then queues them behind those that have waited longer."""
        begun = self._clock()
        most = self.events_a_turn
        events = self.epoll.poll(0, most)
        entries = self.entries
        for fd, event in events:
            # Sockets are closed in a later pass of the loop, so the number cannot mean another socket here.
            if (entry := entries[fd]) is not None:
                entry.ready(event)
        took = self._clock() - begun
        if took > TURN_NS:
            self.events_a_turn = max(1, len(events) * TURN_NS // took)
        elif most < EVENTS_A_TURN and 2 * took <= TURN_NS:
            self.events_a_turn = min(EVENTS_A_TURN, 2 * most)


READ_BYTES = 65536
"""Read at most this much of a socket per turn. A TLS record is smaller, so OpenSSL keeps nothing back."""
HIGH_WATER, LOW_WATER = 65536, 16384
"""Bytes that wait to be written when the protocol is told to pause, and to resume, as in asyncio."""
_WOULD_BLOCK = (BlockingIOError, InterruptedError, SSLWantReadError, SSLWantWriteError)


class SocketTransport(asyncio.Transport):
    """One connection. Writes at once what the kernel takes; keeps no socket object, which takes 100 bytes."""

    __slots__ = ("_blocked", "_buffer", "_closing", "_error", "_fd", "_mask", "_protocol", "_sockets")

    def __init__(self, sockets: Sockets, fd: int, protocol: asyncio.Protocol, mask: int = 0) -> None:
        """`mask` is what epoll watches the socket for already."""
        # Do not call the base's, which makes a dictionary.
        self._sockets = sockets
        self._fd = fd
        self._protocol = protocol
        self._buffer: bytearray | None = None  # what the kernel has not taken yet
        self._blocked = False  # the protocol was told to pause
        self._closing = False
        self._error: OSError | None = None  # why nothing can be written any more
        self._mask = mask
        sockets.enter(fd, self)
        self._watch(IN)

    def _watch(self, mask: int) -> None:
        # A socket with an empty mask would be reported again and again once it is reset.
        if mask != self._mask:
            epoll, fd = self._sockets.epoll, self._fd
            if not mask:
                epoll.unregister(fd)
            elif self._mask:
                epoll.modify(fd, mask)
            else:
                epoll.register(fd, mask)
            self._mask = mask

    def _receive(self) -> bytes:
        return os.read(self._fd, READ_BYTES)

    def _send(self, data: bytes | bytearray | memoryview) -> int:
        return os.write(self._fd, data)

    def _close(self) -> None:
        os.close(self._fd)

    # -- reading -----------------------------------------------------------------------------------------------

    def ready(self, events: int) -> None:
        """Read and write after epoll has reported `events`."""
        if self._buffer is not None and events & ~IN:
            self._flush()
        if self._mask & IN and events & ~OUT:
            try:
                data = self._receive()
            except _WOULD_BLOCK:
                return
            except OSError as error:
                self._lose(error)
                return
            try:
                if data:
                    self._protocol.data_received(data)
                elif self._error is not None:
                    self._lose(self._error)
                elif not self._protocol.eof_received():
                    self.close()
                else:
                    self.pause_reading()
            except Exception as error:
                what = {"message": "a connection's protocol failed", "exception": error, "protocol": self._protocol}
                self._sockets.loop.call_exception_handler(what)
                self._lose(error)

    def pause_reading(self) -> None:
        self._watch(self._mask & ~IN)

    def resume_reading(self) -> None:
        if not self._closing:
            self._watch(self._mask | IN)

    def is_reading(self) -> bool:
        return bool(self._mask & IN)

    # -- writing -----------------------------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not data or self._closing or self._error is not None:
            return
        if self._buffer is None:
            try:
                sent = self._send(data)
            except _WOULD_BLOCK:
                sent = 0
            except OSError as error:
                self._break(error)
                return
            if sent == len(data):
                return
            self._buffer = bytearray(data[sent:])
            self._watch(self._mask | OUT)
        else:
            self._buffer += data
        if len(self._buffer) > HIGH_WATER and not self._blocked:
            self._blocked = True
            self._protocol.pause_writing()

    def _flush(self) -> None:
        assert self._buffer is not None
        try:
            sent = self._send(self._buffer)
        except _WOULD_BLOCK:
            return
        except OSError as error:
            self._break(error)
            return
        del self._buffer[:sent]
        if not self._buffer:
            self._buffer = None
            if self._closing:
                self._finish()
                return
            self._watch(self._mask & ~OUT)
        if self._blocked and self.get_write_buffer_size() <= LOW_WATER:
            self._blocked = False
            self._protocol.resume_writing()

    def _break(self, error: OSError) -> None:
        """Send no more, but still read what has arrived: it may say why."""
        self._buffer = None
        if self._mask & IN:
            self._error = error
            self._watch(IN)
        else:
            self._lose(error)

    def get_write_buffer_size(self) -> int:
        return 0 if self._buffer is None else len(self._buffer)

    # -- ending ------------------------------------------------------------------------------------------------

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        """Stop reading, and end when everything is written."""
        if not self._closing:
            self._closing = True
            if self._buffer is None:
                self._finish()
            else:
                self._watch(OUT)

    def _finish(self) -> None:
        self._lose(None)

    def abort(self) -> None:
        self._lose(None)

    def _lose(self, error: Exception | None) -> None:
        self._closing = True
        self._buffer = None
        self._watch(0)
        if self._sockets.entries[self._fd] is self:
            self._sockets.entries[self._fd] = None
            self._sockets.loop.call_soon(self._end, error)

    def _end(self, error: Exception | None) -> None:
        try:
            self._protocol.connection_lost(error)
        finally:
            self._close()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol)
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol


class TlsTransport(SocketTransport):
    """One connection over TLS."""

    __slots__ = ("_sock",)

    def __init__(self, sockets: Sockets, sock: SSLSocket, protocol: asyncio.Protocol, mask: int) -> None:
        self._sock = sock
        super().__init__(sockets, sock.fileno(), protocol, mask)

    def _receive(self) -> bytes:
        return self._sock.recv(READ_BYTES)

    def _send(self, data: bytes | bytearray | memoryview) -> int:
        return self._sock.send(data)

    def _finish(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._sock.unwrap()  # sends close_notify and does not wait for the answer
        super()._finish()

    def _close(self) -> None:
        self._sock.close()
