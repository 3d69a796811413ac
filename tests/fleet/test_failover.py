"""What a loss says: who is lost, what went with it, and what is left, where that is anything."""

from __future__ import annotations

import pytest

from tests.fleet.test_fleet import TransportStandIn, fleet_of, heard, snapshot
from wstui.execution.run.failover import Failover
from wstui.fleet.fleet import WorkerFleet
from wstui.fleet.transport import HostState
from wstui.measure.snapshot import Counters


def tell(fleet: WorkerFleet, worker: int) -> str:
    fleet.totals.lose(worker, "killed by SIGKILL")
    return Failover(fleet, lambda kind, text: None, list).tell(worker, "killed by SIGKILL")


def say(wire: TransportStandIn, *clients: int) -> None:
    for worker, count in enumerate(clients):
        wire.say(worker, snapshot(worker, 0.2, Counters(open=count)))


async def test_a_worker_without_clients_is_lost_without_figures() -> None:
    async with fleet_of(2) as (fleet, _):
        assert tell(fleet, 0) == "worker 0 lost: killed by SIGKILL"
        (group,) = fleet.totals.failures()
        assert group.message == "worker 0 killed by SIGKILL"


@pytest.mark.parametrize(
    ("clients", "words"),
    [
        ((10, 0), "; 10 clients gone, none left"),
        ((1, 2000), "; 1 client gone, 2 000 left"),
        ((0, 10), ""),
    ],
)
async def test_what_went_with_a_worker_and_what_is_left_is_counted(clients: tuple[int, int], words: str) -> None:
    async with fleet_of(2) as (fleet, wire):
        say(wire, *clients)
        await heard(fleet, wire)
        assert tell(fleet, 0) == f"worker 0 lost: killed by SIGKILL{words}"


@pytest.mark.parametrize(
    ("clients", "words"),
    [((10, 5, 7), "2 workers and 15 clients gone, 7 left"), ((0, 0, 7), "2 workers gone")],
)
async def test_a_host_is_lost_with_its_workers(clients: tuple[int, int, int], words: str) -> None:
    async with fleet_of(3) as (fleet, wire):
        say(wire, *clients)
        await heard(fleet, wire)
        wire.on = [HostState("host1", (0, 1), alive=False, reason="closed the connection"), HostState("host2", (2,))]
        assert tell(fleet, 0) == f"host1 lost: closed the connection; {words}"
