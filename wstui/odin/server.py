"""The Odin WebSocket server: puts its parts together, listens, and shuts down with grace."""

from __future__ import annotations

import asyncio
import contextlib
import random
from types import TracebackType
from typing import Self

from websockets.frames import CloseCode

from wstui.odin.admission import Admission
from wstui.odin.background_tasks import Upkeep
from wstui.odin.capacity import Capacity, OwnPlaces
from wstui.odin.connection import Connection
from wstui.odin.context import Context
from wstui.odin.deadlines import Deadlines
from wstui.odin.deduplication import Deduplication
from wstui.odin.endpoints import Endpoints
from wstui.odin.http_router import Gate
from wstui.odin.hub import Hub
from wstui.odin.message_handler import Dialogue
from wstui.odin.ratelimit import RateLimit
from wstui.odin.relay import Relay
from wstui.odin.server_settings import Settings
from wstui.odin.shared_limits import SharedLimits
from wstui.odin.shared_stats import StatsBoard
from wstui.odin.stats import Phase, Stats, merge
from wstui.odin.token import Verifier

BACKLOG = 4096
_DRAIN_POLL_S = 0.02


class OdinServer:
    """One server in one event loop: `async with OdinServer(settings, verifier) as server: … server.port`."""

    def __init__(
        self,
        settings: Settings,
        verifier: Verifier | None,
        board: StatsBoard | None = None,
        shared: SharedLimits | None = None,
        worker: int = 0,
    ) -> None:
        """`verifier` may be None only when `settings.auth` is OFF; `board` and `shared` join several processes."""
        limits = settings.limits
        rates = (
            (limits.connect_rate, limits.connect_rate_per_address),
            (limits.message_rate, limits.message_rate_per_address),
        )
        self.settings = settings
        self.stats = Stats()
        self.hub = Hub(self.stats, Deduplication(settings.timing.deduplication), settings.faults)
        self.port = settings.port
        if shared is None:
            connects, self._messages = (RateLimit(*rate) for rate in rates)
            places: Capacity = OwnPlaces(limits.connections)
        else:
            connects, self._messages = (shared.rate(number, *rate) for number, rate in enumerate(rates))
            places = shared.places(limits.connections)
        self._admission = Admission(settings.auth, verifier, connects, places)
        self._deadlines = Deadlines()
        self._upkeep = Upkeep(settings, self.stats, self.hub, self._deadlines, board, worker)
        self._board = board
        self._worker = worker
        self._random = random.Random(settings.faults.seed)
        self._relay: Relay | None = None
        self._listener: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Listen, and connect to NATS where there is one. Raises: OSError: the address can't be used."""
        loop = asyncio.get_running_loop()
        settings = self.settings
        endpoints = Endpoints(self._whole, settings.faults, bool(settings.nats_url))
        context = Context(
            loop=loop,
            settings=settings,
            stats=self.stats,
            hub=self.hub,
            gate=Gate(loop, self._admission, endpoints, self.stats),
            dialogue=Dialogue(loop, settings, self.stats, self.hub, self._messages),
            deadlines=self._deadlines,
            refused_by_fault=self._refused_by_fault,
        )
        self._listener = await loop.create_server(
            lambda: Connection(context),
            settings.host,
            settings.port,
            backlog=BACKLOG,
            reuse_port=settings.reuse_port or None,
        )
        self.port = self._listener.sockets[0].getsockname()[1]
        if settings.nats_url:
            self._relay = Relay(settings.nats_url, lambda data: self.hub.relay(data, loop.time()), self.stats)
            self._relay.start()
        self._sweeper = asyncio.create_task(self._upkeep.keep_deadlines())
        self._tasks = [asyncio.create_task(work) for work in self._upkeep.tasks()]

    async def wait_for_nats(self, timeout: float) -> bool:
        """Whether NATS is connected, at once or within `timeout` seconds; False also where there is none."""
        if self._relay is None:
            return False
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._relay.first_connection.wait(), timeout)
        return self.stats.nats_connected

    async def stop(self) -> None:
        """Accept nobody any more, close every client with 1001, and drop those that don't leave in time."""
        self._admission.closing = True
        for task in self._tasks:
            task.cancel()
        if self._listener is not None:
            self._listener.close()
        if self._relay is not None:
            await self._relay.stop()
        for connection in self._upkeep.connections():
            connection.close(CloseCode.GOING_AWAY, "server shutting down")
        phases = self.stats.phases
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.settings.timing.drain):
                while phases[Phase.OPEN] or phases[Phase.CLOSING]:
                    await asyncio.sleep(_DRAIN_POLL_S)
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, *self._tasks, return_exceptions=True)
        self._deadlines.sweep(float("inf"))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _whole(self) -> Stats:
        """The figures of all workers, this one's as they are now."""
        if self._board is None:
            return self.stats
        # What is told here is also known to the others, so that no count is smaller when one of them is asked next.
        self._board.post(self._worker, self.stats)
        return merge(list({**self._board.read(), self._worker: self.stats}.values()))

    def _refused_by_fault(self) -> bool:
        share = self.settings.faults.refuse
        return share > 0 and self._random.random() < share
