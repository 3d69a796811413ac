"""When the generator is starved on purpose, the report blames the generator and not the server."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.execution.running import scenario
from tests.servers.server import Server, until
from wstui.execution.run.commands import CompletePlan
from wstui.execution.run.run import Run
from wstui.fleet.local import LocalTransport
from wstui.odin.demo_system import DemoTarget

LIMIT_FILES = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
sys.argv = ["wstui", *sys.argv[1:]]
from wstui.cli import main
main()
"""


async def run_wstui(
    target: DemoTarget,
    report: Path,
    *options: str,
    program: tuple[str, ...],
) -> tuple[int, dict[str, Any]]:
    """`wstui run quick` as a process of its own; its exit status and result."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *program,
        *("run", "quick", "--json", str(report), "--no-store", "-q", "--health", "off", *options),
        env={**os.environ, "WS_URL": target.ws_url, "AUTH_TOKEN": target.token},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    assert report.exists(), out.decode()
    assert process.returncode is not None
    return process.returncode, json.loads(report.read_text())


async def starve(pid: int) -> None:
    """Let a process have a quarter of the time, as on a machine where others take the rest."""
    try:
        while True:
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(0.15)
            os.kill(pid, signal.SIGCONT)
            await asyncio.sleep(0.05)
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
async def test_a_worker_without_cpu_is_the_limit() -> None:
    transport = LocalTransport()
    async with Server() as server:
        run = Run(scenario(server.url, clients=50, hold=120, every=0.02), transport=transport)
        running = asyncio.create_task(run.execute())
        await until(lambda: run.status.counters.open == 50)
        starving = asyncio.create_task(starve(transport.pid(0)))
        await until(lambda: run.status.generator.limited_by)
        starving.cancel()
        run.send(CompletePlan())
        result = await running
    assert result.verdict.generator_limited
    assert any("late" in reason or "CPU" in reason for reason in result.generator.limited_by)
    assert "generator" in result.verdict.reason


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit of open files")
async def test_a_low_limit_of_open_files_is_no_fault_of_the_server(tmp_path: Path) -> None:
    async with DemoTarget() as target:
        status, result = await run_wstui(
            target, tmp_path / "result.json",
            *("--clients", "200", "--ramp", "1s", "--hold", "1s"),
            program=("-c", LIMIT_FILES),
        )  # fmt: skip
    assert status == 1
    assert result["verdict"]["generator_limited"]
    assert "the generator was the limit" in result["verdict"]["reason"]
    assert any("file descriptor" in reason for reason in result["generator"]["limited_by"])
    local = [failure for failure in result["failures"] if failure["local"]]
    assert sum(failure["count"] for failure in local) == result["connections"]["failed"] > 50
    connections = result["connections"]
    assert connections["attempted"] == sum(
        connections[outcome] for outcome in ("ready", "refused", "timed_out", "failed", "drained")
    )
