"""Opens sockets: a bounded number in flight, from several source addresses where one has too few ports."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import select
import socket
import ssl
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from wstui.load.client import Client
from wstui.load.outcome import LocalAddressError
from wstui.load.sockets import Sockets
from wstui.load.step import ENDED
from wstui.scenario.url import Address

if TYPE_CHECKING:
    from wstui.load.command import Spec

_HANDSHAKE, _CERTIFICATE_REQUEST = 22, 13  # RFC 8446, B.1 and B.3
_BIND_ADDRESS_NO_PORT = 24  # Linux, ip(7): choose the port at connect, so that it is shared between destinations


def tls_context(spec: Spec) -> ssl.SSLContext:
    """The TLS settings of a target. Raises OSError or ssl.SSLError when a file can't be used."""
    context = ssl.create_default_context(cafile=spec.ca_file or None)
    if spec.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if spec.cert_file:
        context.load_cert_chain(spec.cert_file, spec.key_file or None, lambda: "")  # never ask on a terminal
    return context


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
        self._network = self._sockets or loop
        self._host = uri.node
        self._port = uri.port
        self._ssl = tls_context(spec) if uri.secure else None
        self._name = uri.host.rstrip(".") if uri.secure else None
        self.wants_certificate = False
        self._first_ssl = tls_context(spec) if uri.secure else None  # listens: for one client only, since that costs
        if self._first_ssl is not None:
            on_certificate_request(self._first_ssl, self._certificate_requested)
        self._local = spec.local_addresses
        self._limit = spec.in_flight
        self._timeout_ns = spec.connect_timeout_ns
        self._address: tuple[int, tuple[str, int]] | None = None
        self._resolution: OSError | None = None
        self.opening: dict[int, Client] = {}  # every client not yet ready, by number, oldest first
        self.flying = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def resolve(self) -> None:
        """Look the host's name up once; when that fails every attempt fails with the same error."""
        try:
            found = await self._loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            self._resolution = error if isinstance(error, OSError) else socket.gaierror(socket.EAI_NONAME, "no name")
            return
        # A name with both families mostly means "localhost": the first that accepts decides for all.
        for family, _, _, _, address in found:
            if len(found) > 1 and not await self._accepts(family, address):
                continue
            self._address = (family, (str(address[0]), int(address[1])))
            return
        family, _, _, _, address = found[0]
        self._address = (family, (str(address[0]), int(address[1])))

    async def _accepts(self, family: int, address: tuple[object, ...]) -> bool:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            try:
                await asyncio.wait_for(self._loop.sock_connect(probe, address), 2)
            except OSError:
                return False
        return True

    def close(self) -> None:
        """Serve no more connections."""
        if self._sockets is not None:
            self._sockets.close()

    @property
    def room(self) -> int:
        """How many more attempts may start now."""
        return self._limit - self.flying

    def start(self, client: Client) -> None:
        """Begin one attempt."""
        self.flying += 1
        self.opening[client.number] = client
        self.connect(client)

    def connect(self, client: Client) -> None:
        """Connect a client, first or where it was redirected to."""
        task = self._loop.create_task(self._connect(client))
        client.task = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def landed(self) -> None:
        """The upgrade was answered: the attempt no longer counts as in flight."""
        self.flying -= 1

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
            client.time_out()

    async def _connect(self, client: Client) -> None:
        context, self._first_ssl = self._first_ssl or self._ssl, None
        try:
            if self._address is None:
                raise self._resolution or OSError("target not resolved")
            family, address = self._address
            if self._local:
                sock = await self._bound(client, family, address)
                await self._network.create_connection(
                    lambda: client, sock=sock, ssl=context, server_hostname=self._name
                )
            else:
                await self._network.create_connection(
                    lambda: client, address[0], address[1], ssl=context, server_hostname=self._name
                )
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

    async def _bound(self, client: Client, family: int, address: tuple[str, int]) -> socket.socket:
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            if sys.platform == "linux":
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
            self._bind(sock, self._local[client.number % len(self._local)])
            await self._reach(sock, address)
        except BaseException:
            sock.close()
            raise
        return sock

    async def _reach(self, sock: socket.socket, address: tuple[str, int]) -> None:
        """Connect to an address of numbers. The loop's own way looks it up again, in a thread, each time."""
        error = sock.connect_ex(address)
        if error in (errno.EINPROGRESS, errno.EWOULDBLOCK):
            writable = self._loop.create_future()
            self._loop.add_writer(sock, _settle, writable)
            try:
                await writable
            finally:
                self._loop.remove_writer(sock)
            error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))

    @staticmethod
    def _bind(sock: socket.socket, address: str) -> None:
        try:
            sock.bind((address, 0))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise
            raise LocalAddressError(
                f"can't connect from {address}: {(error.strerror or str(error)).lower()}"
            ) from error


def _settle(writable: asyncio.Future[None]) -> None:
    if not writable.done():
        writable.set_result(None)
