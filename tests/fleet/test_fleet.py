"""What the workers say, added up."""

from __future__ import annotations

import array
import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping

import pytest

from tests.servers.server import until
from wstui.fleet.fleet import WorkerFleet
from wstui.fleet.transport import FleetError, HostState, Lost, MessageReceived
from wstui.load.protocol import (
    Abort,
    BroadcastReport,
    ConnectSpec,
    Finished,
    Go,
    OperatorBeat,
    Spec,
    WorkerReady,
    decode_command,
    encode,
)
from wstui.measure.fanout import Receipts
from wstui.measure.histogram import Histogram
from wstui.measure.snapshot import Counters, Health, Snapshot, Totals

S = 1_000_000_000


class TransportStandIn:
    """A transport whose workers say what the test wants."""

    def __init__(self) -> None:
        self.said: asyncio.Queue[MessageReceived | Lost] = asyncio.Queue()
        self.sent: list[tuple[int, bytes]] = []
        self.on: list[HostState] = []

    async def capacity(self, workers: int) -> int:
        return workers

    def hosts(self) -> list[HostState]:
        return self.on

    async def start(self, specs: Mapping[int, Spec]) -> None:
        for key in specs:
            self.say(key, WorkerReady(key, 1, "3.11", "0", "uvloop", 1024))

    def say(self, worker: int, message: WorkerReady | Snapshot | BroadcastReport | Finished) -> None:
        self.said.put_nowait(MessageReceived(worker, encode(message)))

    def lose(self, worker: int, reason: str) -> None:
        self.said.put_nowait(Lost(worker, reason))

    def send(self, worker: int, message: bytes) -> None:
        self.sent.append((worker, message))

    async def events(self) -> AsyncIterator[MessageReceived | Lost]:
        while True:
            yield await self.said.get()

    async def close(self, grace_s: float) -> None:
        pass


@contextlib.asynccontextmanager
async def fleet_of(workers: int) -> AsyncIterator[tuple[WorkerFleet, TransportStandIn]]:
    wire = TransportStandIn()
    fleet = WorkerFleet(wire, lambda *_: None)
    await fleet.start(
        [Spec(connect=ConnectSpec(url="ws://127.0.0.1:1/"), worker=n, workers=workers) for n in range(workers)]
    )
    try:
        yield fleet, wire
    finally:
        await fleet.close()


async def heard(fleet: WorkerFleet, wire: TransportStandIn) -> None:
    await until(wire.said.empty)
    await asyncio.sleep(0)


def snapshot(worker: int, at_s: float, counters: Counters, response: list[int] = [], **health: float) -> Snapshot:  # noqa: B006
    histogram = Histogram()
    for ns in response:
        histogram.record(ns)
    return Snapshot(
        worker,
        round(at_s * 5),
        Totals(round(at_s * S), counters, response=histogram.data()),
        health=Health(**health),  # type: ignore[arg-type]
    )


async def test_counters_and_distributions_of_all_workers_add_up() -> None:
    async with fleet_of(2) as (fleet, wire):
        wire.say(0, snapshot(0, 1, Counters(sent=3, open=2), [1000, 2000]))
        wire.say(1, snapshot(1, 1.1, Counters(sent=4, open=1), [9000]))
        await heard(fleet, wire)
        first = fleet.totals.sum()
        assert (first.counters.sent, first.counters.open, first.at_ns) == (7, 3, round(1.1 * S))
        assert (first.response.count, first.response.low, first.response.high) == (3, 1000, 9000)
        assert fleet.reached(S) and not fleet.reached(round(1.05 * S))
        wire.say(0, snapshot(0, 2, Counters(sent=10, open=2), [1000, 2000, 5000]))
        await heard(fleet, wire)
        change = fleet.totals.sum() - first
        assert (change.counters.sent, change.response.count, change.response.total) == (7, 1, 5000)
        again = Totals.add_all([first, change])
        assert again.response.counts == fleet.totals.sum().response.counts
        assert again.counters == fleet.totals.counters()
        assert Totals.add_all([first]).counters == first.counters


async def test_a_snapshot_that_is_missing_heals_with_the_next() -> None:
    async with fleet_of(1) as (fleet, wire):
        wire.say(0, snapshot(0, 1, Counters(sent=3)))
        wire.say(0, snapshot(0, 3, Counters(sent=9)))
        await heard(fleet, wire)
        assert fleet.totals.counters().sent == 9


