"""What many workers cost the operator's process: real Dask workers behind real pipes, workers that only talk."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import msgspec
import psutil

from tests.bench.fake_agent import FakeAgent, merged, realistic
from tests.bench.output import headline, markdown
from wstui.execution.run.commands import AbortRun
from wstui.execution.run.run import Run
from wstui.fleet.hosts import command_hosts
from wstui.fleet.totals import FleetTotals
from wstui.load.protocol import decode_message, encode
from wstui.measure.snapshot import Snapshot
from wstui.scenario.model import Fleet, Messages, Scenario, Stage, Target

START_S = 600.0
"""All hosts start on this machine."""
SETTLE_S = 3.0
MEASURE_S = 8.0
HOME = Path(__file__).parents[2]


@dataclass
class Cost:
    """Of so many workers: snapshots a second taken in; CPU of the operator's process and of all hosts, as shares of a
    core; the longest that the operator's loop stood still; how old the oldest word of a worker was at the end.
    """

    workers: int
    snapshots: float
    cpu: float
    hosts_cpu: float
    lag_ms: float
    age_s: float

    @property
    def keeps_up(self) -> bool:
        """Whether what was said was heard within a second."""
        return self.snapshots > 0.97 * 5 * self.workers and self.age_s < 1.0


@contextlib.contextmanager
def forking(behind: int) -> Iterator[str]:
    """Yield the command of a host; each speaks for `behind` workers. All are forked off one process."""
    with tempfile.TemporaryDirectory(prefix="wstui-") as folder:
        path = f"{folder}/hosts"
        command = [sys.executable, "-m", "tests.bench.forked_host", path]
        environ = {**os.environ, "MERGED": str(behind)}
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=HOME, env=environ) as process:
            assert process.stdin is not None and process.stdout is not None
            process.stdout.readline()
            try:
                yield f"exec:{sys.executable} -S -I {HOME / 'tests/bench/forked_host.py'} {path}"
            finally:
                process.stdin.close()


async def cost_of(workers: int, behind: int, hosts: int, command: str) -> Cost:
    """A run of so many workers that only talk, on so many hosts that `command` leads to; each speaks for `behind`."""
    count = min(hosts, workers)
    each = math.ceil(workers / count)
    workers = each * count
    # Each host looks whether the target accepts connections.
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    scenario = Scenario(
        target=Target(url=f"ws://127.0.0.1:{listener.getsockname()[1]}/", health="off"),
        stages=[Stage(name="hold", over=3600.0, clients=2000 * workers)],
        messages=Messages(every=0.4),
        fleet=Fleet(hosts=[f"{command} {number}" for number in range(count)], workers=each, python=sys.executable),
    )
    run = Run(scenario)
    running = asyncio.create_task(run.execute())
    try:
        while run.status.elapsed_s < SETTLE_S:
            await asyncio.sleep(0.1)
            if running.done():
                running.result()
        taken = _count(run)
        lag = asyncio.create_task(_longest_lag())
        processes = psutil.Process().children(recursive=True)
        began, cpu, hosts_cpu = time.monotonic(), time.process_time(), _used(processes)
        before = taken()
        await asyncio.sleep(MEASURE_S)
        seconds = time.monotonic() - began
        cpu_share, hosts_share = (time.process_time() - cpu) / seconds, (_used(processes) - hosts_cpu) / seconds
        snapshots = (taken() - before) / seconds
        lag.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await lag
        age_s = max(run.fleet.totals.age_s(worker) for worker in run.fleet.totals.latest())
        return Cost(workers, snapshots, cpu_share, hosts_share, _LAG[0] * 1e3, age_s)
    finally:
        listener.close()
        run.send(AbortRun())
        await asyncio.wait({running}, timeout=20)


def _used(processes: Sequence[psutil.Process]) -> float:
    times = [process.cpu_times() for process in processes]
    return sum(each.user + each.system for each in times)


_LAG = [0.0]


async def _longest_lag() -> None:
    _LAG[0] = 0.0
    while True:
        due = time.monotonic() + 0.01
        await asyncio.sleep(0.01)
        _LAG[0] = max(_LAG[0], time.monotonic() - due)


def _count(run: Run) -> Callable[[], int]:
    """How many snapshots have come, by their numbers."""
    return lambda: sum(snapshot.sequence for snapshot in run.fleet.totals.latest().values()) - run.fleet.totals.missed


def measure(counts: Sequence[int], behind: int = 1, hosts: int = 4) -> None:
    """Print the cost of each number of workers on `hosts` hosts, and where the operator's process would stop.

    With `behind`, as if each host added up so many of its workers before it reports: a tree of two levels.
    """
    mock.patch.object(command_hosts, "Agent", FakeAgent).start()
    mock.patch.object(command_hosts, "WORKER_S", START_S).start()
    os.environ["PYTHONPATH"] = str(HOME)
    size = len(encode(merged(behind)))
    rows = [
        [
            "workers",
            "snapshots/s",
            "of",
            "KB/s",
            "operator's CPU",
            "hosts' CPU",
            "loop lag max",
            "oldest word",
            "keeps up",
        ]
    ]
    found = []
    for workers in counts:
        gc.collect()
        with forking(behind) as command:
            cost = asyncio.run(cost_of(math.ceil(workers / behind), behind, hosts, command))
        found.append(cost)
        rows.append(
            [
                f"{cost.workers * behind}",
                f"{cost.snapshots:.0f}",
                f"{5 * cost.workers}",
                f"{cost.snapshots * size / 1e3:.0f}",
                f"{cost.cpu:.1%}",
                f"{cost.hosts_cpu:.1%}",
                f"{cost.lag_ms:.0f} ms",
                f"{cost.age_s:.2f} s",
                "yes" if cost.keeps_up else "no",
            ]
        )
        print(f"{workers} workers: {cost}", file=sys.stderr, flush=True)
    print(headline() + "\n")
    print(f"Snapshots of {size} bytes, five a second from each worker, {hosts} hosts on this machine.\n")
    print(markdown(rows))
    print("\n" + stops(found, behind))
    if behind > 1:
        print(f"A host that adds up {behind} workers takes {adding_cost(behind):.1%} of a core for it.")


def adding_cost(behind: int) -> float:
    """Return the share of a core that a host takes to decode, add up and encode the snapshots of its workers."""
    said, totals = [encode(realistic(worker % 5)) for worker in range(behind)], FleetTotals()
    began, rounds = time.process_time(), 25
    for _ in range(rounds):
        for worker, snapshot in enumerate(said):
            told = decode_message(snapshot)
            assert isinstance(told, Snapshot)
            totals.take(worker, told)
        totals.take_health()
        encode(msgspec.structs.replace(totals.latest()[0], totals=totals.sum(), types=totals.types()))
    return 5 * (time.process_time() - began) / rounds


def stops(found: Sequence[Cost], behind: int = 1) -> str:
    """Where a core is full, by the line through what was measured while it kept up."""
    sound = [cost for cost in found if cost.keeps_up]
    if len(sound) < 2:
        return "It kept up with too few of these to say where it stops."
    first, last = sound[0], sound[-1]
    each = (last.cpu - first.cpu) / (last.workers - first.workers)
    base = first.cpu - each * first.workers
    told = f"Each worker costs {each / behind:.4%} of a core, on top of {max(base, 0):.1%}: "
    return told + f"one core of the operator's is full at about {behind * (1 - base) / each:.0f} workers."
