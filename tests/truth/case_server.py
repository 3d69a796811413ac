"""The server of the table: it behaves as its case says, and keeps a log of its own."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Awaitable, Callable

from tests.servers.server import TEXT, Connection, Server, frame, switching
from tests.truth.case import Case

Act = Callable[["Target", Connection, int, bytes], Awaitable[None]]
"""Does something with a connection; number of the frame's first byte, and the payload, of what it answers."""
Answer = Callable[["Target", Connection, bytes], Awaitable[bool]]
"""Answers an upgrade by its key; whether the connection is now a WebSocket."""


class Target(Server):
    """One case's server."""

    welcome = False

    def __init__(self, case: Case) -> None:
        super().__init__()
        self.case = case
        self.said = 0  # messages that were sent
        self.heard: dict[int, int] = {}  # messages by client
        self._folder = tempfile.TemporaryDirectory(prefix="wstui-truth-")
        self.socket = f"{self._folder.name}/socket"  # a Unix socket, beside the port

    async def __aenter__(self) -> Target:
        self.tls = self.case.tls() if self.case.tls else None
        await super().__aenter__()
        if "{socket}" in self.case.url:
            self.beside.append(await asyncio.start_unix_server(self._connected, self.socket))
        return self

    async def _serve(self, client: Connection) -> None:
        with contextlib.suppress(asyncio.CancelledError):  # the case is over
            if self.case.tcp is not None:
                await self.case.tcp(self, client, 0, b"")
            else:
                await super()._serve(client)

    async def answer(self, client: Connection, key: bytes) -> bool:
        return await (self.case.answer or switched())(self, client, key)

    async def opened(self, client: Connection) -> None:
        if self.case.opened is not None:
            await self.case.opened(self, client, TEXT, b"")

    async def ping(self, client: Connection, timestamp: int) -> None:
        await self.other(client, TEXT, b'{"type":"pong","originalTimestamp":%d}' % timestamp)

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        self.heard[client.number] = self.heard.get(client.number, 0) + 1
        await (self.case.message or echo)(self, client, first, payload)

    async def switch(self, client: Connection, key: bytes) -> bool:
        """As it should be."""
        return await switched()(self, client, key)

    def send(self, client: Connection, payload: bytes, first: int = TEXT) -> None:
        """A whole message, and into the log."""
        if not client.writer.is_closing():
            self.said += 1
            client.send(payload, first)


# -- answers to the upgrade ------------------------------------------------------------------------------------


def switched(*headers: bytes, before: bytes = b"", behind: bytes = b"", said: int = 0) -> Answer:
    """101, with more headers, and bytes around it; `said` whole messages are in those behind."""

    async def answer(server: Target, client: Connection, key: bytes) -> bool:
        client.write(before + switching(key, *headers) + behind)
        server.said += said
        return True

    return answer


def changed(old: bytes, new: bytes) -> Answer:
    """101 with something else in a place."""

    async def answer(server: Target, client: Connection, key: bytes) -> bool:
        text = switching(key)
        assert old in text
        client.write(text.replace(old, new))
        await client.reader.read()
        return False

    return answer


def http(status: str, *headers: bytes, body: bytes = b"") -> Answer:
    """Another status."""
    lines = [b"HTTP/1.1 " + status.encode(), b"Content-Length: %d" % len(body), *headers, b"", body]
    return says(b"\r\n".join(lines))


def says(words: bytes, *, stays: bool = False) -> Answer:
    """Bytes as they are."""

    async def answer(server: Target, client: Connection, key: bytes) -> bool:
        client.write(words)
        if stays:
            await client.reader.read()
        return False

    return answer


silent = says(b"", stays=True)
hangs_up = says(b"")


async def resets(server: Target, client: Connection, key: bytes) -> bool:
    client.reset()
    return False


def every_other(answer: Answer) -> Answer:
    """That, to every other client; the others get in."""

    async def chosen(server: Target, client: Connection, key: bytes) -> bool:
        return await (answer if client.number % 2 else switched())(server, client, key)

    return chosen


# -- acts ------------------------------------------------------------------------------------------------------


async def echo(server: Target, client: Connection, first: int, payload: bytes) -> None:
    server.send(client, payload, first)


