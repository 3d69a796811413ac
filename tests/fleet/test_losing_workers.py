"""A worker that is lost is noticed, named and counted, and the run goes on with the others."""

from __future__ import annotations

import asyncio
import os
import re
import signal

import pytest

from tests.execution.running import Finished, balance, finish, scenario
from tests.servers.server import PATIENCE_S, Connection, Server, until
from wstui.cli.exit_codes import USAGE, status_of
from wstui.execution.run.commands import AbortRun, CompletePlan, DrainRun, PauseRun, RampTo, Redistribute, ResumeRun
from wstui.execution.run.run import Run
from wstui.fleet.fleet import WorkerFleet
from wstui.fleet.local import LocalTransport
from wstui.fleet.transport import FleetError
from wstui.load.protocol import ConnectSpec, Spec
from wstui.report.model.labels import verdict_sign


async def test_a_run_goes_on_without_a_worker_that_was_killed() -> None:
    transport = LocalTransport()
    async with Server() as server:
        run = Run(scenario(server.url, clients=20, hold=60, workers=2, every=0.05), transport=transport)
        running = asyncio.create_task(run.execute())
        await until(lambda: run.status.counters.open == 20 and server.messages["ping"] > 50)
        os.kill(transport.pid(1), signal.SIGKILL)
        await until(lambda: any(mark.kind == "worker" for mark in run.status.marks))
        await until(lambda: run.status.counters.open == 10)
        await until(lambda: len(server.live) == 10)
        assert [(worker.alive, worker.clients) for worker in run.status.generator.workers] == [(True, 10), (False, 0)]
        pings = server.messages["ping"]
        await until(lambda: server.messages["ping"] > pings + 50)
        run.send(DrainRun())
        finished = Finished(run, await running)
    balance(finished, complete=False)
    assert ("worker", "worker 1 lost: killed by SIGKILL; 10 clients gone, 10 left") in finished.marks
    assert finished.failures["worker lost"] == 1
    assert finished.result.generator.workers_lost == 1
    assert finished.result.verdict.generator_limited
    assert server.ends == {"close 1000": 10, "lost": 10}
    c = finished.counters
    assert (c.dropped, c.closed) == (0, 20), "the server dropped nobody"


async def test_the_load_of_a_lost_worker_is_taken_over_when_the_operator_asks_also_while_paused() -> None:
    transport = LocalTransport()
    async with Server() as server:
        run = Run(scenario(server.url, clients=20, hold=60, workers=2, every=0.05), transport=transport)
        running = asyncio.create_task(run.execute())
        await until(lambda: run.status.counters.open == 20)
        os.kill(transport.pid(1), signal.SIGKILL)
        await until(lambda: run.status.generator.unreplaced_workers == 1)
        assert run.status.generator.left_behind_clients == 10
        run.send(PauseRun())
        run.send(Redistribute())
        await until(lambda: any("took over" in mark.text for mark in run.status.marks))
        assert run.status.generator.unreplaced_workers == 0
        pings = server.messages["ping"]
        assert run.status.counters.open == 10, "who is paused opens nothing"
        run.send(ResumeRun())
        await until(lambda: run.status.counters.open == 20 and server.messages["ping"] > pings + 50)
        run.send(DrainRun())
        finished = Finished(run, await asyncio.wait_for(running, PATIENCE_S))
    balance(finished, complete=False)
    assert (finished.result.generator.workers, finished.result.generator.workers_lost) == (3, 1)
    run.send(Redistribute())  # too late: nothing happens


async def test_what_was_asked_for_beforehand_is_done_at_each_loss_but_not_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("wstui.execution.run.failover.MOST_LOSSES", 1)
    transport = LocalTransport()
    async with Server() as server:
        made = scenario(server.url, clients=20, hold=60, workers=2, every=0.05)
        fleet = made.fleet.model_copy(update={"on_loss": "redistribute"})
        run = Run(made.model_copy(update={"fleet": fleet}), transport=transport)
        running = asyncio.create_task(run.execute())
        await until(lambda: run.status.counters.open == 20)
        os.kill(transport.pid(1), signal.SIGKILL)
        await until(lambda: "1 new worker took over" in marks(run))
        await until(lambda: run.status.counters.open == 20 and len(server.live) == 20)
        assert "redistributing the load of 1 lost worker" in marks(run)
        os.kill(transport.pid(2), signal.SIGKILL)
        await until(lambda: "1 worker lost 2 times: not redistributed again" in marks(run))
        assert run.status.generator.unreplaced_workers == 1 and marks(run).count("took over") == 1
        run.send(DrainRun())
        finished = Finished(run, await asyncio.wait_for(running, PATIENCE_S))
    balance(finished, complete=False)
    assert (finished.result.generator.workers, finished.result.generator.workers_lost) == (3, 2)


def marks(run: Run) -> str:
    return "\n".join(mark.text for mark in run.status.marks)


