"""Proxies: small ones that can misbehave, and real ones that nobody here wrote."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import importlib.util
import os
import shutil
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from tests.servers.process import free_ports, listens, server_process
from tests.servers.server import until
from tests.servers.tcp_server import TcpServer

_PPROXY = """
import asyncio, sys
sys.modules["uvloop"] = None  # it takes uvloop where it is there, and then finds no event loop
asyncio.set_event_loop(asyncio.new_event_loop())
from pproxy.server import main
main()
"""
REAL = ("tinyproxy", "microsocks", "pproxy http", "pproxy socks5")


class ConnectProxy(TcpServer):
    """An HTTP proxy for CONNECT. `answer`, where it is set, is written in place of a tunnel; b"" hangs.

    `asked` holds the targets it was asked for, `tunnels` counts those that came about.
    """

    def __init__(
        self, *, answer: bytes | None = None, credentials: str = "", tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__()
        self.tls = tls
        self.answer = answer
        self.cut = False  # end the connection after `answer`
        self.asked: list[str] = []
        self.heads: list[bytes] = []
        self.tunnels = 0
        self.every = 1  # every so many-th request gets `answer`
        self._credentials = credentials

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        method, place, _ = head.split(b" ", 2)
        assert method == b"CONNECT"
        self.asked.append(place.decode())
        if self.answer is not None and len(self.asked) % self.every == 0:
            writer.write(self.answer)
            await writer.drain()
            if not self.cut:
                await reader.read()
            return
        wanted = b"Proxy-Authorization: Basic " + base64.b64encode(self._credentials.encode())
        if self._credentials and wanted not in head:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=x\r\n\r\n")
            return
        host, _, port = place.decode().rpartition(":")
        try:
            far, there = await asyncio.open_connection(host.strip("[]"), int(port))
        except OSError:
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            return
        self.tunnels += 1
        # In pieces, after an interim answer: a proxy may write as it likes.
        for part in (
            b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.",
            b"1 200 Connection established\r\nVia: 1.1 x\r",
            b"\n\r\n",
        ):
            writer.write(part)
            await asyncio.sleep(0.001)
        await asyncio.gather(_copy(reader, there), _copy(far, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError), contextlib.closing(writer):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


def available(kind: str) -> str:
    """Why a real proxy can't be had here, "" when it can."""
    name = kind.split(maxsplit=1)[0]
    if name == "pproxy":
        return "" if importlib.util.find_spec(name) else "pproxy is not installed"  # importing it may warn
    return "" if shutil.which(name) else f"{name} is not installed"


@contextlib.asynccontextmanager
async def real_proxy(kind: str, folder: Path, credentials: str = "") -> AsyncIterator[str]:
    """The URL of a real proxy on loopback, without its credentials."""
    (port,) = free_ports(1)
    user, _, password = credentials.partition(":")
    if kind == "tinyproxy":
        lines = [f"Port {port}", "Listen 127.0.0.1", "Timeout 600", "MaxClients 200", "LogLevel Error"]
        lines += [f"BasicAuth {user} {password}"] if credentials else []
        config = folder / "tinyproxy.conf"
        config.write_text("\n".join(lines) + "\n")
        command = [str(shutil.which("tinyproxy")), "-d", "-c", str(config)]
    elif kind == "microsocks":
        login = ["-u", user, "-P", password] if credentials else []
        command = [str(shutil.which("microsocks")), "-i", "127.0.0.1", "-p", str(port), *login]
    else:
        login = [f"#{credentials}"] if credentials else []
        listen = f"{kind.split()[1]}://127.0.0.1:{port}/{''.join(login)}"
        command = [sys.executable, "-c", _PPROXY, "-l", listen]
    with server_process(*command, environ={**os.environ, "TZ": "UTC"}) as process:
        await until(lambda: listens(port) or process.poll() is not None)
        assert process.returncode is None, f"{kind} ended with {process.returncode}"
        yield f"{'http' if kind in ('tinyproxy', 'pproxy http') else 'socks5h'}://127.0.0.1:{port}"
