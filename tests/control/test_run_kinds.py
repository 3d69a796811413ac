"""Runs of each kind serve a control socket, and nothing on a network."""

from __future__ import annotations

import asyncio
import contextlib

import psutil
import pytest

from tests.cli.commands import gone, start
from tests.control.served import mode
from tests.control.test_ctl import LOAD, ctl
from tests.servers.server import Server, until
from wstui.control import registry

SEARCH = ("--breakpoint-of", "clients", "--start", "5", "--most", "50")


def listens(process: psutil.Process) -> list[object]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return [seen.laddr for seen in process.net_connections("inet") if seen.status == "LISTEN"]
    return []


@pytest.mark.parametrize(
    ("given", "opens"),
    [
        (("run", "quick", "quick", "--cooldown", "0s"), 10),
        (("run", "quick", *SEARCH), 5),
        (("demo", "--headless"), 0),
    ],
    ids=["suite", "search", "demo"],
)
async def test_a_run_of_each_kind_is_steered_over_its_socket(given: tuple[str, ...], opens: int) -> None:
    async with Server() as server:
        url = ("--url", server.url) if opens else ()
        process = start(*given, *url, *LOAD, "--no-thresholds", "--allow-limited", "--no-store")
        family = [psutil.Process(process.pid)]
        try:
            await until(lambda: any(entry.pid == process.pid for entry in registry.entries()))
            (entry,) = [entry for entry in registry.entries() if entry.pid == process.pid]
            assert mode(entry.socket) == 0o600
            await until(lambda: len(server.live) >= opens)
            family += family[0].children(recursive=True)
            asked = listens(family[0])
            asked += [at for child in family[1:] if "wstui.load" in " ".join(child.cmdline()) for at in listens(child)]
            assert asked == []
            status, out, err = await ctl(entry.id, "status")
            assert status == 0 and entry.id in out, err
            status, out, err = await ctl(entry.id, "abort")
            assert status == 0 and "every connection is dropped" in out, err
            await until(lambda: process.poll() is not None)
        finally:
            if process.poll() is None:
                process.kill()
            await asyncio.to_thread(process.communicate)
        await until(lambda: gone(family))
