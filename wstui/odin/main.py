"""Runs the server or the publisher as a process: event loop, signals, open files, the line that says "ready"."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

from wstui.odin.nats_client import address
from wstui.odin.nats_server import Broker
from wstui.odin.publisher import Publisher, PublishPlan
from wstui.odin.server import OdinServer
from wstui.odin.server_settings import Settings
from wstui.odin.shared_limits import SharedLimits
from wstui.odin.shared_stats import StatsBoard
from wstui.odin.token import Verifier

NATS_WAIT_S = 3.0
FILES_SPARE = 128
_log = logging.getLogger("wstui.odin.server")


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run `main` in uvloop where there is one."""
    try:
        import uvloop
    except ImportError:
        factory = None
    else:
        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main)


async def serve(
    settings: Settings,
    verifier: Verifier | None,
    *,
    embedded_nats: bool = False,
    board: StatsBoard | None = None,
    shared: SharedLimits | None = None,
    worker: int = 0,
) -> None:
    """Serve until SIGTERM or SIGINT, which close every client first.

    Raises: OSError: the address can't be used; ProcessFailed: the embedded NATS did not start.
    """
    stop = stop_on_signals()
    async with AsyncExitStack() as stack:
        settings = await with_nats(stack, settings, embedded_nats)
        settings = replace(settings, limits=replace(settings.limits, sockets=open_files() - FILES_SPARE))
        server = await stack.enter_async_context(OdinServer(settings, verifier, board, shared, worker))
        if settings.nats_url and not await server.wait_for_nats(NATS_WAIT_S):
            _log.warning("NATS is not there yet; serving without it", extra={"url": address(settings.nats_url)})
        gc.collect()
        gc.freeze()
        _log.info("listening", extra={"host": settings.host, "port": server.port, "auth": settings.auth.value})
        announce(settings.host, server.port)
        await stop.wait()
        _log.info("shutting down", extra={"clients": len(server.hub.connections)})


async def with_nats(stack: AsyncExitStack, settings: Settings, embedded: bool) -> Settings:
    """The settings with a NATS of our own, started for as long as `stack` lives, when that is wanted."""
    if settings.nats_url:
        return settings
    if not embedded:
        _log.warning("running without NATS: nothing is relayed; set NATS_URL or use --embedded-nats")
        return settings
    broker = await stack.enter_async_context(Broker())
    _log.info("started NATS; feed it with: wstui publisher --nats-url %s", broker.url)
    return replace(settings, nats_url=broker.url)


async def publish(nats_url: str, plan: PublishPlan) -> None:
    """Publish until SIGTERM or SIGINT."""
    stop = stop_on_signals()
    publisher = Publisher(nats_url, plan)

    async def work() -> None:
        await publisher.connect()
        print(f"ready {address(nats_url)}", flush=True)
        await publisher.run()

    task = asyncio.create_task(work())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((task, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if task.done():
        task.result()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await publisher.close()
    _log.info("ended", extra={"published": publisher.published.total(), "skipped": publisher.skipped})


def announce(host: str, port: int) -> None:
    """Say on stdout that the server is ready, and where."""
    print(f"ready ws://{f'[{host}]' if ':' in host else host}:{port}/ws", flush=True)


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM or SIGINT sets; a second signal ends the process at once."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def on_signal(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, on_signal, number)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda received, _frame: loop.call_soon_threadsafe(on_signal, received))
    return stop


def open_files() -> int:
    """Raise the limit of open files as far as it goes, and return it."""
    if sys.platform == "win32":
        return 8192
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard if hard != resource.RLIM_INFINITY else max(soft, 1_048_576)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ValueError, OSError):  # some systems set a lower limit than they tell
        return soft
    return wanted
