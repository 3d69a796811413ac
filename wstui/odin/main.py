"""Runs the server or the publisher as a process: event loop, signals, open files, the line that says "ready"."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from contextlib import AsyncExitStack
from dataclasses import replace

from wstui.odin.nats_client import redact_url
from wstui.odin.nats_server import NatsServer
from wstui.odin.publisher import Publisher, PublishPlan
from wstui.odin.server import OdinServer
from wstui.odin.server_settings import ServerSettings
from wstui.odin.token import Verifier

NATS_WAIT_S = 3.0
FILES_SPARE = 128
_log = logging.getLogger("wstui.odin.server")


async def serve(settings: ServerSettings, verifier: Verifier | None, *, embedded_nats: bool = False) -> None:
    """Serve until SIGTERM or SIGINT, then close every client.

    Raises: OSError: the address can't be used; ProcessFailed: the embedded NATS did not start.
    """
    stop = _stop_on_signals()
    async with AsyncExitStack() as stack:
        if not settings.nats_url and embedded_nats:
            nats = await stack.enter_async_context(NatsServer())
            _log.info("started NATS; feed it with: wstui publisher --nats-url %s", nats.url)
            settings = replace(settings, nats_url=nats.url)
        elif not settings.nats_url:
            _log.warning("running without NATS: nothing is relayed; set NATS_URL or use --embedded-nats")
        settings = replace(settings, limits=replace(settings.limits, sockets=open_files() - FILES_SPARE))
        server = await stack.enter_async_context(OdinServer(settings, verifier))
        if settings.nats_url and not await server.wait_for_nats(NATS_WAIT_S):
            _log.warning("NATS is not reachable yet; serving without it", extra={"url": redact_url(settings.nats_url)})
        gc.collect()
        gc.freeze()
        _log.info("listening", extra={"host": settings.host, "port": server.port, "auth": settings.auth.value})
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        print(f"ready ws://{host}:{server.port}/ws", flush=True)
        await stop.wait()
        _log.info("shutting down", extra={"clients": len(server.hub.connections)})


async def publish(nats_url: str, plan: PublishPlan) -> None:
    """Publish until SIGTERM or SIGINT."""
    stop = _stop_on_signals()
    publisher = Publisher(nats_url, plan)

    async def work() -> None:
        await publisher.connect()
        print(f"ready {redact_url(nats_url)}", flush=True)
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


def _stop_on_signals() -> asyncio.Event:
    """Return an event that SIGTERM or SIGINT sets; a second signal ends the process at once."""
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
    """Raise the limit of open files as far as allowed, and return it."""
    if sys.platform == "win32":
        return 8192
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard if hard != resource.RLIM_INFINITY else max(soft, 1_048_576)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ValueError, OSError):  # some systems enforce a lower limit than they report
        return soft
    return wanted
