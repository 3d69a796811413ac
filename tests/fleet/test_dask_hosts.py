"""Load from the workers of a Dask cluster that is there already, and encrypted."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator

import pytest

pytest.importorskip("distributed")

import dask
from distributed import Scheduler, Security

from tests.cli.commands import gone
from tests.execution.running import Finished, balance, scenario
from tests.fleet.hosts import family
from tests.servers.server import PATIENCE_S, Server, until
from wstui.execution.preflight.checklist import CheckMark
from wstui.execution.preflight.preflight import preflight
from wstui.execution.run.commands import DrainRun
from wstui.execution.run.result import Result
from wstui.execution.run.run import Run
from wstui.fleet.transport import FleetError
from wstui.scenario.model import Scenario


@contextlib.asynccontextmanager
async def cluster() -> AsyncIterator[str]:
    """A scheduler with one worker, and this side's certificates where Dask looks for them; the address."""
    security = Security.temporary()
    loopback = {"host": "127.0.0.1", "port": 0, "dashboard_address": "127.0.0.1:0"}
    scheduler = await Scheduler(protocol="tls", security=security, dashboard=False, **loopback)
    line = [sys.executable, "-m", "distributed.cli.dask_worker", scheduler.address, "--no-nanny", "--no-dashboard"]
    options = ["--dashboard-address", "127.0.0.1:0", "--nthreads", "1", "--host", "127.0.0.1", "--death-timeout", "10"]
    keys = {
        "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "True",
        "DASK_DISTRIBUTED__COMM__TLS__CA_FILE": security.tls_ca_file,
        "DASK_DISTRIBUTED__COMM__TLS__WORKER__CERT": security.tls_worker_cert,
        "DASK_DISTRIBUTED__COMM__TLS__WORKER__KEY": security.tls_worker_key,
    }
    dask_worker = await asyncio.create_subprocess_exec(
        *line, *options, env={**os.environ, **keys}, stderr=asyncio.subprocess.DEVNULL
    )
    tls = "distributed.comm.tls"
    settings = {
        f"{tls}.ca-file": security.tls_ca_file,
        f"{tls}.client.cert": security.tls_client_cert,
        f"{tls}.client.key": security.tls_client_key,
    }
    try:
        await until(lambda: scheduler.workers)
        with dask.config.set(settings):
            yield scheduler.address
    finally:
        with contextlib.suppress(ProcessLookupError):
            dask_worker.kill()
        await dask_worker.wait()
        await scheduler.close()


def joining(url: str, address: str) -> Scenario:
    made = scenario(url, clients=10, hold=60.0, every=0.05, workers=2)
    return made.model_copy(update={"fleet": made.fleet.model_copy(update={"scheduler": address})})


async def test_the_workers_of_a_cluster_make_the_load_and_stay_and_a_lost_one_takes_its_load_along() -> None:
    async with Server() as server, cluster() as address:
        run = await started(joining(server.url, address))
        await until(lambda: len(family()["worker"]) == 2)
        (host,) = run[0].status.generator.hosts
        assert (host.name, host.clients) == ("127.0.0.1", 10) and host.mark in ("ok", "slow")
        run[0].send(DrainRun())
        balance(Finished(run[0], await asyncio.wait_for(run[1], PATIENCE_S)))
        await until(lambda: not family()["worker"])
        assert len(family()["dask_worker"]) == 1, "it is not ours"
        found = {check.name: check async for check in preflight([joining(server.url, address)])}
        assert found["127.0.0.1 wstui"].mark is CheckMark.PASS and found["127.0.0.1 target"].mark is CheckMark.PASS
        run = await started(joining(server.url, address))
        (dask_worker,), workers = family()["dask_worker"], family()["worker"]
        dask_worker.kill()
        finished = Finished(run[0], await asyncio.wait_for(run[1], PATIENCE_S))
        assert "127.0.0.1 lost: its Dask worker is gone" in str(finished.marks)
        await until(lambda: gone(workers))
        await until(lambda: not server.live)
        assert set(server.ends) == {"close 1000"}


async def started(what: Scenario) -> tuple[Run, asyncio.Task[Result]]:
    """A run whose clients are all there."""
    run = Run(what)
    running = asyncio.create_task(run.execute())
    await until(lambda: running.done() or run.status.counters.open == 10)
    assert not running.done(), running.result()
    return run, running


async def test_a_cluster_without_the_right_certificate_is_an_error_that_says_where_it_is_set() -> None:
    async with cluster() as address:
        with dask.config.set({"distributed.comm.tls.ca-file": None}), pytest.raises(FleetError) as caught:
            await Run(joining("ws://127.0.0.1:1/", address)).execute()
    assert "can't be joined" in str(caught.value) and "distributed.comm.tls.ca-file" in str(caught.value)
