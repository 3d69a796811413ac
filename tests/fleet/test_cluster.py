"""Load from several hosts: real Dask workers on this machine, each behind an ssh connection of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import ssl
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import msgspec
import psutil
import pytest

pytest.importorskip("distributed")

from tests.cli.commands import gone
from tests.execution.running import Finished, balance
from tests.execution.test_tls import LOOPBACK, Authority
from tests.fleet.hosts import BEGIN_S, HOME, family, listening, nothing_left, on_hosts, use_fake_ssh, use_scratch_folder
from tests.servers.server import PATIENCE_S, Server, until
from wstui.execution.preflight.checklist import CheckMark
from wstui.execution.preflight.preflight import preflight
from wstui.execution.run.client_watches import WatchedLines
from wstui.execution.run.commands import AbortRun, DrainRun, PauseRun, RampTo, Redistribute, ResumeRun
from wstui.execution.run.result import Result
from wstui.execution.run.run import Run
from wstui.fleet.host_facts import HostQuery, cramped, gather
from wstui.fleet.transport import FleetError
from wstui.odin.demo_system import DemoTarget
from wstui.scenario.model import Auth, Messages, Scenario

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")


@pytest.fixture(autouse=True)
def scratch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where every process keeps its temporary files; what ssh is."""
    use_fake_ssh(monkeypatch, tmp_path)
    return use_scratch_folder(monkeypatch, tmp_path)


def command_line(process: psutil.Process) -> list[str]:
    """Its command line, [] if it has ended."""
    with contextlib.suppress(psutil.Error):
        return process.cmdline()
    return []


@dataclass
class Going:
    """A run on two hosts, with all its processes."""

    run: Run
    running: asyncio.Task[Result]
    ssh: list[psutil.Process]
    dask_worker: list[psutil.Process]
    worker: list[psutil.Process]

    @property
    def all(self) -> list[psutil.Process]:
        """Every process."""
        return [*self.ssh, *self.dask_worker, *self.worker]

    def of(self, host: str) -> list[psutil.Process]:
        """The processes of one host: its ssh, and all below."""
        (ssh,) = (process for process in self.ssh if host in command_line(process))
        below = ssh.children(recursive=True)
        return [process for process in self.all if process == ssh or process in below]

    def host(self, name: str) -> str:
        """How a host is marked."""
        return next(host.mark for host in self.run.status.generator.hosts if host.name == name)

    def is_there(self, name: str) -> bool:
        """Whether a host speaks; on a machine that others use as well it may be slow."""
        return self.host(name) in ("ok", "slow")

    @property
    def marks(self) -> str:
        """What is noted of workers and machines."""
        return "\n".join(mark.text for mark in self.run.status.marks if mark.kind in ("worker", "operator"))


@contextlib.asynccontextmanager
async def going(server: Server, *hosts: str, pings: int = 20, scenario: Scenario | None = None) -> AsyncIterator[Going]:
    """A run with 20 clients that are all there; afterwards none of its processes is."""
    run = Run(scenario or on_hosts(server.url, *(hosts or ("host1", "host2"))))
    running = asyncio.create_task(run.execute())

    def is_there() -> bool:
        return run.status.counters.open == 20 and server.messages["ping"] > pings

    await until(lambda: running.done() or is_there(), BEGIN_S)
    assert not running.done(), running.result()
    await until(lambda: len(family()["worker"]) == len(run.status.generator.workers))
    found = Going(run, running, **family())
    with nothing_left(lambda: found.all):
        yield found
        run.send(AbortRun())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(running, PATIENCE_S)
        await until(lambda: gone(found.all))


async def test_a_run_on_two_hosts_is_steered_as_one_and_leaves_no_process_and_no_file(scratch: Path) -> None:
    async with Server() as server, going(server, "host1:2", "host2", pings=50) as it:
        run = it.run
        assert (len(it.ssh), len(it.dask_worker), len(it.worker)) == (2, 2, 3)
        assert not list(scratch.iterdir()), "whoever is killed now leaves no file"
        assert not await listening(it.all), "no port, not even on loopback"
        for process in it.all:
            assert "KEY" not in " ".join(process.cmdline()), "the keys are not seen in a list of processes"
        of_all: Any = run
        watches = {client: WatchedLines(of_all, client) for client in (0, 1, 2)}  # of each worker one

        def is_watched(client: int) -> bool:
            why = watches[client].renew()
            assert why == "", f"{why}: {run.status.result.verdict.reason}\n{it.marks}"
            return any(line.received and line.step == "reply" for line in watches[client].new())

        for client in watches:
            await until(lambda client=client: is_watched(client))
        run.send(RampTo(8, 0.2))
        await until(lambda: run.status.counters.open == 8)
        run.send(PauseRun())
        await until(lambda: run.status.state == "paused")
        run.send(ResumeRun())
        hosts = {host.name: host for host in run.status.generator.hosts}
        assert (hosts["host1"].workers, hosts["host2"].workers) == (2, 1)
        assert hosts["host1"].clients + hosts["host2"].clients == 8 and hosts["host2"].round_trip_ms
        run.send(DrainRun())
        finished = Finished(run, await asyncio.wait_for(it.running, PATIENCE_S))
        balance(finished)
        assert finished.result.generator.workers == 3 and finished.result.generator.workers_lost == 0
        await until(lambda: server.ends == {"close 1000": 20})


