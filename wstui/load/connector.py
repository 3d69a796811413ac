"""Starts attempts to connect: a bounded number in flight, each timed out when it takes too long."""

from __future__ import annotations

import asyncio
import select
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING

from wstui.load.client import Client
from wstui.load.client_state import ENDED
from wstui.load.dialer import Dialer, tls_context
from wstui.load.sockets import Sockets
from wstui.scenario.url import Address

if TYPE_CHECKING:
    from wstui.load.protocol import Spec

_HANDSHAKE, _CERTIFICATE_REQUEST = 22, 13  # RFC 8446, B.1 and B.3


def on_certificate_request(context: ssl.SSLContext, told: Callable[[], None]) -> None:
    """Call `told` when a server asks for a client certificate.

    Over TLS 1.3 a client without one has long done its part when it is turned away, and many a server only hangs up.
    """

    def message(_conn: object, direction: str, _version: int, content: int, kind: int, _data: bytes) -> None:
        if direction == "read" and content == _HANDSHAKE and kind == _CERTIFICATE_REQUEST:
            told()

    context._msg_callback = message  # type: ignore[attr-defined]  # OpenSSL tells nowhere else


class Connector:
    """Starts attempts, at most `in_flight` between the first SYN and the answer to the upgrade."""

    def __init__(self, spec: Spec, loop: asyncio.AbstractEventLoop, uri: Address) -> None:
        self._loop = loop
        self._sockets = Sockets(loop) if hasattr(select, "epoll") else None
        self.dialer = Dialer(spec, loop, uri, self._sockets)
        self._ssl = tls_context(spec) if uri.secure else None
        self.wants_certificate = False
        self._first_ssl = tls_context(spec) if uri.secure else None  # listens: for one client only, since that costs
        if self._first_ssl is not None:
            on_certificate_request(self._first_ssl, self._certificate_requested)
        self._limit = spec.in_flight
        self._timeout_ns = spec.connect_timeout_ns
        self.opening: dict[int, Client] = {}  # every client not yet ready, by number, oldest first
        self.in_flight = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def resolve(self) -> None:
        """Look names up once, before the first attempt."""
        await self.dialer.resolve()

    def close(self) -> None:
        """Serve no more connections."""
        if self._sockets is not None:
            self._sockets.close()

    @property
    def room(self) -> int:
        """How many more attempts may start now."""
        return self._limit - self.in_flight

    def start(self, client: Client) -> None:
        """Begin one attempt."""
        self.in_flight += 1
        self.opening[client.number] = client
        self.connect(client)

    def connect(self, client: Client) -> None:
        """Connect a client, first or where it was redirected to."""
        task = self._loop.create_task(self._connect(client))
        client.task = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def upgrade_done(self) -> None:
        """The upgrade was answered: the attempt no longer counts as in flight."""
        self.in_flight -= 1

    def over(self, client: Client) -> None:
        """The client is ready, or its attempt has ended."""
        self.opening.pop(client.number, None)

    def expire(self, now_ns: int) -> None:
        """Time out the attempts that have taken too long."""
        late = []
        for client in self.opening.values():
            if now_ns - client.born_ns < self._timeout_ns:
                break
            late.append(client)
        for client in late:
            client.time_out(self.dialer.asking.get(client.number, ""))

    async def _connect(self, client: Client) -> None:
        context, self._first_ssl = self._first_ssl or self._ssl, None
        try:
            await self.dialer.connect(lambda: client, context, client.number)
        except asyncio.CancelledError:
            if client.step is not ENDED:
                raise
        except (OSError, ssl.SSLError) as error:
            client.task = None
            client.connect_failed(error)
        if client.task is asyncio.current_task():  # else it was redirected meanwhile
            client.task = None

    def _certificate_requested(self) -> None:
        self.wants_certificate = True
