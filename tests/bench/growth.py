"""What a client and a round trip cost as the clients grow: one worker beside a client in C, then all that fit here."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import psutil

from tests.bench.output import headline, markdown
from wstui.execution.calibrate.bench import Bench, Cores, Interval
from wstui.execution.calibrate.sink.sink_process import SinkProcess
from wstui.load.protocol import Pace
from wstui.load.selfcheck import raise_files_limit
from wstui.measure.format import grouped
from wstui.scenario.model import Scenario

SOURCE = Path(__file__).parent / "tools" / "client.c"
RATE = 4000.0
"""Round trips a second of all clients together: far below what one core can do."""
SATURATION = 200_000.0
"""More than one core can do."""
MEASURE_S = 10.0
PORTS = 10_000
OPENS_A_SECOND = 400
IDLE_S = 36_000.0


async def measure(alone: Sequence[int], together: Sequence[int]) -> None:
    """Print a table for one worker and C at each of `alone`, and one for as many workers as needed at `together`."""
    with tempfile.TemporaryDirectory(prefix="wstui-") as folder:
        program = await _compiled(Path(folder, "client"))
        rows = [["clients"]]
        for name in ("closed loop", "open loop, all it can", f"{RATE:g}/s"):
            rows[0] += [f"{name}: µs", "in C", "ratio"]
        rows[0] += ["all it can: round trips/s", "all that C can"]
        for clients in alone:
            print(f"{clients} clients in one worker (load {psutil.getloadavg()[0]:.1f})", file=sys.stderr)
            row = [grouped(clients)]
            for rate in (0.0, SATURATION, RATE):
                ours = await _worker(clients, rate)
                if rate == SATURATION:
                    most, rate = ours.rate, ours.rate  # C is cheaper still at a higher rate
                c = await _in_c(program, clients, rate)
                row += [f"{ours.trip_us:.1f}", f"{c.trip_us:.1f}", f"{ours.trip_us / c.trip_us:.2f}"]
            row += [grouped(most), grouped((await _in_c(program, clients, SATURATION)).rate)]
            rows.append(row)
    print(headline() + "\n")
    print("CPU of a round trip, one worker:\n")
    print(markdown(rows) + "\n")
    rows = [
        ["clients", "workers", "KiB a client", "idle, µs of CPU a client and second", f"round trip at {RATE:g}/s, µs"]
    ]
    for clients in together:
        print(f"{clients} clients (load {psutil.getloadavg()[0]:.1f})", file=sys.stderr)
        rows.append(await _all(clients))
    print("All workers of this machine:\n")
    print(markdown(rows))


async def _compiled(program: Path) -> Path | None:
    compiler = shutil.which("cc")
    if compiler is None:
        print("no C compiler (cc): without the comparison", file=sys.stderr)
        return None
    process = await asyncio.create_subprocess_exec(compiler, "-O2", "-o", str(program), str(SOURCE))
    return program if await process.wait() == 0 else None


@contextlib.asynccontextmanager
async def _open(clients: int) -> AsyncIterator[tuple[Bench, int]]:
    """Yield a bench with all clients ready and idle, and the bytes that its workers took for them."""
    workers = math.ceil(clients / max(1, int(raise_files_limit() * 0.75)))
    addresses = math.ceil(clients / PORTS)
    scenario = Scenario.model_validate(
        {
            "target": {"url": "ws://127.0.0.1:1/ws", "connect_timeout": 60.0},
            "messages": {"every": IDLE_S},
            "fleet": {"workers": workers, "local_addresses": [f"127.0.1.1-127.0.1.{addresses}"]},
        }
    )
    cores = Cores.apart() if workers == 1 else Cores()
    async with contextlib.AsyncExitStack() as stack:
        sinks = [await stack.enter_async_context(SinkProcess(core=cores.target)) for _ in range(workers)]
        bench = await stack.enter_async_context(Bench(scenario, cores, *sinks))
        before = bench.resident()
        opened = await bench.open(clients, timeout_s=60 + clients / OPENS_A_SECOND)
        await asyncio.sleep(3.0)
        yield bench, opened.resident - before


async def _during(bench: Bench, seconds: float = MEASURE_S) -> Interval:
    begin = await bench.read()
    await asyncio.sleep(seconds)
    return Interval(begin, await bench.read())


class _Cost(NamedTuple):
    """What a round trip took of the CPU, and how many there were in a second."""

    trip_us: float
    rate: float


async def _worker(clients: int, rate: float) -> _Cost:
    """Measure round trips; in a closed loop if the rate is 0."""
    gc.collect()
    async with _open(clients) as (bench, _):
        bench.tell(Pace(round(clients / rate * 1e9) if rate else 0))
        await asyncio.sleep(2.0)
        interval = await _during(bench)
    matched = interval.totals.counters.matched
    return _Cost(interval.cpu_us / max(1, matched), matched / interval.seconds)


async def _in_c(program: Path | None, clients: int, rate: float) -> _Cost:
    if program is None:
        return _Cost(math.nan, math.nan)
    cores = Cores.apart()
    async with SinkProcess(core=cores.target) as sink:
        address = urlsplit(sink.url)
        words = [str(address.hostname), str(address.port), str(clients), str(rate), str(MEASURE_S)]
        pinned = ["taskset", "-c", str(cores.worker)] if cores.worker is not None and shutil.which("taskset") else []
        process = await asyncio.create_subprocess_exec(*pinned, str(program), *words, stdout=asyncio.subprocess.PIPE)
        said, _ = await process.communicate()
    count, cpu_us = map(int, said.split())
    return _Cost(cpu_us / max(1, count), count / MEASURE_S)


async def _all(clients: int) -> list[str]:
    """Return the row of so many clients, over as many workers as they need."""
    async with _open(clients) as (bench, resident):
        idle = await _during(bench)
        bench.tell(Pace(round(clients / RATE * 1e9)))
        await asyncio.sleep(2.0)
        busy = await _during(bench, 2 * MEASURE_S)
        matched = busy.totals.counters.matched
        own = busy.cpu_us - idle.cpu_us * busy.seconds / idle.seconds
        return [
            grouped(clients),
            str(len(bench.pids)),
            f"{resident / 1024 / clients:.2f}",
            f"{idle.cpu_us / idle.seconds / clients:.2f}",
            f"{own / max(1, matched):.1f}",
        ]
