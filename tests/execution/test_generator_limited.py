"""When the generator is starved on purpose, the report blames the generator and not the server."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from wstui.odin.demo import DemoTarget

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
    program: tuple[str, ...] = ("-m", "wstui"),
    cores: set[int] | None = None,
) -> tuple[int, dict[str, Any]]:
    """`wstui run quick` as a process of its own; its exit status and result."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *program,
        *("run", "quick", "--json", str(report), "--no-store", "-q", "--health", "off", *options),
        env={**os.environ, "WS_URL": target.ws_url, "AUTH_TOKEN": target.token},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=(lambda: os.sched_setaffinity(0, cores)) if cores else None,
    )
    out, _ = await process.communicate()
    assert report.exists(), out.decode()
    assert process.returncode is not None
    return process.returncode, json.loads(report.read_text())


@contextmanager
def busy(core: int, processes: int) -> Iterator[None]:
    """Processes that do nothing but compute, all on one core."""
    burn = f"import os\nos.sched_setaffinity(0, {{{core}}})\nwhile True: pass"
    started = [subprocess.Popen([sys.executable, "-c", burn]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux's CPU affinity")
async def test_a_shard_without_cpu_is_the_limit(tmp_path: Path) -> None:
    core = min(os.sched_getaffinity(0))
    async with DemoTarget() as target:
        with busy(core, 8):
            _, result = await run_wstui(
                target, tmp_path / "result.json",
                *("--clients", "100", "--ramp", "1s", "--hold", "4s", "--every", "5ms", "--no-thresholds"),
                cores={core},
            )  # fmt: skip
    assert result["verdict"]["generator_limited"]
    assert any("late" in reason or "CPU" in reason for reason in result["generator"]["limited_by"])
    assert "generator" in result["verdict"]["reason"]


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
