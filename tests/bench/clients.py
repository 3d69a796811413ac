"""Load clients on other libraries, each the way its own documentation writes one: `python -m tests.bench.clients NAME`.

Steered by lines on stdin: `open URL N`, `idle`, `loop` (closed loop of Odin pings), `end`; answers `up`, `open N`.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, ClassVar

IN_FLIGHT = 64


def ping() -> str:
    """An Odin ping as most programs write it."""
    return json.dumps({"type": "ping", "timestamp": int(time.time() * 1000)})


class Websockets:
    """`websockets.connect()` with its defaults."""

    options: ClassVar[dict[str, Any]] = {}

    def __init__(self) -> None:
        self.connections: list[Any] = []

    async def open(self, url: str) -> None:
        from websockets.asyncio.client import connect

        connection = await connect(url, **self.options)
        await connection.recv()
        self.connections.append(connection)

    async def loop(self, connection: Any) -> None:
        while True:
            await connection.send(ping())
            json.loads(await connection.recv())


class WebsocketsLean(Websockets):
    """The same without compression and without keepalive, on uvloop."""

    options: ClassVar[dict[str, Any]] = {"compression": None, "ping_interval": None}


class Aiohttp:
    """`aiohttp.ClientSession.ws_connect()` on uvloop."""

    def __init__(self) -> None:
        self.connections: list[Any] = []
        self.session: Any = None

    async def open(self, url: str) -> None:
        import aiohttp

        if self.session is None:
            self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        connection = await self.session.ws_connect(url)
        await connection.receive_str()
        self.connections.append(connection)

    async def loop(self, connection: Any) -> None:
        while True:
            await connection.send_str(ping())
            json.loads(await connection.receive_str())


class Picows:
    """A picows listener on uvloop: callbacks, no coroutine a client."""

    def __init__(self) -> None:
        self.connections: list[Any] = []

    async def open(self, url: str) -> None:
        from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

        welcomed = asyncio.get_running_loop().create_future()

        class Listener(WSListener):
            looping = False

            def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
                if frame.msg_type == WSMsgType.TEXT:
                    json.loads(frame.get_payload_as_bytes())
                    if self.looping:
                        transport.send(WSMsgType.TEXT, ping().encode())
                    elif not welcomed.done():
                        welcomed.set_result(None)

        transport, listener = await ws_connect(Listener, url)
        await welcomed
        self.connections.append((transport, listener))

    async def loop(self, connection: Any) -> None:
        from picows import WSMsgType

        transport, listener = connection
        listener.looping = True
        transport.send(WSMsgType.TEXT, ping().encode())


LIBRARIES: dict[str, tuple[str, Callable[[], Any], bool]] = {
    "websockets": ("websockets", Websockets, False),
    "websockets-uvloop": ("websockets", WebsocketsLean, True),
    "aiohttp-uvloop": ("aiohttp", Aiohttp, True),
    "picows-uvloop": ("picows", Picows, True),
}
"""Name → package that must be there, class, whether it runs on uvloop."""


async def _obey(library: Any) -> None:
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    gc.collect()
    print("up", flush=True)
    tasks: list[asyncio.Task[None]] = []
    while line := (await lines.readline()).decode().split():
        if line[0] == "open":
            await _bounded(partial(library.open, line[1]), int(line[2]))
            gc.collect()
            print(f"open {len(library.connections)}", flush=True)
        elif line[0] == "loop":
            tasks = [asyncio.create_task(library.loop(connection)) for connection in library.connections]
        elif line[0] == "end":
            break
    for task in tasks:
        task.cancel()


async def _bounded(open_one: Callable[[], Awaitable[None]], count: int) -> None:
    """Open `count` connections, a bounded number at a time."""
    left = count

    async def worker() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await open_one()

    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))


def main() -> None:
    """Entry point of the process."""
    _, library, on_uvloop = LIBRARIES[sys.argv[1]]
    with contextlib.suppress(KeyboardInterrupt):
        if on_uvloop:
            import uvloop

            uvloop.run(_obey(library()))
        else:
            asyncio.run(_obey(library()))


if __name__ == "__main__":
    main()
