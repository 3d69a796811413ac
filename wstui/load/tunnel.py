"""Opens a tunnel through a proxy: HTTP CONNECT (RFC 9110 9.3.6), or SOCKS 5 (RFC 1928) with python-socks."""

from __future__ import annotations

import asyncio
import base64
import re
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import cast

from wstui.load.connect_outcome import ProxyError
from wstui.measure.sanitize import sanitize
from wstui.scenario.proxy import Proxy, join_address

_HEAD_LIMIT = 64 * 1024
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})(?: ([^\r\n]*))?\r?\n")
_END = re.compile(rb"\r?\n\r?\n")
_SCHEME = re.compile(rb"\nproxy-authenticate:[ \t]*([\w-]+)", re.IGNORECASE)
_UNREACHED = (502, 503, 504)
_NEVER_S = 1e6  # callers have a timeout of their own


async def ask_connect(
    proxy: Proxy,
    target: tuple[str, int],
    send: Callable[[bytes], Awaitable[None]],
    receive: Callable[[], Awaitable[bytes]],
) -> None:
    """Ask an HTTP proxy for a tunnel over an open connection. Raises ProxyError if it is refused."""
    place = join_address(*target)
    lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
    if proxy.user is not None:
        credentials = base64.b64encode(f"{proxy.user}:{proxy.password}".encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {credentials}")
    await send(("\r\n".join(lines) + "\r\n\r\n").encode("ascii"))
    head = b""
    while True:
        data = await receive()
        if not data:
            said = f" after {sanitize(head, 80)}" if head else ""
            raise ProxyError(f"the proxy {proxy.place} closed the connection before it answered CONNECT{said}")
        head += data
        if not head.startswith(b"HTTP/1."[: len(head)]):
            raise ProxyError(f"the proxy {proxy.place} does not answer with HTTP: {sanitize(head, 80)}")
        while end := _END.search(head):
            status = _STATUS.match(head)
            if status is None:
                raise ProxyError(f"the proxy {proxy.place} answers CONNECT without a status: {sanitize(head, 80)}")
            if status[1][:1] != b"1":
                _check_answer(proxy, int(status[1]), status[2] or b"", head[: end.end()], head[end.end() :])
                return
            head = head[end.end() :]  # an interim answer; the final one follows
        if len(head) > _HEAD_LIMIT:
            raise ProxyError(f"the proxy {proxy.place} answers CONNECT with a header larger than 64 KiB")


def _check_answer(proxy: Proxy, status: int, reason: bytes, head: bytes, rest: bytes) -> None:
    if 200 <= status < 300:
        if rest:
            raise ProxyError(f"the proxy {proxy.place} sent unexpected bytes after its answer: {sanitize(rest, 80)}")
        return
    text = f"the proxy {proxy.place} answered CONNECT with HTTP {status} {sanitize(reason, 60)}".rstrip()
    if status == 407:
        scheme = _SCHEME.search(head)
        if scheme is not None and scheme[1].lower() != b"basic" and not re.search(rb"(?i)\n[^\n]*\bbasic\b", head):
            text += f": it wants {sanitize(scheme[1], 20)} credentials; wstui supports Basic only"
        else:
            text += ": it wants a user and a password" if proxy.user is None else ": it rejects these credentials"
    elif status in _UNREACHED:
        text += ": it could not reach the target"
    raise ProxyError(text)


async def ask_socks(proxy: Proxy, target: tuple[str, int], sock: socket.socket) -> None:
    """Ask a SOCKS 5 proxy for a tunnel over an open connection. Raises ProxyError if it is refused."""
    from python_socks import ProxyError as SocksError  # 15 ms that most runs do not need
    from python_socks import ProxyType
    from python_socks.async_.asyncio import Proxy as SocksProxy

    class Connected:
        """Plays the proxy in front of this one for python-socks: returns the connection that exists already."""

        async def connect(self, **_: object) -> socket.socket:
            return sock

    forward = cast(SocksProxy, Connected())
    user, password = (proxy.user, proxy.password) if proxy.user else (None, None)
    socks = SocksProxy(ProxyType.SOCKS5, proxy.host, proxy.port, user, password, rdns=True, forward=forward)
    try:
        await socks.connect(*target, timeout=_NEVER_S)
    except SocksError as error:
        raise ProxyError(f"the proxy {proxy.place}, asked by SOCKS 5: {sanitize(_plain(str(error)), 120)}") from None
    except (ValueError, RuntimeError, IndexError) as error:
        raise ProxyError(f"the proxy {proxy.place} does not answer with SOCKS 5: {sanitize(str(error), 80)}") from None


def _plain(text: str) -> str:
    return text[:1].lower() + text[1:]


class _BridgeEnd(asyncio.Protocol):
    """One end of a bridge: bytes that arrive here leave at the other."""

    def __init__(self) -> None:
        self.here: asyncio.Transport | None = None
        self.there: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.here = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        assert self.there is not None
        self.there.write(data)

    def pause_writing(self) -> None:
        """Stop reading the sender while the receiver is blocked, as without a bridge."""
        if self.there is not None:
            self.there.pause_reading()

    def resume_writing(self) -> None:
        if self.there is not None:
            self.there.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.there is not None:
            self.there.close()


async def bridge(loop: asyncio.AbstractEventLoop, transport: asyncio.Transport) -> socket.socket:
    """Return a socket that stands for a transport without one."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    near, far = _BridgeEnd(), _BridgeEnd()
    transport.pause_reading()  # until the other end exists
    transport.set_protocol(far)
    far.here = near.there = transport
    await loop.create_unix_connection(lambda: near, sock=ours)
    far.there = near.here
    transport.resume_reading()
    return theirs


async def open_tls(
    loop: asyncio.AbstractEventLoop, proxy: Proxy, target: tuple[str, int], sock: socket.socket, context: ssl.SSLContext
) -> asyncio.Transport:
    """Open a tunnel through an https:// proxy. It has no usable socket: its bytes are in TLS."""
    reader = asyncio.StreamReader(limit=_HEAD_LIMIT, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.create_connection(lambda: protocol, sock=sock, ssl=context, server_hostname=proxy.host)

    async def send(data: bytes) -> None:
        transport.write(data)

    try:
        await ask_connect(proxy, target, send, lambda: reader.read(_HEAD_LIMIT))
    except BaseException:
        transport.abort()
        raise
    return transport
