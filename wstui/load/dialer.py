"""Opens connections: from a source address to one of the target's, over a Unix socket or through a proxy."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import os
import socket
import ssl
import sys
from collections.abc import Awaitable
from functools import partial
from typing import Any, TypeVar

from wstui.load.attempt import Attempt, Done
from wstui.load.connect_outcome import CertificateError, LocalAddressError, ProxyError, cause_of
from wstui.load.protocol import ConnectSpec
from wstui.load.socket_transport import Sockets
from wstui.load.tunnel import ask_connect, ask_socks, bridge, open_tls
from wstui.scenario.proxy import parse_proxy
from wstui.scenario.source_addresses import source_addresses
from wstui.scenario.url import Address, parse_endpoint

_BIND_ADDRESS_NO_PORT = 24  # Linux, ip(7): choose the port at connect, so that it is shared between destinations
_BACKLOG_WAIT_S = 0.005
_STREAM = int(socket.SOCK_STREAM | getattr(socket, "SOCK_NONBLOCK", 0))

Handed = TypeVar("Handed")
Endpoint = tuple[int, tuple[Any, ...]]
"""Family and socket address."""


def tls_context(spec: ConnectSpec, certificate: tuple[str, str] = ("", "")) -> ssl.SSLContext:
    """Return the TLS settings of a target, with a certificate and its key. Raises OSError if a file can't be used."""
    context = ssl.create_default_context(cafile=spec.ca_file or None)
    if spec.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    cert_file, key_file = certificate
    if cert_file:
        try:
            context.load_cert_chain(cert_file, key_file or None, lambda: "")  # never ask on a terminal
        except (OSError, ssl.SSLError) as error:
            reason = "no such file" if isinstance(error, FileNotFoundError) else error.strerror or str(error)
            raise CertificateError(f"the certificate {cert_file} can't be used: {reason}") from None
    return context


class TlsContexts:
    """The TLS settings of one target, by the certificate that a client presents. Each file is read once."""

    MOST = 1000

    def __init__(self, spec: ConnectSpec) -> None:
        self._spec = spec
        self._made: dict[tuple[str, str], ssl.SSLContext] = {}

    def of(self, certificate: tuple[str, str]) -> ssl.SSLContext:
        """Return those for a certificate and its key, or for none. Raises OSError if a file can't be used."""
        found = self._made.get(certificate)
        if found is None:
            found = tls_context(self._spec, certificate)
            if len(self._made) >= self.MOST:
                del self._made[next(iter(self._made))]
            self._made[certificate] = found
        return found


