"""Servers whose capacity is built in: so many seats, so many answers a second, so many let in a second."""

from __future__ import annotations

import asyncio
import time

from tests.servers.server import Connection, Server

_FULL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


class Seats(Server):
    """Refuses whoever comes while all seats are taken."""

    seats = 60

    async def answer(self, client: Connection, key: bytes) -> bool:
        if len(self.live) >= self.seats:
            client.write(_FULL)
            return False
        return await super().answer(client, key)


class Worker(Server):
    """Answers pings one after the other, each in the same time."""

    service_s = 0.005
    free_at = 0.0

    async def ping(self, client: Connection, timestamp: int) -> None:
        loop = asyncio.get_running_loop()
        self.free_at = max(self.free_at, loop.time()) + self.service_s
        loop.call_at(self.free_at, self.pong, client, timestamp)


class Doorkeeper(Server):
    """Lets so many in a second, and `spare` more after it had nothing to do for a while; refuses all others."""

    per_s = 100.0
    spare = 10.0
    tickets = 0.0
    at = 0.0

    async def answer(self, client: Connection, key: bytes) -> bool:
        now = time.monotonic()
        self.tickets = min(self.spare, self.tickets + (now - self.at) * self.per_s)
        self.at = now
        if self.tickets < 1:
            client.write(_FULL)
            return False
        self.tickets -= 1
        return await super().answer(client, key)


class Wounded(Seats):
    """Once it has been full, it answers nobody any more."""

    full = False

    async def answer(self, client: Connection, key: bytes) -> bool:
        self.full = self.full or len(self.live) >= self.seats
        return await super().answer(client, key)

    async def ping(self, client: Connection, timestamp: int) -> None:
        if not self.full:
            self.pong(client, timestamp)
