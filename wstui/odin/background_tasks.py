"""What a server does by the clock: deadlines, heartbeats, dead peers, its own figures, and faults on purpose."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import psutil
from websockets.frames import CloseCode

from wstui.odin import messages
from wstui.odin.connection import Connection
from wstui.odin.deadlines import Deadlines
from wstui.odin.hub import Hub
from wstui.odin.server_settings import Settings
from wstui.odin.shared_stats import StatsBoard
from wstui.odin.stats import Stats
from wstui.servers.frame_writer import PING

TICK_S = 0.2
FIGURES_S = 0.5
REFUSALS_S = 10.0
MISCHIEF_S = 0.5
_log = logging.getLogger("wstui.odin.server")


@dataclass(frozen=True, slots=True)
class Upkeep:
    """The periodic work of one server process; `worker` is its place on the `board`, if there are several."""

    settings: Settings
    stats: Stats
    hub: Hub
    deadlines: Deadlines
    board: StatsBoard | None
    worker: int

    def tasks(self) -> list[Coroutine[Any, Any, None]]:
        """All of it; each runs until it is cancelled."""
        timing, faults = self.settings.timing, self.settings.faults
        work = [
            _every(timing.heartbeat, self._send_heartbeat),
            _every(timing.dead_peer / 2, self._look_for_dead_peers),
            _every(FIGURES_S, self._figures()),
            _every(REFUSALS_S, self._refusals()),
        ]
        if faults.freeze > 0:
            work.append(self._freeze())
        if faults.close_per_minute > 0:
            work.append(_every(MISCHIEF_S, self._mischief()))
        if faults.leak > 0:
            work.append(_every(MISCHIEF_S, self._leak()))
        if faults.storm > 0 and faults.storm_every > 0:
            work.append(_every(faults.storm_every, self._storm()))
        return work

    async def keep_deadlines(self) -> None:
        """Expire what is late. It goes on while the server shuts down."""
        loop = asyncio.get_running_loop()
        await _every(TICK_S, lambda: self.deadlines.sweep(loop.time()))

    def connections(self) -> list[Connection]:
        """The open connections."""
        return [connection for connection in self.hub.connections if isinstance(connection, Connection)]

    def _send_heartbeat(self) -> None:
        idle = messages.now_ms() - self.hub.last_relay_ms
        open_now = len(self.hub.connections)
        if self.board is not None:
            others = (stats for worker, stats in self.board.read().items() if worker != self.worker)
            open_now += sum(stats.phases[1] for stats in others)
        self.hub.broadcast(messages.heartbeat(open_now, idle))

    def _look_for_dead_peers(self) -> None:
        """A peer is dead that was silent since the last look, got a ping, and was silent again."""
        for connection in self.connections():
            if connection.heard:
                connection.heard = connection.pinged = False
            elif not connection.pinged:
                connection.pinged = True
                connection.write(PING)
            else:
                self.stats.dead_peers += 1
                connection.abort()

    def _figures(self) -> Callable[[], None]:
        process = psutil.Process()
        process.cpu_percent()

        def note() -> None:
            with process.oneshot():
                figures: dict[str, int | float | None] = {
                    "pid": process.pid,
                    "cpuPercent": process.cpu_percent(),
                    "rssBytes": process.memory_info().rss,
                    "openFiles": process.num_fds() if psutil.POSIX else None,
                }
            self.stats.processes[:] = [figures]
            if self.board is not None:
                self.board.post(self.worker, self.stats)

        note()
        return note

    def _refusals(self) -> Callable[[], None]:
        """One line for all that were refused lately: a flood must not flood the log."""
        known: dict[str, int] = {}

        def tell() -> None:
            now = {**self.stats.refused, **self.stats.ejected}
            fresh = {reason: count - known.get(reason, 0) for reason, count in now.items()}
            known.update(now)
            if fresh := {reason: count for reason, count in fresh.items() if count}:
                _log.warning("clients refused or ejected", extra={"reasons": fresh, "seconds": REFUSALS_S})

        return tell

    async def _freeze(self) -> None:
        faults = self.settings.faults
        await asyncio.sleep(faults.freeze_at)
        _log.warning("freezing on purpose", extra={"seconds": faults.freeze})
        time.sleep(faults.freeze)  # noqa: ASYNC251 - standing still is what is asked for

    def _mischief(self) -> Callable[[], None]:
        faults = self.settings.faults
        chance = faults.close_per_minute * MISCHIEF_S / 60.0
        dice = random.Random(faults.seed)

        def close_some() -> None:
            for connection in self.connections():
                if dice.random() < chance:
                    connection.eject(CloseCode.INTERNAL_ERROR, "closed on purpose")

        return close_some

    def _leak(self) -> Callable[[], None]:
        """Memory that is taken, written to, and never given back."""
        lost: list[bytes] = []
        size = int(self.settings.faults.leak * MISCHIEF_S)
        return lambda: lost.append(b"\1" * size)

    def _storm(self) -> Callable[[], None]:
        share = self.settings.faults.storm
        dice = random.Random(self.settings.faults.seed)

        def close_many() -> None:
            """As a server does that restarts: 1012, and whoever has it comes back."""
            connections = self.connections()
            for connection in dice.sample(connections, round(len(connections) * share)):
                connection.eject(CloseCode.SERVICE_RESTART, "restarting on purpose")

        return close_many


async def _every(period: float, work: Callable[[], None]) -> None:
    """Call `work` on an absolute schedule; what was missed in a freeze is not made up for."""
    loop = asyncio.get_running_loop()
    due = loop.time() + period
    while True:
        await asyncio.sleep(max(0.0, due - loop.time()))
        work()
        due += period * max(1, int((loop.time() - due) / period) + 1)
