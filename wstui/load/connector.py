"""Starts attempts to connect: a bounded number in flight, each timed out if it takes too long."""

from __future__ import annotations

import asyncio
import select
import ssl
from collections.abc import Callable
from functools import partial

from wstui.load.client import Client
from wstui.load.context import ENDED, WorkerContext
from wstui.load.dialer import Dialer, tls_context
from wstui.load.sockets import Attempt, Done, Sockets

_HANDSHAKE, _CERTIFICATE_REQUEST = 22, 13  # RFC 8446, B.1 and B.3


def on_certificate_request(context: ssl.SSLContext, callback: Callable[[], None]) -> None:
    """Call `callback` when a server asks for a client certificate.

    In TLS 1.3 a client without one has completed its own handshake long before the server rejects it, and many servers
    just hang up.
    """

    def message(_conn: object, direction: str, _version: int, content: int, kind: int, _data: bytes) -> None:
        if direction == "read" and content == _HANDSHAKE and kind == _CERTIFICATE_REQUEST:
            callback()

    context._msg_callback = message  # type: ignore[attr-defined]  # OpenSSL reports it nowhere else


class Connector:
    """Starts attempts, at most `in_flight` between the first SYN and the answer to the upgrade."""

    def __init__(self, context: WorkerContext, loop: asyncio.AbstractEventLoop, first_address: int) -> None:
        """`first_address`: which of the target's addresses comes first, if they are used in turn."""
        spec, address = context.connect, context.credentials.address
        self._context = context
        self._loop = loop
        self._sockets = Sockets(loop) if hasattr(select, "epoll") else None
        self.dialer = Dialer(spec, loop, address, self._sockets, first_address)
        self._ssl = tls_context(spec) if address.secure else None
        # The callback costs too much for more than one client.
        self._first_ssl = tls_context(spec) if address.secure else None
        if self._first_ssl is not None:
            on_certificate_request(self._first_ssl, self._certificate_requested)
        self._limit = spec.in_flight
        self._timeout_ns = spec.timeout_ns
        self.opening: dict[int, Client] = {}  # all clients that are not ready yet, by number, oldest first
        self._timed: dict[int, Client] = {}  # those of them that the connect timeout is for
        self.in_flight = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        if self._sockets is not None:
            self._sockets.close()

    @property
    def capacity(self) -> int:
        """How many more attempts may start now."""
        return self._limit - self.in_flight

    def start(self, client: Client) -> None:
        """Begin an attempt."""
        self.in_flight += 1
        self.opening[client.number] = self._timed[client.number] = client
        self.connect(client)

    def connect(self, client: Client) -> None:
        """Connect a client, at first or where it was redirected to."""
        context, self._first_ssl = self._first_ssl or self._ssl, None
        done = partial(self._opened, client)
        try:
            client.attempt = self.dialer.open(client, context, client.number, done)
        except OSError as error:
            self._loop.call_soon(done, error)
            return
        if client.attempt is None:
            client.attempt = task = self._loop.create_task(self._connect(client, context, done))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def upgrade_done(self) -> None:
        """Count the attempt as in flight no more: the upgrade was answered."""
        self.in_flight -= 1

    def discard(self, client: Client) -> None:
        """Forget a client that is ready, or whose attempt has ended."""
        self.opening.pop(client.number, None)
        self._timed.pop(client.number, None)

    def has_own_limits(self, client: Client) -> None:
        """Leave an open connection that is not ready yet to the time limits of its role's steps."""
        self._timed.pop(client.number, None)

    def expire(self, now_ns: int) -> None:
        """Time out the attempts that have taken too long."""
        late = []
        for client in self._timed.values():
            if now_ns - client.born_ns < self._timeout_ns:
                break
            late.append(client)
        for client in late:
            client.time_out(self.dialer.asking.get(client.number, ""))

    async def _connect(self, client: Client, context: ssl.SSLContext | None, done: Done) -> None:
        attempt: Attempt | None = None
        try:
            attempt = await self.dialer.connect(client, context, client.number, done)
        except asyncio.CancelledError:
            if client.step is not ENDED:
                raise
        except (OSError, ssl.SSLError) as error:
            done(error)
        if client.attempt is asyncio.current_task():  # else it was redirected meanwhile
            client.attempt = attempt

    @staticmethod
    def _opened(client: Client, error: Exception | None) -> None:
        client.attempt = None
        if error is not None:
            client.connect_failed(error)

    def _certificate_requested(self) -> None:
        self._context.wants_certificate = not self._context.connect.cert_file
