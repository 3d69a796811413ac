"""An agent whose workers only talk: snapshots as large as real ones, five a second each, and no load at all."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Sequence

import msgspec
from distributed import get_worker

from wstui.fleet.totals import FleetTotals
from wstui.load.protocol import Abort, Drain, Finished, Go, WorkerReady, decode_command, encode
from wstui.load.reports import SNAPSHOT_NS
from wstui.measure.histogram import Histogram
from wstui.measure.snapshot import Counters, Health, Snapshot, Totals

MESSAGES_A_SECOND = 5000


def realistic(seed: int = 7) -> Snapshot:
    """The snapshot of a worker that has sent half a million messages: full histograms, several message types."""
    chance = random.Random(seed)

    def distribution(median_ms: float, spread: float, count: int) -> Histogram:
        histogram = Histogram()
        for _ in range(count):
            histogram.record(int(median_ms * 1e6 * chance.lognormvariate(0, spread)))
        return histogram

    return Snapshot(
        0,
        0,
        Totals(
            0,
            Counters(
                wanted=2000, open=2000, attempted=2000, ready=2000, sent=500_000, received=500_000, matched=500_000
            ),
            connect=distribution(3, 0.4, 2000).data(),
            response=distribution(1.2, 0.6, 20_000).data(),
            round_trip=distribution(1.1, 0.6, 20_000).data(),
            send_delay=distribution(0.05, 0.9, 20_000).data(),
        ),
        types={"pong": 490_000, "connection:established": 2000, "price:update": 8000},
        health=Health(0.7, 1_500_000, 2100, 65_536, 2000, 28_232, 120 << 20),
    )


def merged(count: int) -> Snapshot:
    """Return the snapshots of `count` workers of one host, added up into one of the same form."""
    totals = FleetTotals()
    kinds = [realistic(seed) for seed in range(min(count, 5))]
    for worker in range(count):
        totals.take(worker, kinds[worker % 5])
    latest = totals.latest()[0]
    return msgspec.structs.replace(latest, totals=totals.sum(), types=totals.types(), health=totals.take_health()[0])


class FakeAgent:
    """In the place of `wstui.fleet.hosts.agent.Agent`."""

    def __init__(self, topic: str, own: bool) -> None:
        self._dask_worker = get_worker()
        self._topic = topic
        self._workers: list[int] = []
        self._snapshot = merged(int(os.environ.get("MERGED", "1")))
        self._began_ns = 0
        self._ended = False
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self, specs: list[tuple[int, bytes]], files: dict[str, bytes]) -> str:
        for worker, _ in specs:
            self._workers.append(worker)
            self._say(worker, encode(WorkerReady(worker, 1, "3", "0", "fake", 1024)))
        return ""

    async def tell(self, messages: Sequence[tuple[int, bytes]]) -> int:
        for worker, message in messages:
            command = decode_command(message)
            if isinstance(command, Go) and not self._began_ns:
                self._began_ns = time.monotonic_ns()
                self._tasks.append(asyncio.create_task(self._talk()))
            elif isinstance(command, Drain | Abort):
                self._ended = True
                self._say(worker, encode(Finished(worker)))
        return time.monotonic_ns()

    async def leave(self, grace_s: float) -> None:
        asyncio.get_running_loop().call_later(0.05, lambda: asyncio.ensure_future(self._dask_worker.close(nanny=False)))

    def _say(self, worker: int, message: bytes) -> None:
        self._dask_worker.log_event(self._topic, (worker, message))

    async def _talk(self) -> None:
        sequence = 0
        while not self._ended:
            sequence += 1
            # Spread over the interval, as workers that started one after the other are.
            for index, worker in enumerate(self._workers):
                due_ns = self._began_ns + (sequence - 1) * SNAPSHOT_NS + index * SNAPSHOT_NS // len(self._workers)
                if (left_ns := due_ns - time.monotonic_ns()) > 1_000_000:
                    await asyncio.sleep(left_ns / 1e9)
                before = self._snapshot.totals
                counters = msgspec.structs.replace(
                    before.counters, sent=before.counters.sent + sequence * MESSAGES_A_SECOND // 5
                )
                totals = msgspec.structs.replace(before, at_ns=time.monotonic_ns() - self._began_ns, counters=counters)
                said = msgspec.structs.replace(self._snapshot, worker=worker, sequence=sequence, totals=totals)
                self._say(worker, encode(said))
