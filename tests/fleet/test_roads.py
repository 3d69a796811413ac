"""Load from containers, pods and commands of the user's own: the same agent and lease as by ssh."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from pathlib import Path

import pytest

pytest.importorskip("distributed")

from tests.execution.running import Finished, balance
from tests.fleet.hosts import gone, listening, on_hosts, use_fake_ssh
from tests.fleet.test_cluster import going
from tests.servers.server import PATIENCE_S, Server, until
from wstui.execution.preflight.checklist import CheckMark
from wstui.execution.preflight.preflight import preflight
from wstui.execution.run.commands import DrainRun, RampTo, Redistribute
from wstui.execution.run.run import Run
from wstui.fleet.hosts.road import AT_ONCE, a_few_at_once
from wstui.fleet.transport import FleetError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")
PODS = "k8s:load/app=load:1"


@pytest.fixture(autouse=True)
def running(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The file with the running containers and pods."""
    use_fake_ssh(monkeypatch, tmp_path)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr(tempfile, "tempdir", None)
    (tmp_path / "pods").write_text("box1 pod1 pod2 starting!")
    return tmp_path / "pods"


async def test_a_container_pods_and_a_command_make_one_load_and_leave_nothing(running: Path) -> None:
    running.write_text("box1")
    async with Server() as server:
        found = {check.name: check async for check in preflight([on_hosts(server.url, "docker:box1", "docker:box2")])}
        assert found["box1 docker"].mark is CheckMark.PASS and found["box1 target"].mark is CheckMark.PASS
        assert (
            "is not a container here; look at `docker ps`" in f"{found['box2 docker'].text}; {found['box2 docker'].fix}"
        )
        running.write_text("box1 pod1 starting!")
        command = "env WSTUI_ROAD=own"
        async with going(server, "docker:box1:2", PODS, f"exec:{command}") as it:
            hosts = {host.name: host.workers for host in it.run.status.generator.hosts}
            assert hosts == {"box1": 2, "pod1": 1, command: 1}, "a pod that is not ready makes no load"
            assert not await listening(it.all)
            assert not list((running.parent / "scratch").iterdir())
            it.run.send(RampTo(8, 0.2))
            await until(lambda: len(server.live) == 8)
            it.run.send(DrainRun())
            balance(Finished(it.run, await asyncio.wait_for(it.running, PATIENCE_S)))
            await until(lambda: not server.live)
            assert set(server.ends) == {"close 1000"}


