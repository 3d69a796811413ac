"""Ways to a target: HTTP and SOCKS proxies that refuse, dawdle and drop, and Unix sockets."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.servers.server import Connection, Server
from tests.truth.case import Case, Right, failed, passed, unreachable
from tests.truth.case_server import Act, Target, after, cut, reset, silent, some, wait

REFUSED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
SOCKS_REFUSED = b"\x05\x02\x00\x01" + bytes(6)
SOCKS_DONE = b"\x05\x00\x00\x01" + bytes(6)


def proxied(name: str, right: Right, tcp: Act, scheme: str = "http", **more: Any) -> Case:
    """A case whose server is the proxy; what is behind the proxy is the same server."""
    target = {"proxy": scheme + "://127.0.0.1:{port}", **more.pop("target", {})}
    return Case(name, right, url="ws://127.0.0.1:9/{path}", tcp=tcp, target=target, **more)


def connect(answer: bytes = b"HTTP/1.1 200 OK\r\n\r\n", *, after_s: float = 0.0) -> Act:
    """Answer CONNECT; 200 leads on to the WebSocket server."""

    async def act(server: Target, client: Connection, first: int, payload: bytes) -> None:
        await client.reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(after_s)
        client.write(answer)
        if answer.startswith(b"HTTP/1.1 200"):
            await Server._serve(server, client)

    return act


def socks(answer: bytes = SOCKS_DONE, *, after_s: float = 0.0) -> Act:
    """Answer SOCKS 5 without a login; success leads on to the WebSocket server."""

    async def act(server: Target, client: Connection, first: int, payload: bytes) -> None:
        _, methods = await client.reader.readexactly(2)
        await client.reader.readexactly(methods)
        client.write(b"\x05\x00")
        await client.reader.readexactly(10)
        await asyncio.sleep(after_s)
        client.write(answer)
        if answer == SOCKS_DONE:
            await Server._serve(server, client)

    return act


DROPPED = failed("reset dropped", "timeout unanswered", finding="drops")
SHORT = {"connect_timeout": 0.6}
UNIX = "ws+unix:{socket}:/{path}"
CASES = [
    proxied("an HTTP proxy refuses", unreachable("proxy failed"), connect(REFUSED), says=("HTTP 403",), uncounted=True),
    proxied("an HTTP proxy refuses some", failed("proxy failed", finding="proxy"), some(connect(REFUSED), connect()),
            says=("HTTP 403",), uncounted=True),
    proxied("an HTTP proxy never answers", unreachable("proxy timed_out"), wait, target=SHORT, uncounted=True),
    proxied("an HTTP proxy hangs up", unreachable("proxy failed"), cut, uncounted=True),
    proxied("an HTTP proxy takes half a second", passed(), connect(after_s=0.5)),
    proxied("an HTTP proxy drops its tunnels", DROPPED, connect(), message=after(2, reset), lossy=True),
    proxied("a SOCKS proxy refuses", unreachable("proxy failed"), socks(SOCKS_REFUSED), "socks5", uncounted=True),
    proxied("a SOCKS proxy never answers", unreachable("proxy timed_out"), wait, "socks5", target=SHORT,
            uncounted=True),
    proxied("a SOCKS proxy takes half a second", passed(), socks(after_s=0.5), "socks5"),
    proxied("a SOCKS proxy drops its tunnels", DROPPED, socks(), "socks5", message=after(2, cut), lossy=True),
    Case("a Unix socket whose server does as it should", passed(), url=UNIX),
    Case("a Unix socket whose server drops its clients", DROPPED, url=UNIX, message=after(2, cut), lossy=True),
    Case("a Unix socket whose server never answers", unreachable("connect timeout timed_out"), url=UNIX, answer=silent,
         target=SHORT),
    Case(
        "no Unix socket is there",
        unreachable("connect failed"),
        url="ws+unix:/nowhere/wstui.sock:/{path}",
        says=("the socket does not exist",),
        uncounted=True,
    ),
]  # fmt: skip
