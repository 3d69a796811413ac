"""The answer to the upgrade of the first client, asked for as the load does."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Callable
from typing import cast

from websockets.asyncio.connection import Connection

from wstui.load.connect_outcome import REJECTS_CERTIFICATE, WANTS_CERTIFICATE, Cause, Outcome, cause_of, end_of_tls
from wstui.load.connector import on_certificate_request
from wstui.load.handshake import Accepted, Upgrade
from wstui.load.refusal import Refusal

AddStep = Callable[[str, int, str], int]
"""Takes a step's name, when it began (ns) and a note; returns the time now (ns)."""


class FirstAnswer(asyncio.Protocol):
    """Asks for the upgrade as the load does, and hands an open connection to websockets' own implementation."""

    def __init__(self, context: ssl.SSLContext | None, *, has_certificate: bool) -> None:
        self.asked_ns = time.monotonic_ns()
        self._context = context
        self._upgrade: Upgrade | None = None
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Connection | Refusal | Exception] = asyncio.get_running_loop().create_future()
        self._wanted: Cause | None = None
        self._rejected = REJECTS_CERTIFICATE if has_certificate else WANTS_CERTIFICATE
        if context is not None:
            on_certificate_request(context, self._certificate_requested)

    async def ask(self, upgrade: Upgrade, sock: socket.socket, name: str, add: AddStep) -> Connection | Refusal:
        """TLS, then the request and its answer. `add` notes a step that went well."""
        request = upgrade.request()
        self._upgrade = upgrade
        server_name = name.rstrip(".") if self._context else None
        loop = asyncio.get_running_loop()
        # A tunnel through an https:// proxy is a Unix socket too, with TLS inside.
        unix = sock.family == getattr(socket, "AF_UNIX", None)
        create = loop.create_unix_connection if unix else loop.create_connection
        transport, _ = await create(lambda: self, sock=sock, ssl=self._context, server_hostname=server_name)
        if (tls := transport.get_extra_info("ssl_object")) is not None:
            self.asked_ns = add("tls", self.asked_ns, f"{tls.version()}, {tls.cipher()[0]}")
        transport.write(request)
        answer = await self._answer
        if isinstance(answer, Exception):
            raise answer
        return answer

    def hang_up(self, sock: socket.socket) -> None:
        """Give up: the socket belongs to a transport once it has one."""
        if self._transport is None:
            sock.close()
        else:
            self._transport.abort()

    def ended_by(self, error: Exception) -> Refusal:
        """Return the outcome of an attempt that ended without a whole answer."""
        if self._upgrade is not None and self._upgrade.refusal is not None:
            return self._upgrade.refusal
        in_http = self._context is None or self._transport is not None
        if isinstance(error, TimeoutError):
            part = "to the upgrade" if in_http else "in the TLS handshake"
            cause = Cause("connect timeout", f"no answer {part}")
        elif wanted := end_of_tls(self._wanted, error):
            cause = wanted
        elif isinstance(error, ConnectionError) and not in_http:
            return cut_in_tls()
        elif isinstance(error, EOFError):
            cause = Cause("handshake", "connection closed before the answer to the upgrade")
        else:
            cause = cause_of(error)
        return Refusal(Outcome.FAILED, cause)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TCP, and TLS where it is spoken, is up."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._answer.done() or self._upgrade is None or self._transport is None:
            return
        answer = self._upgrade.read(data)
        if isinstance(answer, Accepted):
            connection = Connection(answer.protocol, ping_interval=None, close_timeout=2)
            self._transport.set_protocol(connection)
            connection.connection_made(self._transport)
            self._answer.set_result(connection)
            if answer.rest:
                connection.data_received(answer.rest)
        elif answer is not None:
            self._answer.set_result(answer)
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """It ended before its answer did."""
        if not self._answer.done():
            self._answer.set_result(exc or EOFError())

    def _certificate_requested(self) -> None:
        self._wanted = self._rejected


def cut_in_tls() -> Refusal:
    """The outcome of an attempt that was cut in the TLS handshake."""
    return Refusal(Outcome.FAILED, cause_of(ConnectionAbortedError()))