async def test_a_lost_worker_keeps_what_it_counted_and_its_clients_leave_the_counts() -> None:
    async with fleet_of(2) as (fleet, wire):
        counters = Counters(attempted=10, ready=6, opening=4, open=5, dropped=1, sent=50, wanted=10)
        for worker in (0, 1):
            wire.say(worker, snapshot(worker, 1, counters))
        wire.lose(1, "killed by SIGKILL")
        await heard(fleet, wire)
        c = fleet.totals.counters()
        assert (c.sent, c.open, c.opening, c.wanted) == (100, 5, 4, 10)
        assert c.attempted == c.ready + c.refused + c.timed_out + c.failed + c.drained + c.opening
        assert c.ready == c.open + c.dropped + c.closed
        (group,) = fleet.totals.failures()
        assert group.kind == "worker lost" and group.local and "9 clients" in group.message
        assert fleet.reached(S), "nobody waits for who is gone"


async def test_a_worker_that_said_its_last_word_is_not_lost() -> None:
    async with fleet_of(1) as (fleet, wire):
        wire.say(0, Finished(0))
        wire.lose(0, "")
        assert await fleet.ended(5)
        await heard(fleet, wire)
        assert fleet.totals.lost == {}


async def test_who_was_to_take_over_and_could_not_is_neither_lost_nor_counted() -> None:
    async with fleet_of(2) as (fleet, wire):
        for worker in (0, 1):
            wire.say(worker, snapshot(worker, 1, Counters(sent=50, open=5)))
        wire.lose(1, "killed by SIGKILL")
        await until(lambda: fleet.orphans() == [1])
        wire.on = [HostState("host1", (0, 1, 2))]

        async def half_start(specs: Mapping[int, Spec]) -> None:
            raise FleetError("no room")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(wire, "start", half_start)
            with pytest.raises(FleetError, match="no room"):
                await fleet.replace([1], list)
        told = [decode_command(message) for worker, message in wire.sent if worker == 2]
        assert [word for word in told if word != OperatorBeat()] == [Go(), Abort()], "what is there of it goes"
        wire.say(2, snapshot(2, 1, Counters(sent=1000)))
        wire.lose(2, "killed by SIGKILL")
        await heard(fleet, wire)
        assert fleet.orphans() == [1] and set(fleet.totals.lost) == {1} and fleet.size == 2
        assert fleet.totals.counters().sent == 100 and [host.workers for host in fleet.hosts()] == [(0, 1)]


async def test_no_moment_of_a_workers_condition_is_overlooked() -> None:
    async with fleet_of(2) as (fleet, wire):
        for at, lag, cpu in ((0.2, 5, 0.1), (0.4, 900, 1.0), (0.6, 7, 0.1), (0.8, 3, 0.1), (1.0, 2, 0.2)):
            wire.say(0, snapshot(0, at, Counters(), loop_lag_ns=lag, cpu=cpu))
        wire.say(1, snapshot(1, 1.0, Counters(), loop_lag_ns=20, cpu=0.5))
        await heard(fleet, wire)
        first = fleet.totals.take_health()
        assert [health.loop_lag_ns for health in first] == [900, 20]
        assert [round(health.cpu, 3) for health in first] == [0.3, 0.5]
        wire.say(0, snapshot(0, 1.2, Counters(), loop_lag_ns=4, cpu=0.2))
        wire.lose(1, "killed by SIGKILL")
        await heard(fleet, wire)
        assert [health.loop_lag_ns for health in fleet.totals.take_health()] == [4]


def receipt(first_ns: int, clients: int) -> Receipts:
    distances = array.array("I", [0] * clients).tobytes()
    return Receipts(b"key", "price", first_ns, clients, clients, clients, 0, distances, None, 0)


async def test_a_broadcast_is_missed_only_by_clients_that_were_there_when_it_came() -> None:
    async with fleet_of(2) as (fleet, wire):
        for worker in (0, 1):
            wire.say(worker, snapshot(worker, 0.2, Counters(open=0)))
        await heard(fleet, wire)
        early = time.monotonic_ns()
        for worker in (0, 1):
            wire.say(worker, snapshot(worker, 0.4, Counters(open=30)))
        await heard(fleet, wire)
        later = time.monotonic_ns()
        wire.say(1, snapshot(1, 0.6, Counters(open=25)))
        await heard(fleet, wire)
        for at_ns in (early, later):
            wire.say(0, BroadcastReport(0, at_ns, [receipt(at_ns, 30)]))
            await heard(fleet, wire)
            fleet.settle_broadcasts(at_once=True)
        # The second worker had nobody when the first message came, and 25 who stayed when the second one did.
        assert (fleet.totals.fanout.types["price"].wanted, fleet.totals.fanout.types["price"].received) == (
            30 + 30 + 25,
            60,
        )
