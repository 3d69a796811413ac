"""Load from several hosts through OpenSSH, each host in a network of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest

pytest.importorskip("distributed")

from tests.cli.commands import gone
from tests.execution.running import Finished, balance
from tests.fleet import namespaces
from tests.fleet.hosts import HOME, family, nothing_left, on_hosts
from tests.servers.server import PATIENCE_S, Server, until
from wstui.execution.run.commands import DrainRun, RampTo
from wstui.execution.run.run import Run
from wstui.scenario.model import Scenario

_MISSING = namespaces.missing()
pytestmark = pytest.mark.skipif(bool(_MISSING), reason=_MISSING)

Hosts = tuple[list[namespaces.Namespace], Path]


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    with namespaces.hosts(tmp_path) as made, nothing_left(lambda: [p for kind in family().values() for p in kind]):
        yield made


def on(hosts: Hosts, url: str) -> Scenario:
    made = on_hosts(url, "host1", "host2:2")
    return made.model_copy(update={"fleet": made.fleet.model_copy(update={"ssh_config": str(hosts[1])})})


@contextlib.asynccontextmanager
async def servers(hosts: Hosts) -> AsyncIterator[Server]:
    """A target that every host reaches by its own wire."""
    async with Server(host="0.0.0.0") as server:
        server.host = hosts[0][0].here
        yield server


async def test_a_run_through_ssh_is_steered_survives_a_cut_and_leaves_nothing(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wstui.load.lease.LEASE_S", 3.0)
    monkeypatch.setattr("wstui.fleet.hosts.cluster.GIVEN_UP_S", 8.0)
    async with servers(hosts) as server:
        began = time.monotonic()
        run = Run(on(hosts, server.url))
        running = asyncio.create_task(run.execute())
        await until(lambda: running.done() or len(server.live) > 2)
        streaming_s = time.monotonic() - began
        await until(lambda: running.done() or run.status.counters.open == 20)
        assert not running.done(), running.result()
        everything = await whole(ssh=2, dask_worker=2, worker=3)
        began = time.monotonic()
        run.send(RampTo(9, 0.0))
        await until(lambda: len(server.live) == 9)
        steered_s = time.monotonic() - began
        away = [host.round_trip_ms for host in run.status.generator.hosts]
        assert all(ms is not None and ms < 10_000 for ms in away)
        run.send(RampTo(20, 0.1))
        await until(lambda: run.status.counters.open == 20)
        cut = hosts[0][1]
        far = {kind: [p for p in found if _netns(p.pid) == _netns_of(cut)] for kind, found in everything.items()}
        assert (len(far["dask_worker"]), len(far["worker"])) == (1, 2)
        assert not cut.listening(), "nothing listens there"
        began = time.monotonic()
        cut.cut()
        await until(lambda: _mark(run, "host2") == "stale")
        marked_s = time.monotonic() - began
        await until(lambda: gone([*far["dask_worker"], *far["worker"]]))
        ended_s = time.monotonic() - began
        await until(lambda: any("host2 lost: " in mark.text for mark in run.status.marks))
        known_s = time.monotonic() - began
        await until(lambda: run.status.counters.open == 7)
        assert _mark(run, "host1") in ("ok", "slow"), "a third of the clients are there, and stay"
        run.send(DrainRun())
        finished = Finished(run, await asyncio.wait_for(running, PATIENCE_S))
        balance(finished, complete=False)
        await until(lambda: gone([p for kind in everything.values() for p in kind]))
    print(
        f"both stream after {streaming_s:.2f} s; 20 → 9 clients in {1000 * steered_s:.0f} ms; a command and its "
        f"acknowledgement {max(ms or 0 for ms in away):.1f} ms; network cut: marked after {marked_s:.1f} s, "
        f"load and agent gone after {ended_s:.1f} s, given up after {known_s:.1f} s"
    )


async def test_a_network_that_is_cut_for_a_while_loses_no_load(hosts: Hosts) -> None:
    async with servers(hosts) as server:
        run = Run(on(hosts, server.url))
        running = asyncio.create_task(run.execute())
        await until(lambda: running.done() or run.status.counters.open == 20)
        assert not running.done(), running.result()
        hosts[0][1].cut()
        await until(lambda: _mark(run, "host2") == "stale")
        await asyncio.sleep(3)
        hosts[0][1].mend()
        await until(lambda: _mark(run, "host2") in ("ok", "slow"))
        run.send(DrainRun())
        finished = Finished(run, await asyncio.wait_for(running, PATIENCE_S))
    assert finished.result.generator.workers_lost == 0, finished.marks


async def test_nothing_outlives_an_operator_that_was_killed_behind_ssh(hosts: Hosts) -> None:
    async with servers(hosts) as server:
        words = [sys.executable, "-m", "tests.fleet.operator", server.url, "60", "1", "host1", "host2"]
        process = await asyncio.create_subprocess_exec(
            *words, cwd=HOME, env={**os.environ, "SSH_CONFIG": str(hosts[1])}
        )
        try:
            await until(lambda: len(server.live) == 20 and server.messages["ping"] > 20)
            everything = await whole(ssh=2, dask_worker=2, worker=2)
            began = time.monotonic()
            process.kill()
            await until(lambda: gone([p for kind in everything.values() for p in kind]))
            print(f"operator killed: no process left after {time.monotonic() - began:.2f} s")
            await until(lambda: server.ends == {"close 1000": 20})
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def whole(**wanted: int) -> dict[str, list[psutil.Process]]:
    """All processes, as soon as there are so many of each kind."""
    await until(lambda: {kind: len(found) for kind, found in family().items()} == wanted)
    return family()


def _mark(run: Run, name: str) -> str:
    return next(host.mark for host in run.status.generator.hosts if host.name == name)


def _netns(pid: int) -> int:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/ns/net").stat().st_ino
    return 0


def _netns_of(host: namespaces.Namespace) -> int:
    return Path("/run/netns", host.netns).stat().st_ino
