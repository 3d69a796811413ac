"""A generator without an operator is an attack: however the operator's side ends, no load is left."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from tests.cli.commands import running
from tests.servers.server import PATIENCE_S, Server, until
from tests.servers.talk import Stubborn

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")
HOME = Path(__file__).parents[2]


@contextlib.asynccontextmanager
async def operator(server: Server, *, workers: int, hold: float = 60) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that runs a scenario against `server`; all that belongs to it is gone afterwards."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.fleet.operator",
        server.url,
        str(hold),
        str(workers),
        stdout=asyncio.subprocess.PIPE,
        cwd=HOME,
    )
    family = psutil.Process(process.pid)
    children: list[psutil.Process] = []
    try:
        await until(lambda: len(server.live) == 20 and server.messages["ping"] > 20)
        children = family.children(recursive=True)
        process.workers = [child for child in children if "wstui.load" in child.cmdline()]  # type: ignore[attr-defined]
        assert len(process.workers) == workers  # type: ignore[attr-defined]
        yield process
    finally:
        for left in [family, *children]:
            with contextlib.suppress(psutil.NoSuchProcess):
                left.kill()
        await process.wait()


async def test_no_worker_outlives_an_operator_that_was_killed() -> None:
    async with Server() as server, operator(server, workers=2) as process:
        process.kill()
        await until(lambda: not any(running(worker) for worker in process.workers))  # type: ignore[attr-defined]
        await until(lambda: server.ends.total() == 20)
        assert server.ends == {"close 1000": 20}, "the target is left in order"


async def test_no_worker_outlives_its_operator_though_the_target_ignores_closes() -> None:
    async with Stubborn() as server, operator(server, workers=1) as process:
        process.kill()
        await until(lambda: not any(running(worker) for worker in process.workers))  # type: ignore[attr-defined]
        await until(lambda: not server.live)


async def test_workers_leave_by_themselves_when_nothing_is_heard_of_the_operator() -> None:
    async with Server() as server, operator(server, workers=2, hold=8) as process:
        process.send_signal(signal.SIGSTOP)
        await until(lambda: not any(running(worker) for worker in process.workers))  # type: ignore[attr-defined]
        await until(lambda: server.ends.total() == 20)
        assert server.ends == {"close 1000": 20}
        process.send_signal(signal.SIGCONT)
        assert process.stdout is not None
        result = json.loads(await asyncio.wait_for(process.stdout.read(), PATIENCE_S))
        # The operator was away, and the load with it: the run does not pretend that it went on.
        assert not result["verdict"]["passed"]
        assert result["generator"]["workers_lost"] == 2
        marks = [event["text"] for event in result["events"] if event["kind"] == "worker"]
        for worker in (0, 1):
            words = "ended with status 1: no message from the operator for 3 s"
            assert any(mark.startswith(f"worker {worker} lost: {words}; ") for mark in marks)
        connections = result["connections"]
        assert connections["ready"] == connections["attempted"] == 20
