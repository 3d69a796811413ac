"""The Odin WebSocket server: listens, keeps the clock of heartbeats and deadlines, and shuts down with grace."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from types import TracebackType
from typing import Self

from wstui.odin import messages
from wstui.odin.admission import Admission
from wstui.odin.connection import Connection, Context, Phase
from wstui.odin.deadlines import Deadlines
from wstui.odin.deduplication import Deduplication
from wstui.odin.endpoints import Endpoints, Now
from wstui.odin.frames import PING, CloseCode
from wstui.odin.gate import Gate
from wstui.odin.hub import Hub
from wstui.odin.ratelimit import RateLimit
from wstui.odin.relay import Relay
from wstui.odin.settings import Settings
from wstui.odin.stats import Stats
from wstui.odin.token import Verifier

BACKLOG = 4096
TICK_S = 0.2
_log = logging.getLogger("wstui.odin.server")


class OdinServer:
    """One server in one event loop: `async with OdinServer(settings, verifier) as server: … server.port`."""

    def __init__(self, settings: Settings, verifier: Verifier | None) -> None:
        """`verifier` may be None only when `settings.auth` is OFF."""
        self.settings = settings
        self.stats = Stats()
        self.hub = Hub(self.stats, Deduplication(settings.timing.deduplication), settings.faults)
        self.port = settings.port
        self._deadlines = Deadlines()
        self._admission = Admission(settings.auth, verifier, settings.limits)
        self._random = random.Random(settings.faults.seed)
        self._relay: Relay | None = None
        self._listener: asyncio.Server | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Listen, and connect to NATS where there is one. Raises: OSError: the address can't be used."""
        loop = asyncio.get_running_loop()
        limits = self.settings.limits
        rate = RateLimit(limits.message_rate, limits.message_rate_per_address)
        endpoints = Endpoints(self.stats, self.settings.faults, self._now)
        context = Context(
            loop=loop,
            settings=self.settings,
            stats=self.stats,
            hub=self.hub,
            gate=Gate(loop, self._admission, endpoints, self.hub, self.stats),
            deadlines=self._deadlines,
            message_rate=rate if rate.limits else None,
            refused_by_fault=self._refused_by_fault,
        )
        self._listener = await loop.create_server(
            lambda: Connection(context),
            self.settings.host,
            self.settings.port,
            backlog=BACKLOG,
            reuse_port=self.settings.reuse_port or None,
        )
        self.port = self._listener.sockets[0].getsockname()[1]
        if self.settings.nats_url:
            self._relay = Relay(self.settings.nats_url, lambda data: self.hub.relay(data, loop.time()), self.stats)
            self._relay.start()
        self._tasks = [asyncio.create_task(self._keep_deadlines()), asyncio.create_task(self._keep_alive())]

    async def wait_for_nats(self, timeout: float) -> bool:
        """Whether NATS is connected, at once or within `timeout` seconds; False also where there is none."""
        if self._relay is None:
            return False
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._relay.first_connection.wait(), timeout)
        return self._relay.connected

    async def stop(self) -> None:
        """Accept nobody any more, close every client with 1001, and drop those that don't leave in time."""
        self._admission.closing = True
        for task in self._tasks[1:]:
            task.cancel()
        if self._listener is not None:
            self._listener.close()
        if self._relay is not None:
            await self._relay.stop()
        for connection in self._connections():
            connection.close(CloseCode.GOING_AWAY, "server shutting down")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.settings.timing.drain):
                while self.stats.phases[Phase.OPEN] or self.stats.phases[Phase.CLOSING]:
                    await asyncio.sleep(TICK_S / 10)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._deadlines.sweep(float("inf"))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _connections(self) -> list[Connection]:
        return [c for c in self.hub.connections if isinstance(c, Connection)]

    def _now(self) -> Now:
        phases = self.stats.phases
        return Now(
            handshaking=phases[Phase.HANDSHAKE],
            open=phases[Phase.OPEN],
            closing=phases[Phase.CLOSING],
            closed=phases[Phase.CLOSED],
            nats_configured=bool(self.settings.nats_url),
            nats_connected=self._relay is not None and self._relay.connected,
        )

    def _refused_by_fault(self) -> bool:
        share = self.settings.faults.refuse
        return share > 0 and self._random.random() < share

    async def _keep_deadlines(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(TICK_S)
            self._deadlines.sweep(loop.time())

    async def _keep_alive(self) -> None:
        """Send heartbeats, and look for peers that are dead: silent, and silent again after a ping."""
        loop = asyncio.get_running_loop()
        timing = self.settings.timing
        heartbeat_at = loop.time() + timing.heartbeat
        look_at = loop.time() + timing.dead_peer / 2
        while True:
            await asyncio.sleep(max(0.0, min(heartbeat_at, look_at) - loop.time()))
            now = loop.time()
            if now >= heartbeat_at:
                heartbeat_at += timing.heartbeat
                idle = messages.now_ms() - self.hub.last_relay_ms
                self.hub.broadcast(messages.heartbeat(len(self.hub.connections), idle))
            if now >= look_at:
                look_at += timing.dead_peer / 2
                self._look_for_dead_peers()

    def _look_for_dead_peers(self) -> None:
        for connection in self._connections():
            if connection.heard:
                connection.heard = connection.pinged = False
            elif not connection.pinged:
                connection.pinged = True
                connection.write(PING)
            else:
                self.stats.dead_peers += 1
                connection.abort()