async def test_a_worker_that_is_killed_is_named_with_its_host_and_replaced_only_when_asked_by_the_same_clients() -> (
    None
):
    async with Server() as server:
        made = on_hosts(server.url, "host1", "host2")
        auth = Auth(kind="jwt", secret="a secret that is long enough to sign with")  # type: ignore[arg-type]
        async with going(server, scenario=made.model_copy(update={"auth": auth})) as it:
            assert sorted(map(user, server.paths)) == sorted(f"wstui-{number}" for number in range(20))
            (worker,) = (process for process in it.of("host2") if process in it.worker)
            worker.kill()
            await until(lambda: "on host2 lost: killed by SIGKILL" in it.marks)
            await until(lambda: it.run.status.generator.unreplaced_workers == 1)
            assert it.run.status.generator.left_behind_clients == 10
            assert it.run.status.counters.open == 10 and len(family()["worker"]) == 1, "nothing happens by itself"
            it.run.send(Redistribute())
            await until(lambda: it.run.status.counters.open == 20 and it.run.status.generator.unreplaced_workers == 0)
            assert "operator: redistribute the load of 1 lost worker" in it.marks
            it.worker = family()["worker"]
            numbers = range(1 if "worker 1 on host2" in it.marks else 0, 20, 2)
            assert sorted(map(user, server.paths[20:])) == sorted(f"wstui-{number}" for number in numbers)
            it.run.send(DrainRun())
            finished = Finished(it.run, await asyncio.wait_for(it.running, PATIENCE_S))
    balance(finished, complete=False)
    assert (finished.result.generator.workers, finished.result.generator.workers_lost) == (3, 1)
    assert finished.counters.attempted == 30


def user(path: bytes) -> str:
    token = parse_qs(urlsplit(path.decode()).query)["token"][0]
    return str(jwt.decode(token, options={"verify_signature": False})["userId"])


async def test_the_load_of_a_lost_host_is_shown_and_taken_over_by_the_others_when_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("wstui.fleet.fleet.SURELY_GONE_S", 0.5)  # its workers have nothing to drain here
    async with Server() as server, going(server) as it:
        lost = it.of("host2")
        (dask_worker,) = (process for process in lost if process in it.dask_worker)
        dask_worker.kill()
        await until(lambda: "host2 lost: " in it.marks)
        assert "1 worker and 10 clients gone, 10 left" in it.marks and it.marks.count("host2 lost") == 1
        await until(lambda: it.host("host2") == "lost")
        assert it.is_there("host1")
        await until(lambda: gone(lost))
        await until(lambda: server.ends == {"close 1000": 10})
        it.run.send(Redistribute())
        await until(lambda: it.run.status.counters.open == 20 and len(server.live) == 20)
        await until(lambda: "1 new worker on host1 took over" in it.marks)
        (host1,) = (host for host in it.run.status.generator.hosts if host.name == "host1")
        assert (host1.workers, host1.clients) == (2, 20)
        it.worker = family()["worker"]
        it.run.send(DrainRun())
        balance(Finished(it.run, await asyncio.wait_for(it.running, PATIENCE_S)), complete=False)


async def test_a_host_whose_ssh_is_killed_ends_its_load_by_itself() -> None:
    async with Server() as server, going(server) as it:
        of_host = it.of("host1")
        (ssh,) = (process for process in of_host if process in it.ssh)
        ssh.kill()
        await until(lambda: it.host("host1") == "lost")
        await until(lambda: gone(of_host))
        await until(lambda: server.ends == {"close 1000": 10})
        await until(lambda: it.run.status.counters.open == 10)
        assert it.is_there("host2")


