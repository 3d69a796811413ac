"""Servers that go wrong while they talk to clients that are ready."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from tests.servers.server import BINARY, TEXT, Connection, Server, frame, now_ms


class Freezing(Server):
    """Stands still for a while once, as a process does that collects garbage or waits for a disk."""

    after_s = 0.6
    freeze_s = 3.0

    async def __aenter__(self) -> Any:
        await super().__aenter__()
        self.frozen = False
        self.first_ping_s = 0.0
        return self

    async def ping(self, client: Connection, timestamp: int) -> None:
        now = time.monotonic()
        self.first_ping_s = self.first_ping_s or now
        if not self.frozen and now - self.first_ping_s > self.after_s:
            self.frozen = True
            self.thaw_at = now + self.freeze_s
        if self.frozen and now < self.thaw_at:
            # Only this server's answers stop: its neighbours on this loop go on.
            await asyncio.sleep(self.thaw_at - now)
        self.pong(client, timestamp)


class ClosingEarly(Server):
    """Closes each connection by itself in the middle of the run, the first with the first of `codes`, and so on."""

    codes: tuple[int, ...] = (1000,)
    reason = ""
    after_s = 0.5

    async def opened(self, client: Connection) -> None:
        await super().opened(client)
        asyncio.get_running_loop().call_later(
            self.after_s, client.close, self.codes[client.number % len(self.codes)], self.reason
        )


class Dropping(Server):
    """Resets each connection at its third ping."""

    async def opened(self, client: Connection) -> None:
        await super().opened(client)
        client.pings = 0  # type: ignore[attr-defined]

    async def ping(self, client: Connection, timestamp: int) -> None:
        client.pings += 1  # type: ignore[attr-defined]
        if client.pings == 3:  # type: ignore[attr-defined]
            client.reset()
        else:
            self.pong(client, timestamp)


class Late(Server):
    """Answers after a while."""

    delay_s = 0.6

    async def ping(self, client: Connection, timestamp: int) -> None:
        self.later(self.delay_s, client, timestamp)


class Twice(Server):
    """Answers every ping twice."""

    async def ping(self, client: Connection, timestamp: int) -> None:
        self.pong(client, timestamp)
        self.pong(client, timestamp)


class Backwards(Server):
    """Answers pings three at a time, the newest first."""

    async def opened(self, client: Connection) -> None:
        await super().opened(client)
        client.waiting = []  # type: ignore[attr-defined]

    async def ping(self, client: Connection, timestamp: int) -> None:
        waiting = client.waiting  # type: ignore[attr-defined]
        waiting.append(timestamp)
        if len(waiting) == 3:
            while waiting:
                self.pong(client, waiting.pop())


class Losing(Server):
    """Loses one ping in `every`."""

    every = 100

    async def ping(self, client: Connection, timestamp: int) -> None:
        if self.messages["ping"] % self.every:
            self.pong(client, timestamp)


class Deaf(Server):
    """Never reads after the welcome."""

    async def _converse(self, client: Connection) -> None:
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]
        while not client.writer.transport.is_closing():
            await asyncio.sleep(0.05)


class Odd(Server):
    """Surrounds each pong with things that a client does not expect."""

    def pong(self, client: Connection, timestamp: int) -> None:
        pong = b'{"type":"pong","originalTimestamp":%d}' % timestamp
        client.send(b"")
        client.send(b"null")
        client.send(b"\x00\x01\x02", BINARY)
        client.send(b"\xff\xfe\xfd")
        client.send(b'{"type":"never:heard:of"}')
        client.send(b'{"a":' + b"[" * 50_000)
        client.send(b'{"type":"pong","originalTimestamp":{"$date":[]}}')
        client.send(b'{"type":"pong","originalTimestamp":' + b"9" * 400 + b"}")
        client.send(b'{"type":"\x1b[2Jclear"}')
        client.send(b'{"type":"tick"}\n' + pong + b'\n{"type":"tock"}\n')


class Pinging(Server):
    """Sends control pings, and counts the pongs."""

    async def opened(self, client: Connection) -> None:
        await super().opened(client)
        client.write(frame(0x89, b"are you there"))

    async def ping(self, client: Connection, timestamp: int) -> None:
        client.write(frame(0x89, b"and now"))
        self.pong(client, timestamp)


class Fragmenting(Server):
    """Sends each message in fragments with a control ping in between."""

    async def opened(self, client: Connection) -> None:
        self._pieces(client, b'{"type":"connection:established"}')

    def pong(self, client: Connection, timestamp: int) -> None:
        self._pieces(client, b'{"type":"pong","originalTimestamp":%d,"timestamp":%d}' % (timestamp, now_ms()))

    def _pieces(self, client: Connection, payload: bytes) -> None:
        middle = len(payload) // 2
        client.write(frame(TEXT & 0x0F, payload[:7]) + frame(0x89, b"between") + frame(0x00, payload[7:middle]))
        client.write(frame(0x80, payload[middle:]))


class Breaking(Server):
    """Sends a broken frame at each client's second ping, to the first client the first, and so on."""

    broken: tuple[bytes, ...] = (b"\x83\x00",)

    async def opened(self, client: Connection) -> None:
        await super().opened(client)
        client.pings = 0  # type: ignore[attr-defined]

    async def ping(self, client: Connection, timestamp: int) -> None:
        client.pings += 1  # type: ignore[attr-defined]
        if client.pings == 2:  # type: ignore[attr-defined]
            client.write(self.broken[client.number % len(self.broken)])
        else:
            self.pong(client, timestamp)


class Chatting(Server):
    """Says something every 50 ms without being asked."""

    async def opened(self, client: Connection) -> None:
        await super().opened(client)
        self._chat(client)

    def _chat(self, client: Connection) -> None:
        if not client.writer.is_closing():
            client.say(type="price:update", timestamp=now_ms())
            asyncio.get_running_loop().call_later(0.05, self._chat, client)


class Stubborn(Server):
    """Neither answers a close frame nor ends a connection."""

    async def _converse(self, client: Connection) -> None:
        protocol = client.protocol
        while data := await client.reader.read(65536):
            protocol.receive_data(data)
            for event in protocol.events_received():
                await self._take(client, event)  # type: ignore[arg-type]


class Mute(Stubborn):
    """Answers no ping either."""

    async def ping(self, client: Connection, timestamp: int) -> None:
        pass