async def test_a_pod_that_goes_is_a_lost_host_and_a_pod_that_comes_takes_its_load_over(
    running: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wstui.fleet.fleet.SURELY_GONE_S", 0.5)
    monkeypatch.setattr("wstui.fleet.hosts.cluster.JOINS_S", 0.2)
    async with Server() as server, going(server, PODS) as it:
        lost = it.of("pod2")
        for process in lost:
            if process in it.dask_worker or process in it.worker:
                process.kill()  # as when a pod is deleted
        await until(lambda: "pod2 lost: kubectl ended with status" in it.marks)
        running.write_text("pod1 pod3 old4")
        await until(lambda: "pod3 joined: it can take over lost load" in it.marks)
        assert it.host("pod3") == "ok" and "pod1 joined" not in it.marks
        await until(lambda: "old4 can't join: has wstui 0.0.1, needs" in it.marks)
        assert it.host("old4") == "lost"
        await until(lambda: len(server.live) == 10)
        it.run.send(Redistribute())
        await until(lambda: it.run.status.counters.open == 20 and len(server.live) == 20)
        assert "1 new worker on pod3 took over" in it.marks
        it.run.send(DrainRun())
        balance(Finished(it.run, await asyncio.wait_for(it.running, PATIENCE_S)), complete=False)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize(("hosts", "names"), [([PODS], "pod1 pod2"), (["docker:box1", "docker:box2"], "box1 box2")])
async def test_a_road_that_is_cut_or_hangs_ends_the_load_behind_it(
    running: Path, hosts: list[str], names: str, how: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.write_text(names)
    one, other = names.split()
    monkeypatch.setattr("wstui.fleet.hosts.cluster.GIVEN_UP_S", 5.0)
    async with Server() as server, going(server, *hosts) as it:
        of_one = it.of(one)
        (tool,) = (process for process in of_one if process in it.ssh)
        tool.send_signal(how)
        await until(lambda: it.host(one) == "lost")
        await until(lambda: gone([process for process in of_one if process != tool]))
        await until(lambda: server.ends == {"close 1000": 10})
        assert it.is_there(other)


async def test_a_road_that_carries_nothing_for_a_while_loses_no_load(running: Path) -> None:
    running.write_text("pod1 pod2")
    async with Server() as server, going(server, PODS) as it:
        (tool,) = (process for process in it.of("pod2") if process in it.ssh)
        tool.suspend()
        pings = server.messages["ping"]
        await until(lambda: server.messages["ping"] > pings + 4 * 20 / 0.05)  # four seconds
        assert it.host("pod2") == "stale" and len(server.live) == 20
        tool.resume()
        await until(lambda: it.is_there("pod2"))
        it.run.send(DrainRun())
        finished = Finished(it.run, await asyncio.wait_for(it.running, PATIENCE_S))
    balance(finished)
    assert finished.result.generator.workers_lost == 0 and finished.counters.sent == server.messages["ping"]


@pytest.mark.parametrize(("host", "name"), [("docker:box1", "box1"), (PODS, "pod1")])
async def test_a_slow_road_is_marked_and_carries_the_load(
    running: Path, host: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.write_text(name)
    monkeypatch.setenv("WSTUI_FAKE_DELAY", "0.2")
    async with Server() as server, going(server, host) as it:
        await until(lambda: it.host(name) == "slow")
        sent = server.messages["ping"]
        await until(lambda: server.messages["ping"] > sent + 100)
        it.run.send(DrainRun())
        balance(Finished(it.run, await asyncio.wait_for(it.running, PATIENCE_S)))


async def test_many_hosts_are_begun_a_few_at_a_time() -> None:
    under_way = most = 0

    async def begin(number: int) -> int:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return number

    assert await a_few_at_once(begin, range(100)) == list(range(100))
    assert most == AT_ONCE < 100


@pytest.mark.parametrize("host", ["docker:box1", "k8s:load/app=load"])
async def test_a_container_without_wstui_is_told_what_to_install(running: Path, host: str) -> None:
    made = on_hosts("ws://127.0.0.1:1/", host)
    made = made.model_copy(update={"fleet": made.fleet.model_copy(update={"python": "/nowhere/python"})})
    with pytest.raises(FleetError, match=r"has no wstui that can make load under /nowhere/python .*install it there"):
        await Run(made).execute()


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("docker:nobody", "nobody is not a container here; look at `docker ps`"),
        (PODS, "no pod is running and ready: k8s:load/app=load:1"),
        ("exec:/nowhere/enter", "/nowhere/enter can't be started: No such file or directory; correct the command"),
        ("exec:sh -c 'echo broken >&2; exit 3'", "exit 3': its command ended with status 3: broken"),
        ("exec:true", "exec:true ended what it was to run"),
    ],
)
async def test_a_road_that_leads_nowhere_is_named_with_its_fix(running: Path, host: str, words: str) -> None:
    running.write_text("")
    with pytest.raises(FleetError) as caught:
        await Run(on_hosts("ws://127.0.0.1:1/", host)).execute()
    assert words.removeprefix("exec:") in str(caught.value)


async def test_a_kubectl_that_lists_no_pods_is_told_with_what_it_printed(tmp_path: Path) -> None:
    (tmp_path / "kubectl").write_text("#!/bin/sh\necho A new version is there\n")
    with pytest.raises(FleetError, match="kubectl printed no list of pods, but A new version is there"):
        await Run(on_hosts("ws://127.0.0.1:1/", PODS)).execute()
