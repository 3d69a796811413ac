"""Whether a worker that is busy still obeys: the wait for a command and the loop's lag at full load."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import sys
import time
from collections.abc import Sequence

import psutil

from tests.bench.output import headline, markdown
from wstui.execution.calibrate.bench import Bench, Cores, Interval
from wstui.execution.calibrate.sink.sink_process import SinkProcess
from wstui.fleet.transport import FleetError
from wstui.load.protocol import Pace, Ramp
from wstui.measure.format import grouped
from wstui.scenario.model import Scenario

COMMANDS = 40
APART_S = 0.1
PATIENCE_S = 20.0
MOST_S = 0.25
STORM = 60_000
"""Receipts a second: more than a worker can take."""


async def measure(closed: Sequence[int], storms: Sequence[int]) -> bool:
    """Print a row for each number of clients; whether every command was obeyed within 250 ms."""
    head = ["load", "clients", "received/s", "CPU each, µs", "obeyed after, ms: p50", "max", "lag, ms: p99",
            "snapshots/s", "KiB a client"]  # fmt: skip
    rows, slowest = [], 0.0
    for name, counts in (("closed loop", closed), ("broadcasts", storms)):
        for clients in counts:
            print(f"{name}, {clients} clients (load {psutil.getloadavg()[0]:.1f})", file=sys.stderr)
            try:
                row, worst = await _row(name, clients)
            except (FleetError, TimeoutError) as error:
                row, worst = [name, grouped(clients), str(error) or "deaf", *[""] * 6], PATIENCE_S
            rows.append(row)
            slowest = max(slowest, worst)
    print(headline() + "\n")
    print(markdown([head, *rows]))
    return slowest <= MOST_S


async def _row(name: str, clients: int) -> tuple[list[str], float]:
    storm = name == "broadcasts"
    options = ("--broadcast", str(STORM / clients), "--broadcast-at", "3") if storm else ()
    cores = Cores.apart()
    scenario = Scenario.model_validate(
        {
            "target": {"url": "ws://127.0.0.1:1/ws"},
            "messages": {"exchange": "listen"} if storm else {"every": 3600.0},
            "fleet": {"workers": 1},
        }
    )
    async with (
        SinkProcess(*options, core=cores.target) as sink,
        Bench(scenario, cores, sink, module="tests.bench.answering_worker") as bench,
    ):
        resident = bench.resident()
        opened = await bench.open(clients)
        if not storm:
            bench.tell(Pace(0))
        await asyncio.sleep(4.0 if storm else 1.0)
        lags: list[int] = []
        watching = asyncio.create_task(_watch(bench, lags))
        begin = await bench.read()
        waits = [await _obeyed(bench, clients + 1 - number % 2) for number in range(COMMANDS)]
        interval = Interval(begin, await bench.read())
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
    received = interval.totals.counters.received
    return [
        name,
        grouped(clients),
        grouped(received / interval.seconds),
        f"{interval.cpu_us / max(1, received):.2f}",
        f"{1e3 * statistics.median(waits):.1f}",
        f"{1e3 * max(waits):.1f}",
        f"{sorted(lags)[int(0.99 * len(lags))] / 1e6:.1f}",
        f"{(len(lags) - COMMANDS) / interval.seconds:.1f}",
        f"{(opened.resident - resident) / 1024 / clients:.2f}",
    ], max(waits)


async def _obeyed(bench: Bench, clients: int) -> float:
    """Ask for one client more or less; seconds until the worker says that it has heard."""
    await asyncio.sleep(APART_S)
    begin = time.monotonic()
    bench.tell(Ramp(clients, 0))
    while (waited := time.monotonic() - begin) < PATIENCE_S:
        if bench.latest().totals.counters.wanted == clients:
            return waited
        await asyncio.sleep(0.001)
    raise TimeoutError(f"no command was obeyed for {PATIENCE_S:g} s")


async def _watch(bench: Bench, lags: list[int]) -> None:
    last = None
    while True:
        if (snapshot := bench.latest()) is not last:
            last = snapshot
            lags.append(snapshot.health.loop_lag_ns)
        await asyncio.sleep(0.002)
