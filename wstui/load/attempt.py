"""A connection that is being opened."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Callable
from ssl import SSLContext, SSLEOFError, SSLSocket, SSLWantReadError, SSLWantWriteError
from typing import Any

from wstui.load.socket_transport import IN, OUT, Sockets, SocketTransport, TlsTransport

Done = Callable[[Exception | None], None]
"""Called once at the end of an attempt, with None if the connection is open."""
_CUT = (SSLEOFError, BrokenPipeError, ConnectionAbortedError, ConnectionResetError)
"""How a connection ends that TCP had accepted: with TLS that is in its handshake, even if none of it was sent yet."""


class Attempt:
    """TCP, then TLS. Without a task, which costs a tenth of a connect.

    Connects a non-blocking socket to a numeric address, or takes one that is connected (None). `done` is called with
    None before the protocol's `connection_made`, or with the error.
    """

    __slots__ = ("_done", "_fd", "_mask", "_protocol", "_sock", "_sockets", "_tls")

    def __init__(
        self,
        sockets: Sockets,
        sock: socket.SocketType,
        address: tuple[Any, ...] | None,
        protocol: asyncio.Protocol,
        done: Done,
        tls: tuple[SSLContext, str | None] | None,
    ) -> None:
        self._sockets = sockets
        self._sock: socket.SocketType | None = sock
        self._fd = sock.fileno()
        self._protocol = protocol
        self._done = done
        self._tls = tls
        self._mask = 0
        if address is not None and (error := sock.connect_ex(address)) not in (0, errno.EINPROGRESS):
            self._fail(OSError(error, os.strerror(error)))
        else:
            sockets.enter(self._fd, self)
            self._watch(OUT)

    @property
    def is_in_tls(self) -> bool:
        """Return whether TCP is up and the TLS handshake is not over."""
        return isinstance(self._sock, SSLSocket)

    def _watch(self, mask: int) -> None:
        if self._mask != mask:
            watch = self._sockets.epoll.modify if self._mask else self._sockets.epoll.register
            watch(self._fd, mask)
            self._mask = mask

    def ready(self, _events: int) -> None:
        """Go on after epoll has reported the socket."""
        sock = self._sock
        assert sock is not None
        try:
            if isinstance(sock, SSLSocket):
                self._handshake(sock)
                return
            if error := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise OSError(error, os.strerror(error))
            if sock.family in (socket.AF_INET, socket.AF_INET6):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                assert isinstance(sock, socket.socket)
                context, name = self._tls
                self._sock = wrapped = context.wrap_socket(sock, do_handshake_on_connect=False, server_hostname=name)
                self._handshake(wrapped)
                return
        except Exception as error:
            is_cut = self._tls is not None and isinstance(error, _CUT)
            self._fail(ConnectionAbortedError() if is_cut else error)
            return
        self._sock = None
        self._open(SocketTransport(self._sockets, sock.detach(), self._protocol, self._mask))

    def _handshake(self, sock: SSLSocket) -> None:
        try:
            sock.do_handshake()
        except SSLWantReadError:
            self._watch(IN)
        except SSLWantWriteError:
            self._watch(OUT)
        else:
            self._sock = None
            self._open(TlsTransport(self._sockets, sock, self._protocol, self._mask))

    def _open(self, transport: SocketTransport) -> None:
        self._done(None)
        self._protocol.connection_made(transport)

    def _fail(self, error: Exception) -> None:
        done = self._done
        self._sockets.loop.call_soon(lambda: done(error))
        self.cancel()

    def cancel(self) -> None:
        """End the attempt, unless it has already ended."""
        sock, self._sock = self._sock, None
        if sock is None:
            return
        if self._mask:
            with contextlib.suppress(OSError):  # TLS that could not take the socket has closed it
                self._sockets.epoll.unregister(self._fd)
            self._sockets.entries[self._fd] = None
        self._sockets.loop.call_soon(sock.close)
