"""Load from several boxes: real Dask workers on this machine, each behind an ssh connection of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

pytest.importorskip("distributed")

from tests.execution.running import Finished, balance
from tests.fleet.boxes import family, gone, on_boxes, use_fake_ssh
from tests.servers.server import Server, until
from wstui.execution.run import Run


@pytest.fixture(autouse=True)
def fake_ssh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_fake_ssh(monkeypatch, tmp_path)


async def test_a_run_on_two_boxes_is_steered_as_one_and_leaves_no_process() -> None:
    async with Server() as server:
        run = Run(on_boxes(server.url, "box1:2", "box2"))
        running = asyncio.create_task(run.execute())
        await until(lambda: run.status.counters.open == 20 and server.messages["ping"] > 50)
        everything = [process for kind in family().values() for process in kind]
        assert {kind: len(found) for kind, found in family().items()} == {"ssh": 2, "worker": 2, "shard": 3}
        for process in everything:
            for connection in process.net_connections("inet"):
                assert connection.status != "LISTEN" or connection.laddr.ip == "127.0.0.1", "no port in any network"
        run.ramp(8, 0.2)
        await until(lambda: run.status.counters.open == 8)
        run.pause()
        await until(lambda: run.status.state == "paused")
        run.resume()
        run.drain()
        finished = Finished(run, await asyncio.wait_for(running, 20))
    balance(finished)
    assert finished.result.generator.shards == 3 and finished.result.generator.shards_lost == 0
    assert server.ends == {"close 1000": 20}
    assert gone(everything)