async def nothing(server: Target, client: Connection, first: int, payload: bytes) -> None:
    pass


async def reset(server: Target, client: Connection, first: int, payload: bytes) -> None:
    client.reset()


async def cut(server: Target, client: Connection, first: int, payload: bytes) -> None:
    """End TCP without a close frame."""
    client.writer.close()


async def cut_unanswered(server: Target, client: Connection, first: int, payload: bytes) -> None:
    """Read the request, and end TCP. What is closed unread may be reset instead: that is the kernel's race."""
    await client.reader.readuntil(b"\r\n\r\n")
    client.writer.close()


async def wait(server: Target, client: Connection, first: int, payload: bytes) -> None:
    """Read until the other side is gone, and say nothing."""
    await client.reader.read()


def closes(code: int, reason: str = "", *, each: bool = False) -> Act:
    """A close frame; with `each`, every client is told something else."""

    async def act(server: Target, client: Connection, first: int, payload: bytes) -> None:
        client.close(code, f"{reason} {client.number * 7919:x}" if each else reason)

    return act


def sends(*payloads: bytes, first: int = TEXT) -> Act:
    """Messages."""

    async def act(server: Target, client: Connection, _: int, payload: bytes) -> None:
        for text in payloads:
            server.send(client, text, first)

    return act


def writes(raw: bytes, said: int = 0) -> Act:
    """Bytes as they are; `said` whole messages are in them."""

    async def act(server: Target, client: Connection, first: int, payload: bytes) -> None:
        client.write(raw)
        server.said += said

    return act


def then(*acts: Act) -> Act:
    """One after the other."""

    async def act(server: Target, client: Connection, first: int, payload: bytes) -> None:
        for each in acts:
            await each(server, client, first, payload)

    return act


def after(number: int, act: Act, before: Act = echo) -> Act:
    """`before` for so many messages of each client, and then this for each."""

    async def chosen(server: Target, client: Connection, first: int, payload: bytes) -> None:
        await (before if server.heard[client.number] <= number else act)(server, client, first, payload)

    return chosen


def some(act: Act, otherwise: Act = echo) -> Act:
    """For every other client."""

    async def chosen(server: Target, client: Connection, first: int, payload: bytes) -> None:
        await (act if client.number % 2 else otherwise)(server, client, first, payload)

    return chosen


def once(act: Act, otherwise: Act = nothing) -> Act:
    """For the first of each client's messages."""
    return after(1, otherwise, act)


def later(delay_s: float, act: Act = echo) -> Act:
    """After a while; what comes meanwhile is read."""

    async def delayed(server: Target, client: Connection, first: int, payload: bytes) -> None:
        async def do() -> None:
            await asyncio.sleep(delay_s)
            with contextlib.suppress(ConnectionError, RuntimeError):
                await act(server, client, first, payload)

        task = asyncio.create_task(do())
        server._tasks.add(task)
        task.add_done_callback(server._tasks.discard)

    return delayed


def told(change: Callable[[bytes], bytes]) -> Act:
    """An echo that is not what was sent."""

    async def act(server: Target, client: Connection, first: int, payload: bytes) -> None:
        server.send(client, change(payload), first)

    return act


def to_others(own_delay_s: float) -> Act:
    """A chat room: to all others at once, to its sender later."""

    async def act(server: Target, client: Connection, first: int, payload: bytes) -> None:
        for other in list(server.live.values()):
            if other is not client:
                server.send(other, payload, first)
        await later(own_delay_s)(server, client, first, payload)

    return act


def to_every_other(own_delay_s: float) -> Act:
    """A chat room that loses what it owes to every other of its members."""

    async def act(server: Target, client: Connection, first: int, payload: bytes) -> None:
        for other in list(server.live.values()):
            if other is not client and other.number % 2:
                server.send(other, payload, first)
        await later(own_delay_s)(server, client, first, payload)

    return act


def pieces(payload: bytes, *sizes: int, first: int = TEXT) -> bytes:
    """A message in fragments."""
    raw, place = b"", 0
    for number, size in enumerate((*sizes, len(payload) - sum(sizes))):
        fin = 0x80 if place + size >= len(payload) else 0
        raw += frame(fin | (0 if number else first & 0x0F), payload[place : place + size])
        place += size
    return raw
