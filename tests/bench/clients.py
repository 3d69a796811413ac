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

    async def open(self, url: str) -> Any:
        from websockets.asyncio.client import connect

        return await connect(url, **self.options)

    async def welcome(self, connection: Any) -> None:
        await connection.recv()

    async def talk(self, connection: Any, text: str) -> Any:
        """Send, and return the next message."""
        await connection.send(text)
        return json.loads(await connection.recv())

    async def loop(self, connection: Any) -> None:
        while True:
            await self.talk(connection, ping())


class WebsocketsLean(Websockets):
    """The same without compression and without keepalive, on uvloop."""

    options: ClassVar[dict[str, Any]] = {"compression": None, "ping_interval": None}


class Aiohttp(Websockets):
    """`aiohttp.ClientSession.ws_connect()` on uvloop."""

    session: Any = None

    async def open(self, url: str) -> Any:
        import aiohttp

        if self.session is None:
            self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        return await self.session.ws_connect(url)

    async def welcome(self, connection: Any) -> None:
        await connection.receive_str()

    async def talk(self, connection: Any, text: str) -> Any:
        await connection.send_str(text)
        return json.loads(await connection.receive_str())


class Picows(Websockets):
    """A picows listener on uvloop: callbacks, no coroutine a client."""

    async def open(self, url: str) -> Any:
        from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

        class PicowsListener(WSListener):
            def __init__(self) -> None:
                super().__init__()
                self.looping = False
                self.waiter = asyncio.get_running_loop().create_future()

            def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
                if frame.msg_type == WSMsgType.TEXT:
                    answer = json.loads(frame.get_payload_as_bytes())
                    if self.looping:
                        transport.send(WSMsgType.TEXT, ping().encode())
                    elif not self.waiter.done():
                        self.waiter.set_result(answer)

            def on_ws_disconnected(self, transport: WSTransport) -> None:
                if not self.waiter.done():
                    self.waiter.set_exception(ConnectionResetError())

        return await ws_connect(PicowsListener, url)

    async def welcome(self, connection: Any) -> None:
        await connection[1].waiter

    async def talk(self, connection: Any, text: str) -> Any:
        from picows import WSMsgType

        transport, listener = connection
        listener.waiter = asyncio.get_running_loop().create_future()
        transport.send(WSMsgType.TEXT, text.encode())
        return await listener.waiter

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
            await _bounded(partial(_open, library, line[1]), int(line[2]))
            gc.collect()
            print(f"open {len(library.connections)}", flush=True)
        elif line[0] == "loop":
            tasks = [asyncio.create_task(library.loop(connection)) for connection in library.connections]
        elif line[0] == "end":
            break
    for task in tasks:
        task.cancel()


async def _open(library: Any, url: str) -> None:
    connection = await library.open(url)
    await library.welcome(connection)
    library.connections.append(connection)


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