class Dialer:
    """Connects to one target. `uri` has its name in TLS; the spec may give another address to connect to."""

    def __init__(
        self,
        spec: ConnectSpec,
        loop: asyncio.AbstractEventLoop,
        uri: Address,
        sockets: Sockets | None = None,
        first_address: int = 0,
    ) -> None:
        """`sockets` serves the connections of `connect`; without it the loop does."""
        self._loop = loop
        self._sockets = sockets
        self._unix = spec.unix
        self._proxy = parse_proxy(spec.proxy) if spec.proxy else None
        self._proxy_tls: ssl.SSLContext | None = None
        if self._proxy is not None and self._proxy.scheme == "https":
            self._proxy_tls = ssl.create_default_context()
            if spec.ca_file:
                self._proxy_tls.load_verify_locations(spec.ca_file)
        self._name = uri.host.rstrip(".")
        self._target = parse_endpoint(spec.connect_to) if spec.connect_to else (uri.node, uri.port)
        self._spread = spec.spread_addresses
        self._local = source_addresses(spec.local_addresses)
        self._turn = itertools.count(first_address)
        self.addresses: list[Endpoint] = []  # of the target; empty if a proxy looks its name up
        self._proxy_address: Endpoint | None = None
        self.failure: OSError | None = None
        self.asking: dict[int, str] = {}  # client → what it waits for from a proxy
        self.opened: dict[str, int] = {}  # connections by address, if they are spread
        self.tried: dict[int, str] = {}  # client → the address of its last attempt, if they are spread

    async def resolve(self) -> None:
        """Look names up once; if that fails, every attempt fails with the same error."""
        self.failure = None
        try:
            for interface in self._local:
                if interface.endswith(":*"):
                    raise LocalAddressError(f"can't connect from {interface}: no interface with an address")
            if (proxy := self._proxy) is not None:
                try:
                    self._proxy_address = (await self._found(proxy.host, proxy.port))[0]
                except OSError as error:
                    raise ProxyError(f"the proxy {proxy.place} is not known: {cause_of(error).message}") from None
            if not self._unix and (proxy is None or not proxy.looks_up):
                self.addresses = await self._found(*self._target, spread=self._spread)
        except OSError as error:
            self.failure = error

    async def _found(self, host: str, port: int, *, spread: bool = False) -> list[Endpoint]:
        try:
            entries = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except UnicodeError:
            raise socket.gaierror(socket.EAI_NONAME, "name is not valid") from None
        found: list[Endpoint] = list(dict.fromkeys((entry[0], tuple(entry[4])) for entry in entries))
        kinds = {socket.AF_INET6 if ":" in address else socket.AF_INET for address in self._local}
        found = [address for address in found if address[0] in kinds] or found
        if spread:
            return [address for address in found if _has_route(address)] or found
        # A name with both families is usually "localhost": use the first address that accepts.
        for address in found if len(found) > 1 and self._proxy is None else []:
            if await self._accepts(address):
                return [address]
        return found[:1]

    async def _accepts(self, address: Endpoint) -> bool:
        with socket.socket(address[0], socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            try:
                await asyncio.wait_for(self._loop.sock_connect(probe, address[1]), 2)
            except OSError:
                return False
        return True

    def open(
        self, protocol: asyncio.Protocol, context: ssl.SSLContext | None, number: int, done: Done
    ) -> Attempt | None:
        """Begin to connect straight to the target, without a task; None if that takes `connect`."""
        if self._sockets is None or self._unix or self._proxy is not None or self.failure is not None:
            return None
        family, address = self._next(number)
        # A plain connection needs no more than the socket type of C.
        kind = socket.SocketType if context is None else socket.socket
        sock = kind(family, _STREAM)
        try:
            if self._local:
                _bind(sock, self._local[number % len(self._local)])
        except OSError:
            sock.close()
            raise
        if self._spread:
            done = partial(self._counted, str(address[0]), done)
        return Attempt(self._sockets, sock, address, protocol, done, None if context is None else (context, self._name))

    def _counted(self, host: str, done: Done, error: Exception | None) -> None:
        if error is None:
            self._count(host)
        done(error)

    async def connect(
        self, protocol: asyncio.Protocol, context: ssl.SSLContext | None, number: int, done: Done
    ) -> Attempt | None:
        """Open a connection for client `number` by any route; None if the loop has already done so."""
        name = self._name if context is not None else None
        if self._sockets is None and not (self._unix or self._proxy or self._local or self.failure):
            _, (host, port, *_) = self._next(number)
            await self._loop.create_connection(lambda: protocol, host, port, ssl=context, server_hostname=name)
            self._count(host)
            return None
        sock = await self.open_socket(number)
        if self._sockets is not None:
            return Attempt(self._sockets, sock, None, protocol, done, None if context is None else (context, name))
        if self._unix:
            await _handed(self._loop.create_unix_connection(lambda: protocol, sock=sock), sock)
        else:
            connecting = self._loop.create_connection(lambda: protocol, sock=sock, ssl=context, server_hostname=name)
            await _handed(connecting, sock)
        return None

    async def open_socket(self, number: int = 0) -> socket.socket:
        """Return a connected socket to the target, through the proxy's tunnel if there is a proxy."""
        if self.failure is not None:
            raise self.failure
        if self._unix:
            return await self._unix_socket()
        proxy = self._proxy
        if self._proxy_tls is not None:
            # Bridge to a socket, at the cost of a hop in this process: TLS within TLS fails inside asyncio on 3.11.
            return await bridge(self._loop, await self._tls_tunnel(number))
        if proxy is None:
            address = self._next(number)
            sock = await self._reached(address, number)
            self._count(str(address[1][0]))
            return sock
        sock = await self._to_proxy(number)
        target = self._asked_for(number)
        send, receive = partial(self._loop.sock_sendall, sock), partial(self._loop.sock_recv, sock, 65536)
        try:
            self.asking[number] = "answer to CONNECT" if proxy.scheme == "http" else "answer to SOCKS"
            if proxy.scheme == "http":
                await ask_connect(proxy, target, send, receive)
            else:
                await ask_socks(proxy, target, sock)
        except BaseException as error:
            sock.close()
            raise self._blamed(error, "broke the connection") from None
        finally:
            self.asking.pop(number, None)
        return sock

    async def _tls_tunnel(self, number: int) -> asyncio.Transport:
        assert self._proxy is not None and self._proxy_tls is not None
        sock = await self._to_proxy(number)
        try:
            self.asking[number] = "tunnel"
            opening = open_tls(self._loop, self._proxy, self._asked_for(number), sock, self._proxy_tls)
            return await _handed(opening, sock)
        except Exception as error:
            raise self._blamed(error, "broke the connection") from None
        finally:
            self.asking.pop(number, None)

    async def _to_proxy(self, number: int) -> socket.socket:
        assert self._proxy_address is not None
        try:
            self.asking[number] = "TCP connection"
            return await self._reached(self._proxy_address, number)
        except Exception as error:
            raise self._blamed(error, "can't be reached") from None
        finally:
            self.asking.pop(number, None)

    def _blamed(self, error: BaseException, what: str) -> BaseException:
        """Turn an error into the proxy's, unless it is local to this machine."""
        assert self._proxy is not None
        if not isinstance(error, OSError) or isinstance(error, ProxyError) or (cause := cause_of(error)).local:
            return error
        return ProxyError(f"the proxy {self._proxy.place} {what}: {cause.message}")

    def _asked_for(self, number: int) -> tuple[str, int]:
        if not self.addresses:
            return self._target
        _, (host, port, *_) = self._next(number)
        self._count(host)
        return str(host), int(port)

    def _next(self, number: int) -> Endpoint:
        addresses = self.addresses
        if len(addresses) == 1:
            return addresses[0]
        address = addresses[next(self._turn) % len(addresses)]
        self.tried[number] = str(address[1][0])
        return address

    def _count(self, host: str) -> None:
        if self._spread:
            self.opened[host] = self.opened.get(host, 0) + 1

    async def _reached(self, address: Endpoint, number: int) -> socket.socket:
        sock = socket.socket(address[0], socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            if self._local:
                _bind(sock, self._local[number % len(self._local)])
            await self._reach(sock, address[1])
        except BaseException:
            sock.close()
            raise
        return sock

    async def _reach(self, sock: socket.socket, address: tuple[Any, ...]) -> None:
        """Connect to a numeric address. `loop.sock_connect` would look it up again, in a thread, each time."""
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

    async def _unix_socket(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            # A full backlog fails at once with EAGAIN (a blocking socket would wait).
            while (error := sock.connect_ex(self._unix)) == errno.EAGAIN:
                await asyncio.sleep(_BACKLOG_WAIT_S)
            if error:
                raise OSError(error, os.strerror(error))
        except BaseException:
            sock.close()
            raise
        return sock


async def _handed(connecting: Awaitable[Handed], sock: socket.socket) -> Handed:
    """Hand a socket over to the loop; close it if that fails."""
    try:
        return await connecting
    except BaseException:
        sock.close()
        raise


def _has_route(address: Endpoint) -> bool:
    """Return whether this machine has a route to an address; nothing is sent."""
    with socket.socket(address[0], socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(address[1])
        except OSError:
            return False
    return True


def _bind(sock: socket.SocketType, address: str) -> None:
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
    try:
        sock.bind((address, 0))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise
        differs = (":" in address) != (sock.family == socket.AF_INET6)
        why = "the target's is another kind of IP address" if differs else (error.strerror or str(error)).lower()
        raise LocalAddressError(f"can't connect from {address}: {why}") from error


def _settle(writable: asyncio.Future[None]) -> None:
    if not writable.done():
        writable.set_result(None)
