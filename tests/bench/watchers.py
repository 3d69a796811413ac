"""What those who watch cost the load: a headless run with 0, 1 and 10 attached, and 10 that each watch a client.

The cases take turns within one run, so that what else the machine does falls on all of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import subprocess
import sys
import time
from itertools import count
from typing import Any

import psutil

from tests.bench.output import headline, markdown
from wstui.control.link import local
from wstui.control.registry import Entry, entries
from wstui.control.remote_run import RemoteRun
from wstui.execution.calibrate.sink.sink_process import SinkProcess
from wstui.execution.run.client_watches import WatchedLines

CLIENTS = 200
GOAL = 0.02
CASES = {
    "nobody": (0, False),
    "1 attached": (1, False),
    "10 attached": (10, False),
    "10, each watches a client": (10, True),
}
_WINDOW_S = 2.0


async def measure(rounds: int) -> bool:
    """Print each case; return whether nobody is surely slower than the goal."""
    async with SinkProcess() as sink:
        options = ("--clients", str(CLIENTS), "--ramp", "1s", "--hold", "1h", "--every", "50ms", "--health", "off")
        command = [sys.executable, "-m", "wstui", "run", "quick", "--url", sink.url, *options]
        command += ["--no-probe", "--no-store", "--no-thresholds", "--workers", "1", "--quiet"]
        run = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            entry = await _begun(run.pid)
            costs: dict[str, list[float]] = {name: [] for name in CASES}
            leads: dict[str, list[float]] = {name: [] for name in CASES}
            for turn in range(rounds):
                names = list(CASES)
                for name in names[turn % len(names) :] + names[: turn % len(names)]:
                    cost, lead = await asyncio.to_thread(_window, entry, *CASES[name])
                    costs[name].append(cost)
                    leads[name].append(lead)
        finally:
            run.kill()
            run.wait()
    rows = [["who watches", "CPU of the worker for a message, µs", "more", "CPU of the leading process", ""]]
    good, alone = True, costs["nobody"]
    for name, found in costs.items():
        ratios = [cost / plain - 1 for cost, plain in zip(found, alone, strict=True)]
        more = statistics.median(ratios)
        error = 1.2533 * statistics.stdev(ratios) / len(ratios) ** 0.5
        kept = more - 2 * error <= GOAL
        good = good and kept
        led = f"{statistics.median(leads[name]):.1%} of a core"
        rows.append(
            [name, f"{statistics.median(found):.2f}", f"{more:+.1%} ± {2 * error:.1%}", led, "✓" if kept else "✗"]
        )
    print(headline() + "\n")
    print(markdown(rows) + f"\n\nMedians of rounds, ± two standard errors; good: not surely above {GOAL:.0%}.")
    return good


async def _begun(pid: int) -> Entry:
    for _ in count():
        if found := [entry for entry in entries() if entry.pid == pid]:
            with contextlib.closing(RemoteRun(local(found[0]), "bench", read_only=True)) as run:
                await asyncio.to_thread(run.await_status, lambda status: status.counters.open == CLIENTS)
            return found[0]
        await asyncio.sleep(0.1)
    raise AssertionError


def _window(entry: Entry, watchers: int, clients: bool) -> tuple[float, float]:
    """Return the worker's CPU in µs a message, and the share of a core that the leading process takes."""
    lead = psutil.Process(entry.pid)
    attached = [RemoteRun(local(entry), f"watcher {number}") for number in range(watchers)]
    watched = [WatchedLines(run, number) for number, run in enumerate(attached)] if clients else []
    for one in watched:
        one.renew()
    first = _sent(entry), _cpu(lead.children(recursive=True)), _cpu([lead])
    time.sleep(_WINDOW_S)
    last = _sent(entry), _cpu(lead.children(recursive=True)), _cpu([lead])
    for run in attached:
        run.close()
    sent, workers, leading = (b - a for a, b in zip(first, last, strict=True))
    return workers * 1e6 / max(1, sent), leading / _WINDOW_S


def _cpu(processes: list[Any]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def _sent(entry: Entry) -> int:
    with contextlib.closing(RemoteRun(local(entry), "bench", read_only=True)) as run:
        return run.status.counters.sent
