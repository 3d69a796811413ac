"""Hosts for tests: real Dask workers on this machine, each behind an ssh that only goes here."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.execution.running import scenario
from wstui.scenario.model import Scenario

HOME = Path(__file__).parents[2]
BEGIN_S = 180.0
"""A run that can't begin ends by its own limits: 20 s to look at hosts, 60 s for Dask's workers, 60 s for ours."""


def use_fake_ssh(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """From now on ssh, docker and kubectl go to this machine."""
    # It takes the standard library only, and starts twice as fast without anything else.
    program = Path(__file__).with_name("fake_remote_tools.py")
    for tool in ("ssh", "docker", "kubectl"):
        path = folder / tool
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S -P "{program}" {tool} "$@"\n')
        path.chmod(0o755)
    patch.setenv("WSTUI_SSH", str(folder / "ssh"))
    patch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    patch.setenv("WSTUI_FAKE_PODS", str(folder / "pods"))


def on_hosts(url: str, *hosts: str, **options: Any) -> Scenario:
    """A short scenario whose load these hosts make."""
    made = scenario(url, **{"clients": 20, "hold": 60.0, "every": 0.05, "workers": 1, **options})
    fleet = made.fleet.model_copy(update={"hosts": list(hosts), "python": sys.executable})
    return made.model_copy(update={"fleet": fleet})


def family(of: int | None = None) -> dict[str, list[psutil.Process]]:
    """The processes below this one (or another) that make load or lead there: ssh, worker, worker."""
    found: dict[str, list[psutil.Process]] = {"ssh": [], "dask_worker": [], "worker": []}
    for process in psutil.Process(of).children(recursive=True):
        if (kind := _kind(process)) is not None:
            found[kind].append(process)
    return found


def _kind(process: psutil.Process) -> str | None:
    with contextlib.suppress(psutil.Error):
        line = " ".join(process.cmdline())
        if process.name() == "ssh":
            return "ssh"
        for kind, words in (
            ("ssh", "fake_remote_tools.py"),
            ("dask_worker", "wstui.fleet.hosts.remote_main work"),
            ("dask_worker", "distributed.cli.dask_worker"),
            ("worker", "-m wstui.load"),
        ):
            if words in line:
                return kind
    return None


def use_scratch_folder(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """Let every process keep its temporary files in a folder of the test; return it."""
    scratch = folder / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return scratch


async def listening(processes: list[psutil.Process]) -> list[Any]:
    """Where any of them listens. It reads all sockets of the machine, which may take longer than a lease holds."""

    def look() -> list[Any]:
        seen = [found for process in processes for found in process.net_connections("inet")]
        return [found.laddr for found in seen if found.status == psutil.CONN_LISTEN]

    return await asyncio.to_thread(look)


@contextlib.contextmanager
def nothing_left(members: Callable[[], list[psutil.Process]]) -> Iterator[None]:
    """Ends, at the end of the block, whatever is left of these."""
    try:
        yield
    finally:
        for process in members():
            with contextlib.suppress(psutil.Error):
                process.kill()
