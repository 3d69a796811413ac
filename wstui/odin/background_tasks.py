"""Periodic work of the server: heartbeats, dead peers, its own figures, and faults injected on purpose."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine
from typing import Any

import psutil
from websockets.frames import CloseCode

from wstui.odin import odin_messages
from wstui.odin.hub import Hub
from wstui.odin.server_settings import ServerSettings
from wstui.odin.stats import Stats

FIGURES_S = 0.5
REFUSALS_S = 10.0
FAULTS_S = 0.5
_log = logging.getLogger("wstui.odin.server")


def background_tasks(settings: ServerSettings, stats: Stats, hub: Hub) -> list[Coroutine[Any, Any, None]]:
    """Return all of it; each runs until it is cancelled."""
    timing, faults = settings.timing, settings.faults

    def send_heartbeat() -> None:
        idle_ms = odin_messages.now_ms() - hub.last_relay_ms
        hub.broadcast(odin_messages.heartbeat(len(hub.connections), idle_ms))

    def check_dead_peers() -> None:
        """Drop a peer that was silent since the last check, got a ping, and was silent again."""
        for connection in list(hub.connections):
            if connection.heard:
                connection.heard = connection.pinged = False
            elif not connection.pinged:
                connection.pinged = True
                connection.ping()
            else:
                stats.dead_peers += 1
                connection.abort()

    tasks = [
        _every(timing.heartbeat, send_heartbeat),
        _every(timing.dead_peer / 2, check_dead_peers),
        _every(FIGURES_S, _process_figures(stats)),
        _every(REFUSALS_S, _log_refusals(stats)),
    ]
    dice = random.Random(faults.seed)

    def close_many() -> None:
        """Close as a restarting server does: with 1012, after which clients reconnect."""
        connections = list(hub.connections)
        for connection in dice.sample(connections, round(len(connections) * faults.storm)):
            connection.eject(CloseCode.SERVICE_RESTART, "restarting on purpose")

    async def freeze() -> None:
        await asyncio.sleep(faults.freeze_at)
        _log.warning("freezing on purpose", extra={"seconds": faults.freeze})
        time.sleep(faults.freeze)  # noqa: ASYNC251 - blocking the loop is what is asked for

    leaked: list[bytes] = []
    if faults.freeze > 0:
        tasks.append(freeze())
    if faults.close_per_minute > 0:
        tasks.append(_every(FAULTS_S, lambda: close_some(hub, faults.close_per_minute, dice)))
    if faults.leak > 0:
        # Memory that is written to, so that it is resident, and never released.
        tasks.append(_every(FAULTS_S, lambda: leaked.append(b"\1" * int(faults.leak * FAULTS_S))))
    if faults.storm > 0 and faults.storm_every > 0:
        tasks.append(_every(faults.storm_every, close_many))
    return tasks


def close_some(hub: Hub, share_per_minute: float, dice: random.Random) -> None:
    """Close a random share of the clients; called every `FAULTS_S`."""
    for connection in list(hub.connections):
        if dice.random() < share_per_minute * FAULTS_S / 60.0:
            connection.eject(CloseCode.INTERNAL_ERROR, "closed on purpose")


def _process_figures(stats: Stats) -> Callable[[], None]:
    process = psutil.Process()
    process.cpu_percent()

    def update() -> None:
        with process.oneshot():
            stats.process = {
                "pid": process.pid,
                "cpuPercent": process.cpu_percent(),
                "rssBytes": process.memory_info().rss,
                "openFiles": process.num_fds() if psutil.POSIX else None,
            }

    update()
    return update


def _log_refusals(stats: Stats) -> Callable[[], None]:
    """Log one line for all clients refused lately: a flood must not flood the log."""
    known: dict[str, int] = {}

    def log_new() -> None:
        now = {**stats.refused, **stats.ejected}
        if fresh := {reason: more for reason, count in now.items() if (more := count - known.get(reason, 0))}:
            known.update(now)
            _log.warning("clients refused or ejected", extra={"reasons": fresh, "seconds": REFUSALS_S})

    return log_new


async def _every(period: float, work: Callable[[], None]) -> None:
    """Call `work` on an absolute schedule; what a freeze made it miss is skipped."""
    loop = asyncio.get_running_loop()
    due = loop.time() + period
    while True:
        await asyncio.sleep(max(0.0, due - loop.time()))
        work()
        due += period * max(1, int((loop.time() - due) / period) + 1)
