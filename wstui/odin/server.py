"""The Odin WebSocket server: builds its parts, listens, and drains at shutdown."""

from __future__ import annotations

import asyncio
import contextlib
import random

from websockets.frames import CloseCode

from wstui.odin.admission import Admission
from wstui.odin.background_tasks import background_tasks
from wstui.odin.connection import Connection, Context
from wstui.odin.endpoints import Endpoints
from wstui.odin.hub import Deduplication, Hub
from wstui.odin.message_handler import MessageHandler
from wstui.odin.nats_client import Relay
from wstui.odin.rate_limit import RateLimit
from wstui.odin.server_settings import ServerSettings
from wstui.odin.stats import ConnectionPhase, Stats
from wstui.odin.token import Verifier
from wstui.servers.child_process import Service

BACKLOG = 4096
_DRAIN_POLL_S = 0.02


class OdinServer(Service):
    """One server in one event loop: `async with OdinServer(settings, verifier) as server: … server.port`.

    It is one process. Several that share the port (SO_REUSEPORT) were given up: they cost 400 lines of shared limits
    and figures, no preset used them, and the generator, which needs a core too, is the limit first on small machines.
    """

    def __init__(self, settings: ServerSettings, verifier: Verifier | None) -> None:
        """`verifier` may be None only if `settings.auth` is OFF."""
        limits, faults = settings.limits, settings.faults
        self.settings = settings
        self.stats = Stats()
        self.hub = Hub(self.stats, Deduplication(settings.timing.deduplication), faults)
        self.port = settings.port
        self._messages = RateLimit(limits.message_rate, limits.message_rate_per_address)
        self._admission = Admission(
            settings.auth,
            verifier,
            RateLimit(limits.connect_rate, limits.connect_rate_per_address),
            limits.connections,
            Endpoints(self.stats, faults, bool(settings.nats_url)),
            self.stats,
        )
        self._connections: set[Connection] = set()
        self._random = random.Random(faults.seed)
        self._relay: Relay | None = None
        self._listener: asyncio.Server | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Listen, and connect to NATS if a URL is set. Raises: OSError: the address can't be used."""
        loop, settings = asyncio.get_running_loop(), self.settings
        context = Context(
            loop=loop,
            settings=settings,
            stats=self.stats,
            hub=self.hub,
            admission=self._admission,
            handler=MessageHandler(loop, settings, self.stats, self.hub, self._messages),
            refused_by_fault=self._refused_by_fault,
            connections=self._connections,
        )
        self._listener = await loop.create_server(
            lambda: Connection(context), settings.host, settings.port, backlog=BACKLOG
        )
        self.port = self._listener.sockets[0].getsockname()[1]
        if settings.nats_url:
            self._relay = Relay(settings.nats_url, lambda data: self.hub.relay(data, loop.time()), self.stats)
            self._relay.start()
        self._tasks = [asyncio.create_task(work) for work in background_tasks(settings, self.stats, self.hub)]

    async def wait_for_nats(self, timeout: float) -> bool:
        """Return whether NATS is connected, at once or within `timeout` seconds."""
        if self._relay is None:
            return False
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._relay.first_connection.wait(), timeout)
        return self.stats.nats_connected

    async def stop(self) -> None:
        """Refuse new clients, close every client with 1001, and drop those that don't leave in time."""
        self._admission.closing = True
        for task in self._tasks:
            task.cancel()
        if self._listener is not None:
            self._listener.close()
        if self._relay is not None:
            await self._relay.stop()
        for connection in list(self._connections):
            connection.close(CloseCode.GOING_AWAY, "server shutting down")
        phases = self.stats.phases
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.settings.timing.drain):
                while phases[ConnectionPhase.OPEN] or phases[ConnectionPhase.CLOSING]:
                    await asyncio.sleep(_DRAIN_POLL_S)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in list(self._connections):
            connection.expire()

    def _refused_by_fault(self) -> bool:
        share = self.settings.faults.refuse
        return share > 0 and self._random.random() < share
