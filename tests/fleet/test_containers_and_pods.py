"""Load from containers, pods and commands of the user's own: the same agent and lease as by ssh."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest

pytest.importorskip("distributed")

from tests.cli.commands import gone
from tests.execution.running import Finished, balance
from tests.fleet.hosts import family, listening, on_hosts, use_fake_ssh, use_scratch_folder
from tests.fleet.test_cluster import Going, going
from tests.servers.server import PATIENCE_S, Server, until
from wstui.execution.preflight.checklist import CheckMark
from wstui.execution.preflight.preflight import preflight
from wstui.execution.run.commands import DrainRun, RampTo, Redistribute
from wstui.execution.run.machine_sections import HostSummary
from wstui.execution.run.result import Result
from wstui.execution.run.run import Run
from wstui.fleet.hosts.remote_command import AT_ONCE, RemoteCommand, gather_bounded, pods_of
from wstui.fleet.transport import FleetError
from wstui.scenario.hosts import parse_host

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")
PODS = "k8s:load/app=load:1"


@pytest.fixture(autouse=True)
def running(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The file with the running containers and pods."""
    use_fake_ssh(monkeypatch, tmp_path)
    use_scratch_folder(monkeypatch, tmp_path)
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


async def test_a_pod_that_returns_under_the_name_of_a_lost_one_is_a_new_host(
    running: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wstui.fleet.fleet.SURELY_GONE_S", 0.5)
    monkeypatch.setattr("wstui.fleet.hosts.cluster.JOINS_S", 0.2)
    running.write_text("pod1 pod2@a")
    async with Server() as server, going(server, PODS) as it:
        await lose(it, "pod2")
        await until(lambda: host_of(it.run.status.result, "pod2").lost != "")  # it is made once a second
        sent = host_of(it.run.status.result, "pod2").sent
        running.write_text("pod1 pod2@b")
        await until(lambda: "pod2 (2) joined: it can take over lost load" in it.marks)
        assert (it.host("pod2"), it.host("pod2 (2)")) == ("lost", "ok")
        it.run.send(Redistribute())
        await until(lambda: it.run.status.counters.open == 20 and len(server.live) == 20)
        assert "1 new worker on pod2 (2) took over" in it.marks
        await until(lambda: host_of(it.run.status.result, "pod2 (2)").sent > 0)
        it.ssh, it.dask_worker, it.worker = family().values()
        await lose(it, "pod2", host="pod2 (2)")
        running.write_text("pod1 pod2@c")
        await until(lambda: "pod2 (3) joined" in it.marks)
        it.run.send(DrainRun())
        finished = Finished(it.run, await asyncio.wait_for(it.running, PATIENCE_S))
    balance(finished, complete=False)
    assert [(host.name, bool(host.lost)) for host in finished.result.generator.hosts] == [
        ("pod1", False), ("pod2", True), ("pod2 (2)", True), ("pod2 (3)", False),
    ]  # fmt: skip
    assert host_of(finished.result, "pod2").sent == sent, "its figures stay its own"
    assert it.marks.count("pod2 lost") == it.marks.count("pod2 (2) lost") == 1 and "pod1 (2)" not in it.marks


async def lose(it: Going, pod: str, host: str = "") -> None:
    """End the processes in a pod, as when it is deleted, and wait until its host is lost."""
    for process in it.of(pod):
        if process in it.dask_worker or process in it.worker:
            process.kill()
    await until(lambda: it.host(host or pod) == "lost")


def host_of(result: Result, name: str) -> HostSummary:
    return next(host for host in result.generator.hosts if host.name == name)


async def test_a_pod_that_has_gone_again_before_it_had_load_gets_none(
    running: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wstui.fleet.fleet.SURELY_GONE_S", 0.5)
    monkeypatch.setattr("wstui.fleet.hosts.cluster.JOINS_S", 0.2)
    running.write_text("pod1 pod2")
    async with Server() as server, going(server, PODS) as it:
        await lose(it, "pod2")
        running.write_text("pod1 pod3 brief4")
        await until(lambda: "pod3 joined" in it.marks and "brief4 joined" in it.marks)
        running.write_text("pod1 brief4")
        await until(lambda: "pod3 can't take over load any more: it is gone" in it.marks)
        assert it.host("pod3") == "lost"
        it.run.send(Redistribute())
        await until(lambda: "1 new worker on pod1 took over" in it.marks)
        assert "brief4 can't take over load any more: is not there any more" in it.marks and it.host("brief4") == "lost"
        running.write_text("pod1 pod3")
        await until(lambda: it.marks.count("pod3 joined") == 2)
        assert it.host("pod3") == "ok"
        await until(lambda: it.run.status.counters.open == 20 and len(server.live) == 20)
        it.run.send(DrainRun())
        balance(Finished(it.run, await asyncio.wait_for(it.running, PATIENCE_S)), complete=False)


async def test_the_start_of_a_container_tells_a_pod_from_the_one_before(running: Path) -> None:
    running.write_text("pod1@a pod2@a")
    remote = RemoteCommand(parse_host(PODS))
    first = await pods_of(remote)
    running.write_text("pod1@a pod2@b")
    second = await pods_of(remote)
    assert first[0] == second[0] and first[1] != second[1] and first[1].name == second[1].name == "pod2"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize(("hosts", "names"), [([PODS], "pod1 pod2"), (["docker:box1", "docker:box2"], "box1 box2")])
async def test_a_road_that_is_cut_or_hangs_ends_the_load_behind_it(
    running: Path, hosts: list[str], names: str, how: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.write_text(names)
    one, other = names.split()
    async with Server() as server, going(server, *hosts) as it:
        monkeypatch.setattr("wstui.fleet.hosts.cluster.GIVEN_UP_S", 8.0)
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

    assert await gather_bounded(begin, range(100)) == list(range(100))
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
