"""HTTP requests of clients, by h11 over the connections that the load opens itself.

h11 rather than aiohttp, httpx or niquests: it does no I/O, as websockets here, so that a request goes the way of an
upgrade (proxy, connect_to, local addresses, certificates, our own epoll set) and costs no pool, thread or timer. It is
one package without dependencies, well kept and behind uvicorn and httpx; the others bring five to nine. This module is
imported only when a scenario makes requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple, cast

import h11
from msgspec.structs import replace

from wstui.load.attempt import Attempt
from wstui.load.dialer import Dialer, TlsContexts
from wstui.load.protocol import ConnectSpec
from wstui.load.socket_transport import Sockets
from wstui.scenario.url import Address

MOST_BODY = 1 << 20
"""Bytes of an answer that are read at most."""
_HEAD_LIMIT = 64 * 1024

Header = tuple[str, str]


class HttpAnswer(NamedTuple):
    status: int
    headers: list[tuple[bytes, bytes]]  # names in lower case
    body: bytes


class HttpProtocolError(Exception):
    """The answer is not HTTP/1.1, or larger than `MOST_BODY`."""


class HttpConnection(asyncio.Protocol):
    """A connection for the requests of one client, one after the other."""

    def __init__(self, loop: asyncio.AbstractEventLoop, address: Address, cert: tuple[str, str]) -> None:
        self._loop = loop
        self.goes_to = (address.origin, cert)
        self.opened: asyncio.Future[None] = loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_LIMIT)
        self._answer: asyncio.Future[HttpAnswer] | None = None
        self._head: h11.Response | None = None
        self._body = bytearray()

    @property
    def is_idle(self) -> bool:
        """Return whether it can take another request."""
        return self._transport is not None and (self._http.our_state, self._http.their_state) == (h11.DONE, h11.DONE)

    async def ask(self, method: str, target: str, headers: Sequence[Header], body: bytes) -> HttpAnswer:
        """Send a request and wait for the answer."""
        assert self._transport is not None
        http = self._http
        if http.our_state is h11.DONE:
            http.start_next_cycle()
        request = h11.Request(method=method, target=target, headers=list(headers))
        data = http.send(request) or b""
        if body:
            data += http.send(h11.Data(data=body)) or b""
        data += http.send(h11.EndOfMessage()) or b""
        self._head = None
        self._body.clear()
        self._answer = self._loop.create_future()
        self._transport.write(data)
        return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if not self.opened.done():
            self.opened.set_result(None)
        else:  # given up meanwhile
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._http.receive_data(data)
        self._read()

    def eof_received(self) -> bool:
        if self._head is None:
            self._fail(HttpProtocolError("the connection was closed before the answer"))
            return False
        self._http.receive_data(b"")
        self._read()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._fail(exc or ConnectionResetError("connection closed before the answer"))

    def _read(self) -> None:
        try:
            while (event := self._http.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
                if isinstance(event, h11.Response):
                    self._head = event
                elif isinstance(event, h11.Data):
                    self._body += event.data
                    if len(self._body) > MOST_BODY:
                        raise HttpProtocolError("the answer is larger than 1 MiB")
                elif isinstance(event, h11.EndOfMessage):
                    self._finish()
                elif isinstance(event, h11.ConnectionClosed):
                    return
        except h11.RemoteProtocolError as error:
            self._fail(HttpProtocolError(f"the answer is not HTTP/1.1: {error}"))
        except HttpProtocolError as error:
            self._fail(error)

    def _finish(self) -> None:
        if self._head is not None and self._answer is not None and not self._answer.done():
            self._answer.set_result(HttpAnswer(self._head.status_code, list(self._head.headers), bytes(self._body)))

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
        if self._transport is not None:
            self._transport.abort()


class HttpClient:
    """Opens the connections for the requests of a worker's clients, and keeps their number in bounds."""

    def __init__(
        self, spec: ConnectSpec, loop: asyncio.AbstractEventLoop, sockets: Sockets | None, limit: int, tls: TlsContexts
    ) -> None:
        self._spec = spec
        self._loop = loop
        self._sockets = sockets
        self._tls = tls
        self._dialers: dict[tuple[tuple[bool, str, int], str, str], asyncio.Task[Dialer]] = {}
        self.turns = asyncio.Semaphore(limit)

    async def connection(
        self,
        number: int,
        address: Address,
        certificate: tuple[str, str],
        kept: HttpConnection | None,
        proxy: str,
        connect_to: str,
    ) -> HttpConnection:
        """Return a connection of client `number` to a server: the one that it kept, or a new one."""
        if kept is not None:
            if kept.is_idle and kept.goes_to == (address.origin, certificate):
                return kept
            kept.close()
        connection = HttpConnection(self._loop, address, certificate)
        dialer = await self._dialer(address, proxy, connect_to)
        context = self._tls.of(certificate) if address.secure else None
        attempt: Attempt | None = None

        def done(error: Exception | None) -> None:
            if error is not None and not connection.opened.done():
                connection.opened.set_exception(error)

        try:
            attempt = dialer.open(connection, context, number, done)
            if attempt is None:
                attempt = await dialer.connect(connection, context, number, done)
            await connection.opened
        except BaseException:
            connection.opened.cancel()
            if attempt is not None:
                attempt.cancel()
            connection.close()
            raise
        return connection

    async def _dialer(self, address: Address, proxy: str, connect_to: str) -> Dialer:
        """Return the dialer of a server; its name is looked up once."""
        key = address.origin, proxy, connect_to
        if key not in self._dialers:
            self._dialers[key] = self._loop.create_task(self._resolved(address, proxy, connect_to))
        return await asyncio.shield(self._dialers[key])

    async def _resolved(self, address: Address, proxy: str, connect_to: str) -> Dialer:
        spec = replace(self._spec, unix="", proxy=proxy, connect_to=connect_to, spread_addresses=False)
        dialer = Dialer(spec, self._loop, address, self._sockets)
        await dialer.resolve()
        return dialer