async def test_a_host_that_hangs_is_marked_drains_itself_and_delays_none_of_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("wstui.load.lease.LEASE_S", 5.0)
    async with Server() as server, going(server) as it:
        monkeypatch.setattr("wstui.fleet.hosts.cluster.GIVEN_UP_S", 8.0)
        (dask_worker,) = (process for process in it.of("host2") if process in it.dask_worker)
        (worker,) = (process for process in it.of("host2") if process in it.worker)
        dask_worker.suspend()
        await until(lambda: it.host("host2") == "stale")
        assert it.is_there("host1")
        await until(lambda: server.ends == {"close 1000": 10})
        await until(lambda: it.host("host2") == "lost")
        # The other host has had its heartbeats: its lease is not over.
        assert it.is_there("host1") and len(server.live) == 10
        dask_worker.resume()
        await until(lambda: gone([worker]))  # it kept its last words for an agent that might read them yet
        await until(lambda: "worker 1 on host2 lost" in it.marks or "host2 lost" in it.marks)


async def test_a_host_that_freezes_goes_on_after_a_moment_and_makes_no_load_when_it_was_longer_than_its_lease(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Server() as server, going(server) as it:
        of_host = it.of("host2")
        freeze(of_host)
        await until(lambda: it.host("host2") == "stale")
        thaw(of_host)
        await until(lambda: it.is_there("host2"))
        pings = server.messages["ping"]
        await until(lambda: server.messages["ping"] > pings + 100)
        assert it.run.status.counters.open == 20 and not gone(of_host) and "lost" not in it.marks
        # Not before: on a busy machine a host that is only starting is silent for so long as well.
        monkeypatch.setattr("wstui.fleet.hosts.cluster.GIVEN_UP_S", 8.0)
        freeze(of_host)
        await until(lambda: "host2 lost: was silent for 8 s" in it.marks)
        thaw(of_host)
        await until(lambda: gone(of_host))
        await until(lambda: len(server.live) == 10)


def freeze(processes: list[psutil.Process]) -> None:
    for process in processes:
        process.suspend()


def thaw(processes: list[psutil.Process]) -> None:
    for process in reversed(processes):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.resume()


@contextlib.asynccontextmanager
async def operator(server: Server, hold: float = 60) -> AsyncIterator[tuple[asyncio.subprocess.Process, Going]]:
    """An operator's process of its own, with its hosts."""
    words = [sys.executable, "-m", "tests.fleet.operator", server.url, str(hold), "1", "host1", "host2"]
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE, cwd=HOME)
    await until(lambda: len(server.live) == 20 and server.messages["ping"] > 20)
    await until(lambda: len(family(process.pid)["worker"]) == 2)
    found = Going(None, None, **family(process.pid))  # type: ignore[arg-type]
    with nothing_left(lambda: found.all):
        try:
            yield process, found
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def test_nothing_outlives_an_operator_that_was_killed() -> None:
    async with Server() as server, operator(server) as (process, it):
        process.kill()
        await until(lambda: gone(it.all))
        await until(lambda: server.ends == {"close 1000": 20})


async def test_hosts_go_on_when_their_operator_has_stood_still() -> None:
    async with Server() as server, operator(server, hold=8) as (process, it):
        os.kill(process.pid, signal.SIGSTOP)
        pings = server.messages["ping"]
        await until(lambda: server.messages["ping"] > pings + 5 * 20 / 0.05)  # five seconds
        assert len(server.live) == 20
        os.kill(process.pid, signal.SIGCONT)
        assert process.stdout is not None
        result = json.loads(await asyncio.wait_for(process.stdout.read(), PATIENCE_S))
        await until(lambda: gone(it.all))
    assert result["verdict"]["passed"] and result["generator"]["workers_lost"] == 0
    assert result["messages"]["sent"] == server.messages["ping"] and result["generator"]["operator_stalled_s"] > 4


async def test_hosts_leave_by_themselves_when_nothing_is_heard_of_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEASE", "2")
    async with Server() as server, operator(server) as (process, it):
        os.kill(process.pid, signal.SIGSTOP)
        await until(lambda: gone([*it.worker, *it.dask_worker]))
        await until(lambda: server.ends == {"close 1000": 20})
        os.kill(process.pid, signal.SIGCONT)
        assert process.stdout is not None
        said = await asyncio.wait_for(process.stdout.read(), PATIENCE_S)
        assert b"all workers were lost" in said
        await until(lambda: gone(it.all))


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("nobody", "nobody refuses connections: no ssh server listens there; start sshd there, or name its Port"),
        ("old1", "old1 has wstui 0.0.1, needs {version}; pip install 'wstui[cluster]=={version}'"),
    ],
)
async def test_a_host_that_cannot_be_used_is_named_with_what_was_found_and_wanted(host: str, words: str) -> None:
    from wstui.fleet.host_facts import installed

    async with Server() as server:
        with pytest.raises(FleetError) as caught:
            await Run(on_hosts(server.url, "host1", host)).execute()
    assert str(caught.value) == words.format(version=installed("wstui"))


