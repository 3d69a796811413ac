"""Several server processes that share one port: the kernel spreads the connections over them (SO_REUSEPORT)."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import msgspec

from wstui.odin.logs import set_up_logs
from wstui.odin.main import announce, run, serve, stop_on_signals, with_nats
from wstui.odin.server_settings import AuthMode, Settings
from wstui.odin.shared_limits import SharedLimits
from wstui.odin.shared_stats import StatsBoard
from wstui.odin.token import make_verifier
from wstui.servers.child_process import ChildProcess, ProcessFailed

START_TIMEOUT_S = 60.0
STOP_SPARE_S = 2.0
_ORDER = "WSTUI_ODIN_WORKER"
_log = logging.getLogger("wstui.odin.server")


class Order(msgspec.Struct, frozen=True):
    """What a worker is told, in its environment. The secret is not in it but in JWT_SECRET."""

    settings: Settings
    worker: int
    workers: int
    board: int  # file descriptor
    shared: int  # file descriptor
    log_level: str
    log_json: bool


async def serve_with_workers(
    settings: Settings, secret: str, workers: int, *, embedded_nats: bool, log_level: str, log_json: bool
) -> None:
    """Start the workers, wait until all are ready, and end them on SIGTERM or SIGINT.

    They keep the limits for all clients together.
    Raises: OSError: the address can't be used; ProcessFailed: a worker did not start, or ended by itself.
    """
    if not hasattr(socket, "SO_REUSEPORT"):
        raise ProcessFailed("several workers need SO_REUSEPORT, which this system lacks; use --workers 1")
    stop = stop_on_signals()
    async with AsyncExitStack() as stack:
        settings = await with_nats(stack, settings, embedded_nats)
        # Bound but not listening: it holds the port until the workers have it, and takes no connection.
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        holder = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind((settings.host, settings.port))
        port: int = holder.getsockname()[1]
        limits = replace(settings.limits, handshakes=max(1, settings.limits.handshakes // workers))
        settings = replace(settings, port=port, reuse_port=True, limits=limits)
        board = StatsBoard.create(workers)
        stack.callback(board.close)
        shared = SharedLimits.create()
        stack.callback(shared.close)
        team = [
            _worker(Order(settings, number, workers, board.descriptor, shared.descriptor, log_level, log_json), secret)
            for number in range(workers)
        ]
        for worker in team:
            stack.push_async_callback(worker.stop, settings.timing.drain + STOP_SPARE_S)
        await asyncio.gather(*(worker.start(START_TIMEOUT_S) for worker in team))
        announce(settings.host, port)
        stopping = asyncio.create_task(stop.wait())
        ended = [asyncio.create_task(worker.wait()) for worker in team]
        await asyncio.wait((stopping, *ended), return_when=asyncio.FIRST_COMPLETED)
        for task in (stopping, *ended):
            task.cancel()
        if not stop.is_set():
            lost = [worker.name for worker in team if not worker.running]
            raise ProcessFailed(f"{', '.join(lost)} ended by itself")
        await asyncio.gather(*(worker.stop(settings.timing.drain + STOP_SPARE_S) for worker in team))


def _worker(order: Order, secret: str) -> ChildProcess:
    packages = str(Path(__file__).resolve().parents[2])
    environment = {
        **os.environ,
        _ORDER: msgspec.json.encode(order).decode(),
        "JWT_SECRET": secret,
        "PYTHONPATH": os.pathsep.join(filter(None, (packages, os.environ.get("PYTHONPATH")))),
    }
    return ChildProcess(
        f"worker {order.worker}",
        [sys.executable, "-P", "-c", "from wstui.odin.workers import main; main()"],
        ready=r"^ready ",
        environment=environment,
        descriptors=(order.board, order.shared),
        pass_on=sys.stderr,
    )


def main() -> None:
    """A worker process."""
    order = msgspec.json.decode(os.environ.pop(_ORDER), type=Order)
    secret = os.environ.pop("JWT_SECRET", "")
    set_up_logs(order.log_level, order.log_json, worker=order.worker)
    verifier = None if order.settings.auth is AuthMode.OFF else make_verifier(order.settings.public_key, secret)
    board = StatsBoard(order.board, order.workers)
    shared = SharedLimits(order.shared)
    run(serve(order.settings, verifier, board=board, shared=shared, worker=order.worker))
