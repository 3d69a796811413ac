"""Starts attempts to connect: a bounded number in flight, each timed out if it takes too long."""

from __future__ import annotations

import asyncio
import contextlib
import select
import ssl
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from wstui.load.attempt import Attempt, Done
from wstui.load.client import LoadClient
from wstui.load.connect_outcome import REJECTS_CERTIFICATE, WANTS_CERTIFICATE
from wstui.load.context import ENDED, WorkerContext
from wstui.load.credentials import Credentials
from wstui.load.dialer import Dialer, TlsContexts, tls_context
from wstui.load.protocol import Spec
from wstui.load.role_paths import all_steps
from wstui.load.socket_transport import Sockets

if TYPE_CHECKING:
    from wstui.load.http_client import HttpClient
    from wstui.load.login import ClientLogin

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

    def __init__(self, context: WorkerContext, loop: asyncio.AbstractEventLoop, spec: Spec) -> None:
        connect = context.connect
        self._context = context
        self._loop = loop
        self._sockets = sockets = Sockets(loop) if hasattr(select, "epoll") else None
        # Workers begin with different addresses of the target, if they are used in turn.
        self._dialers = {
            credentials: Dialer(credentials.connect, loop, credentials.address, sockets, spec.worker)
            for credentials in context.identities.all_credentials
        }
        self.dialer = next(iter(self._dialers.values()))  # of the target; roles may have others
        self._tls = TlsContexts(connect)
        self._first_tls: tuple[tuple[str, str], ssl.SSLContext] | None = None
        self._read_certificates(spec.worker)
        self._looks = True  # for a request for certificates; the callback costs too much for more than one client
        self._limit = connect.in_flight
        self._timeout_ns = connect.timeout_ns
        self.opening: dict[int, LoadClient] = {}  # all clients that are not ready yet, by number, oldest first
        self._timed: dict[int, LoadClient] = {}  # those of them that the connect timeout is for
        self.in_flight = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.http: HttpClient | None = None
        self.login: ClientLogin | None = None
        self._login_again = spec.login_again
        if spec.login or any(step.http for role in spec.conversation.roles.roles for step in all_steps(role)):
            from wstui.load.http_client import HttpClient  # brings an HTTP library along
            from wstui.load.login import ClientLogin

            self.http = HttpClient(connect, loop, sockets, spec.http_limit, self._tls)
            self.login = ClientLogin(spec, self.http, loop) if spec.login else None

    def _read_certificates(self, number: int) -> None:
        """Read files now: on another host they are gone once its workers have begun."""
        identity = self._context.identities.of(number)
        for credentials in self._dialers:
            if credentials.address.secure:
                with contextlib.suppress(OSError):  # told when a client connects
                    certificate = credentials.certificate(identity)
                    self._tls.of(certificate)
                    self._first_tls = self._first_tls or (
                        certificate,
                        tls_context(self._context.connect, certificate),
                    )

    async def resolve(self) -> None:
        """Look up the names of the servers."""
        for dialer in self._dialers.values():
            await dialer.resolve()

    def close(self) -> None:
        if self._sockets is not None:
            self._sockets.close()

    @property
    def capacity(self) -> int:
        """Return how many more attempts may start now."""
        free = self._limit - self.in_flight
        return free if self.login is None else min(free, self.login.capacity)

    def start(self, client: LoadClient) -> None:
        """Begin an attempt: a client logs in first, unless it has."""
        self.in_flight += 1
        self.opening[client.number] = client
        if self.login is not None and (self._login_again or not self._context.identities.of(client.number).logged_in):
            client.attempt = self.login.start(client, self._logged_in)
        else:
            self._begin(client)

    def _logged_in(self, client: LoadClient) -> None:
        if client.leaving:
            client.abort()
            return
        client.born_ns = time.monotonic_ns()  # the time to connect is without the login
        self._begin(client)

    def _begin(self, client: LoadClient) -> None:
        if not self._context.identities.connects(client.number):
            self._loop.call_soon(client.go_without_connection)
            return
        self._timed[client.number] = client
        self.connect(client)

    def connect(self, client: LoadClient) -> None:
        """Connect a client, at first or where it was redirected to."""
        done = partial(self._opened, client)
        credentials = self._context.identities.credentials_of(client.number)
        dialer = self._dialers[credentials]
        try:
            context = self._tls_of(client, credentials) if credentials.address.secure else None
            client.attempt = dialer.open(client, context, client.number, done)
        except OSError as error:
            self._loop.call_soon(done, error)
            return
        if client.attempt is None:
            client.attempt = task = self._loop.create_task(self._connect(client, dialer, context, done))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _tls_of(self, client: LoadClient, credentials: Credentials) -> ssl.SSLContext:
        certificate = credentials.certificate(self._context.identities.of(client.number))
        if not self._looks:
            return self._tls.of(certificate)
        self._looks = False
        first = self._first_tls
        read = first is not None and first[0] == certificate
        context = first[1] if read else tls_context(self._context.connect, certificate)  # type: ignore[index]
        on_certificate_request(context, partial(self._certificate_requested, certificate))
        return context

    def upgrade_done(self) -> None:
        """Count the attempt as in flight no more: the upgrade was answered."""
        self.in_flight -= 1

    def address_of(self, number: int) -> str:
        """Return the target's address that a client was led to last, or "" if there is only one."""
        return next((tried for dialer in self._dialers.values() if (tried := dialer.tried.get(number))), "")

    def discard(self, client: LoadClient) -> None:
        """Forget a client that is ready, or whose attempt has ended."""
        self.opening.pop(client.number, None)
        self._timed.pop(client.number, None)

    def has_own_limits(self, client: LoadClient) -> None:
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
            dialer = self._dialers[self._context.identities.credentials_of(client.number)]
            client.time_out(dialer.asking.get(client.number, ""))

    async def _connect(self, client: LoadClient, dialer: Dialer, context: ssl.SSLContext | None, done: Done) -> None:
        attempt: Attempt | None = None
        try:
            attempt = await dialer.connect(client, context, client.number, done)
        except asyncio.CancelledError:
            if client.step is not ENDED:
                raise
        except (OSError, ssl.SSLError) as error:
            done(error)
        if client.attempt is asyncio.current_task():  # else it was redirected meanwhile
            client.attempt = attempt

    @staticmethod
    def _opened(client: LoadClient, error: Exception | None) -> None:
        client.attempt = None
        if error is not None:
            client.connect_failed(error)

    def _certificate_requested(self, certificate: tuple[str, str]) -> None:
        self._context.wanted_certificate = REJECTS_CERTIFICATE if certificate[0] else WANTS_CERTIFICATE
