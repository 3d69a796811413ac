"""A generator without an operator is an attack: however the operator's side ends, no load is left."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from tests.cli.commands import running
from tests.servers.server import PATIENCE_S, Server, until
from tests.servers.talk import Stubborn
from wstui.execution.run.result import Result
from wstui.report.analysis.diagnosis import findings

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


async def test_workers_leave_by_themselves_when_nothing_is_heard_of_the_operator_and_report_all_they_did(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LEASE", "2")
    async with Server() as server, operator(server, workers=2, hold=6) as process:
        process.send_signal(signal.SIGSTOP)
        await until(lambda: server.ends.total() == 20)
        assert server.ends == {"close 1000": 20}
        process.send_signal(signal.SIGCONT)
        result = await result_of(process)
        await until(lambda: not any(running(worker) for worker in process.workers))  # type: ignore[attr-defined]
    # The operator was away, and the load with it: the run does not pretend that it went on.
    assert not result["verdict"]["passed"]
    assert result["generator"]["workers_lost"] == 2
    marks = [event["text"] for event in result["events"] if event["kind"] == "worker"]
    for worker in (0, 1):
        words = "ended with status 1: no message from the operator for 2 s"
        assert any(mark.startswith(f"worker {worker} lost: {words}") for mark in marks), marks
    connections = result["connections"]
    assert connections["ready"] == connections["attempted"] == 20
    assert result["messages"]["sent"] == server.messages["ping"], "what was measured is not lost"


async def test_a_run_goes_on_when_its_operator_has_stood_still_and_says_so() -> None:
    async with Server() as server, operator(server, workers=2, hold=7) as process:
        process.send_signal(signal.SIGSTOP)
        pings = server.messages["ping"]
        await until(lambda: server.messages["ping"] > pings + 5 * 20 / 0.05)  # five seconds
        assert len(server.live) == 20
        process.send_signal(signal.SIGCONT)
        result = await result_of(process)
    assert result["verdict"]["passed"] and result["generator"]["workers_lost"] == 0
    assert result["messages"]["sent"] == server.messages["ping"]
    assert result["generator"]["operator_stalled_s"] > 4
    marks = [event["text"] for event in result["events"]]
    assert any(re.fullmatch(r"the operator's process stood still for \d+\.\d s; the load went on", m) for m in marks)
    assert not any("silent" in mark for mark in marks), "it was not the workers"
    # One row has what happened meanwhile; none says that nothing did.
    assert all(row["sent_per_s"] > 0 for row in result["timeline"] if row["stage"] == "hold"), result["timeline"]
    (finding,) = (found for found in findings(msgspec.convert(result, Result)) if found.cause == "operator")
    assert "the load went on" in finding.text


async def test_a_run_that_was_stopped_as_a_whole_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEASE", "1.5")
    async with Server() as server, operator(server, workers=2, hold=7) as process:
        everything = [*process.workers, process]  # type: ignore[attr-defined]
        for one in everything:
            one.send_signal(signal.SIGSTOP)  # as ctrl+z does, and a machine without CPU
        await asyncio.sleep(3)
        for one in everything:
            one.send_signal(signal.SIGCONT)
        result = await result_of(process)
    assert result["generator"]["workers_lost"] == 0, result["failures"]
    assert result["messages"]["sent"] == server.messages["ping"]


async def result_of(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    result: dict[str, Any] = json.loads(await asyncio.wait_for(process.stdout.read(), PATIENCE_S))
    return result
