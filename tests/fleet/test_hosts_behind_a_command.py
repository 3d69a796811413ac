"""Hosts behind a command of the user's own: `ip netns exec`, each host in a network of its own."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Iterator

import psutil
import pytest

pytest.importorskip("distributed")

from tests.cli.commands import gone
from tests.execution.running import Finished, balance
from tests.fleet import namespaces
from tests.fleet.hosts import BEGIN_S, family, listening, nothing_left, on_hosts
from tests.servers.server import PATIENCE_S, Server, until
from wstui.execution.run.commands import AbortRun, DrainRun
from wstui.execution.run.run import Run

_MISSING = namespaces.missing(ssh=False)
pytestmark = pytest.mark.skipif(bool(_MISSING), reason=_MISSING)


@pytest.fixture
def hosts() -> Iterator[list[namespaces.Namespace]]:
    with namespaces.networks(2) as made, nothing_left(lambda: [p for kind in family().values() for p in kind]):
        yield made


@contextlib.asynccontextmanager
async def going(hosts: list[namespaces.Namespace]) -> AsyncIterator[tuple[Server, Run, asyncio.Task[object]]]:
    """A run on both, with 20 clients that are all there; afterwards nothing of it is."""
    async with Server(host="0.0.0.0") as server:
        server.host = hosts[0].here
        run = Run(on_hosts(server.url, *(f"exec:ip netns exec {host.netns}" for host in hosts)))
        running: asyncio.Task[object] = asyncio.create_task(run.execute())
        await until(lambda: running.done() or run.status.counters.open == 20, BEGIN_S)
        assert not running.done(), running.result()
        everything = [process for kind in family().values() for process in kind]
        yield server, run, running
        run.send(AbortRun())
        await asyncio.wait({running}, timeout=PATIENCE_S)
        await until(lambda: gone(everything))


async def test_the_load_comes_from_the_networks_and_leaves_nothing(hosts: list[namespaces.Namespace]) -> None:
    async with going(hosts) as (server, run, running):
        assert not await listening(inside(hosts[0]) + inside(hosts[1]))
        assert {len(inside(host)) for host in hosts} == {2}, "an agent and a worker in each"
        run.send(DrainRun())
        balance(Finished(run, await asyncio.wait_for(running, PATIENCE_S)))  # type: ignore[arg-type]
        await until(lambda: not inside(hosts[0]) and not inside(hosts[1]))
        assert server.ends == {"close 1000": 20}


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_command_that_is_killed_or_hangs_ends_the_load_behind_it(
    hosts: list[namespaces.Namespace], how: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with going(hosts) as (server, run, _):
        monkeypatch.setattr("wstui.fleet.hosts.cluster.GIVEN_UP_S", 8.0)
        (agent,) = (process for process in family()["dask_worker"] if process in inside(hosts[1]))
        agent.send_signal(how)
        name = f"ip netns exec {hosts[1].netns}"
        await until(lambda: any(mark.text.startswith(f"{name} lost: ") for mark in run.status.marks))
        await until(lambda: sum(server.ends.values()) >= 10)
        assert server.ends == {"close 1000": 10}
        await until(lambda: not inside(hosts[1]))
        await until(lambda: run.status.counters.open == len(server.live) == 10)


async def test_a_host_that_is_cut_off_from_the_target_says_so_and_is_still_led(
    hosts: list[namespaces.Namespace],
) -> None:
    async with going(hosts) as (server, run, running):
        hosts[1].cut()
        await until(lambda: run.status.counters.reply_timeouts > 0)
        assert [host.mark for host in run.status.generator.hosts if host.mark in ("stale", "lost")] == []
        run.send(DrainRun())
        balance(Finished(run, await asyncio.wait_for(running, PATIENCE_S)), complete=False)  # type: ignore[arg-type]
        await until(lambda: not inside(hosts[1]))
        assert server.ends["close 1000"] == 10


def inside(host: namespaces.Namespace) -> list[psutil.Process]:
    """All processes of a network."""
    return [psutil.Process(pid) for pid in host.pids()]