async def test_a_host_that_does_not_answer_can_be_given_up_at_once() -> None:
    run = Run(on_hosts("ws://127.0.0.1:1/", "silent1"))
    running = asyncio.create_task(run.execute())
    await until(lambda: family()["ssh"])
    assert run.status.note == "connecting to silent1"
    run.send(DrainRun())
    result = await asyncio.wait_for(running, PATIENCE_S)
    assert result.verdict.aborted and result.verdict.reason == "ended early by the operator"
    await until(lambda: not family()["ssh"])


async def test_a_host_without_wstui_is_told_what_to_install() -> None:
    made = on_hosts("ws://127.0.0.1:1/", "host1")
    fleet = made.fleet.model_copy(update={"python": "/nowhere/python"})
    with pytest.raises(FleetError, match=r"host1 has no wstui that can make load under /nowhere/python .*not found"):
        await Run(made.model_copy(update={"fleet": fleet})).execute()


async def test_a_host_without_room_for_a_temporary_file_is_told_before_the_load(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    assert cramped() == "No such file or directory"
    facts = msgspec.structs.replace(await gather(HostQuery()), cramped=cramped())
    monkeypatch.setattr("wstui.fleet.hosts.host_probe.read_facts", lambda said: facts)
    with pytest.raises(
        FleetError, match=r"host1 has no place for temporary files: No such file or directory; make room"
    ):
        await Run(on_hosts("ws://127.0.0.1:1/", "host1")).execute()


async def test_a_target_that_a_host_cannot_reach_is_told_before_the_load() -> None:
    with pytest.raises(FleetError, match=r"host1 can't reach the target at 127.0.0.1:1: connection refused"):
        await Run(on_hosts("ws://127.0.0.1:1/", "host1")).execute()


async def test_the_look_before_a_run_covers_every_host() -> None:
    async with Server() as server:
        made = on_hosts(server.url, "host1:3", "nobody", "old1")
        found = {check.name: check async for check in preflight([made])}
    for name in ("ssh", "wstui", "python", "dask", "target", "files", "ports", "processors", "memory"):
        assert f"host1 {name}" in found, name
    assert found["host1 ssh"].mark is CheckMark.PASS and "to connect" in found["host1 target"].text
    assert "3 workers" in found["host1 processors"].text or "other programs" in found["host1 processors"].text
    assert found["nobody ssh"].mark is CheckMark.FAIL and "start sshd there" in found["nobody ssh"].fix
    assert found["old1 ssh"].mark is CheckMark.PASS and found["old1 wstui"].mark is CheckMark.FAIL
    assert "has wstui 0.0.1, needs" in found["old1 wstui"].text
    assert "files" not in found, "this machine makes no load"


async def test_a_target_that_only_the_hosts_reach_is_no_obstacle() -> None:
    made = on_hosts("ws://127.0.0.1:1/", "host1")
    found = {check.name: check async for check in preflight([made])}
    assert found["client"].mark is CheckMark.WARN and found["client"].text.startswith("from this machine: ")
    assert found["host1 target"].mark is CheckMark.FAIL and "can't be reached from there" in found["host1 target"].text


async def test_certificates_that_only_the_operator_has_are_sent_along(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, scratch: Path
) -> None:
    authority = Authority(tmp_path, "authority")
    own = authority.sign("server", LOOPBACK)
    server = Server()
    server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.tls.load_cert_chain(own.cert_file, own.key_file)
    monkeypatch.chdir(tmp_path)
    async with server:
        made = on_hosts(server.url, "12", clients=4, hold=0.5)  # Dask would take such a name for a number
        # Not there for who is on a host, and somewhere else: beside the operator alone.
        target = made.target.model_copy(update={"ca_file": Path(authority.file).name})
        result = await Run(made.model_copy(update={"target": target})).execute()
    assert result.connections.ready == 4, result.failures
    assert not list(scratch.iterdir()), "nothing of it stays"


async def test_fan_out_is_complete_across_hosts_and_its_spread_is_that_on_each() -> None:
    options = ("--rate", "60", "--speed", "0.001")
    async with DemoTarget(publisher_options=options) as target:
        made = on_hosts(target.ws_url, "host1", "host2", hold=3.0)
        listening = made.model_copy(
            update={
                "auth": Auth(kind="token", token=target.token),  # type: ignore[arg-type]
                "messages": Messages(exchange="listen", fanout_window=1.0),
            }
        )
        result = await Run(listening).execute()
    fanout = result.fanout
    assert fanout is not None and fanout.messages > 60
    assert (fanout.completeness, fanout.duplicates, fanout.spread_within) == (1.0, 0, "host")
    assert [host.name for host in result.generator.hosts] == ["host1", "host2"]
    assert sum(host.received for host in result.generator.hosts) == result.messages.received