async def test_a_run_ends_when_its_last_worker_is_lost() -> None:
    transport = LocalTransport()
    async with Server() as server:
        run = Run(scenario(server.url, clients=10, hold=60, workers=2), transport=transport)
        running = asyncio.create_task(run.execute())
        await until(lambda: run.status.counters.open == 10)
        for worker in (0, 1):
            os.kill(transport.pid(worker), signal.SIGKILL)
        finished = Finished(run, await asyncio.wait_for(running, PATIENCE_S))
    balance(finished, complete=False)
    verdict = finished.result.verdict
    assert not verdict.passed and verdict.generator_lost and not verdict.aborted
    assert "all workers were lost" in verdict.reason
    assert status_of(finished.result) == status_of(finished.result, allow_limited=True) == USAGE
    assert (verdict_sign(verdict).word, finished.result.to_json().count('"generator_lost": true')) == ("LOST", 1)


class WithoutPongs(Server):
    """Answers nothing."""

    def pong(self, client: Connection, timestamp: int) -> None:
        """Nothing."""


async def test_what_was_in_flight_on_a_lost_worker_is_abandoned() -> None:
    transport = LocalTransport()
    async with WithoutPongs() as server:
        run = Run(scenario(server.url, clients=10, hold=60, workers=2, every=0.05, timeout=60), transport=transport)
        running = asyncio.create_task(run.execute())
        await until(lambda: run.status.counters.sent > 100)
        os.kill(transport.pid(0), signal.SIGKILL)
        await until(lambda: run.status.counters.abandoned > 20)
        run.send(AbortRun())
        finished = Finished(run, await asyncio.wait_for(running, PATIENCE_S))
    balance(finished, complete=False)
    assert finished.result.messages.abandoned == finished.result.messages.sent
    (lost,) = [failure for failure in finished.result.failures if failure.kind == "worker lost"]
    assert re.search(r"5 clients gone, \d+ messages in flight", lost.message)


async def test_a_worker_that_hangs_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wstui.execution.run.run_end.DRAIN_GRACE_S", 0.5)
    transport = LocalTransport()
    async with Server() as server:
        run = Run(
            scenario(server.url, clients=10, hold=60, workers=2, timeout=0.5, connect_timeout=2.0, close_timeout=0.5),
            transport=transport,
        )
        running = asyncio.create_task(run.execute())
        await until(lambda: run.status.counters.open == 10)
        os.kill(transport.pid(0), signal.SIGSTOP)
        run.send(CompletePlan())
        finished = Finished(run, await asyncio.wait_for(running, PATIENCE_S))
    balance(finished, complete=False)
    assert finished.result.generator.workers_lost == 1
    assert finished.failures["worker lost"] == 1


async def test_the_clients_are_spread_evenly_over_the_workers_at_every_number() -> None:
    async with Server() as server:
        run = Run(scenario(server.url, clients=0, ramp=0, hold=60, workers=3))
        running = asyncio.create_task(run.execute())
        await until(lambda: len(run.status.generator.workers) == 3)
        for to, each in ((11, [4, 4, 3]), (4, [2, 1, 1]), (0, [0, 0, 0]), (9, [3, 3, 3])):
            run.send(RampTo(to, 0.1))
            await until(lambda each=each: [s.clients for s in run.status.generator.workers] == each)
            await until(lambda to=to: len(server.live) == to)
        run.send(AbortRun())
        balance(Finished(run, await running), complete=False)


async def test_a_cancelled_run_leaves_no_load_behind() -> None:
    transport = LocalTransport()
    async with Server() as server:
        run = Run(scenario(server.url, clients=10, hold=60), transport=transport)
        running = asyncio.create_task(run.execute())
        await until(lambda: len(server.live) == 10)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert transport._processes[0].returncode is not None
        await until(lambda: not server.live)


async def test_a_worker_that_cannot_start_is_an_error_with_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    for executable, words in (("/bin/false", "ended with status 1"), ("/nowhere/python", "can't be started")):
        monkeypatch.setattr("sys.executable", executable)
        fleet = WorkerFleet(LocalTransport(), lambda *_: None)
        with pytest.raises(FleetError, match=words):
            await fleet.start([Spec(connect=ConnectSpec(url="ws://127.0.0.1:1/"))])
        await fleet.close()


async def test_a_worker_that_is_told_nonsense_is_lost_with_its_reason() -> None:
    transport = LocalTransport()
    async with Server() as server:
        run = Run(scenario(server.url, clients=4, hold=60), transport=transport)
        running = asyncio.create_task(run.execute())
        await until(lambda: run.status.counters.open == 4)
        transport.send(0, b"\xff nonsense")
        finished = Finished(run, await asyncio.wait_for(running, PATIENCE_S))
        assert finished.failures.get("worker lost") == 1
        assert not finished.result.passed
        await until(lambda: not server.live)


async def test_two_runs_at_once_do_not_disturb_each_other() -> None:
    async with Server() as server:
        one, two = await asyncio.gather(
            finish(scenario(server.url, clients=6, hold=0.5)), finish(scenario(server.url, clients=3, hold=0.5))
        )
    assert (one.counters.ready, two.counters.ready) == (6, 3)
