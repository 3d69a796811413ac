"""What grows with the clients of a host: memory by kind of object, collections, sweeps, snapshots, fan-out, drain."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import signal
import sys
import tempfile
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from tests.bench.measured_worker import FOLDER
from tests.bench.output import headline, markdown
from wstui.execution.calibrate.bench import Bench, Cores
from wstui.execution.calibrate.sink.sink_process import SinkProcess
from wstui.load.broadcasts import Broadcasts
from wstui.load.protocol import Drain
from wstui.load.selfcheck import raise_files_limit
from wstui.load.timer_wheel import TimerWheel
from wstui.measure.format import grouped
from wstui.scenario.model import Scenario

PORTS = 10_000
OPENS_A_SECOND, CLOSES_A_SECOND = 200, 100
FILES_USED = 0.75
MOST_A_PROCESS = 50_000
IDLE_S = 10.0
WINDOW_NS = 5_000_000_000
KINDS_SHOWN = 10
IN_WINDOW = 20
"""Broadcasts that are under way when a client leaves."""


@dataclass
class Spell:
    """What the workers counted together in some seconds: their CPU in ns; calls, CPU and longest call of each part."""

    seconds: float
    cpu_ns: int
    parts: dict[str, tuple[int, int, int]]

    def total_ns(self, part: str) -> int:
        return self.parts.get(part, (0, 0, 0))[1]

    def mean_us(self, part: str) -> float:
        calls, total_ns, _ = self.parts.get(part, (0, 0, 0))
        return total_ns / max(1, calls) / 1e3

    def longest_ms(self, part: str) -> float:
        return self.parts.get(part, (0, 0, 0))[2] / 1e6


@dataclass
class Grown:
    """So many clients: opened, idle, drained. `kinds`: objects and bytes a client; `resident`: bytes of it in all."""

    clients: int
    workers: int
    opening: Spell
    idle: Spell
    closing: Spell
    kinds: dict[str, tuple[float, float]]
    resident: float


class Reports:
    """What the measured workers write into the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._told = 0
        self._at = time.monotonic()
        self._cpu: dict[int, int] = {}

    async def next(self, pids: Sequence[int], *, ask: bool = True) -> tuple[Spell, list[dict[str, tuple[int, int]]]]:
        """Return what was counted since the last time, and the kinds of objects of each worker."""
        self._told += 1
        for pid in pids if ask else ():
            os.kill(pid, signal.SIGUSR1)
        paths = {pid: self._folder / f"{pid}.{self._told}.json" for pid in pids}
        while not all(path.exists() for path in paths.values()):
            await asyncio.sleep(0.02)
        found = {pid: json.loads(path.read_text()) for pid, path in paths.items()}
        at, self._at = self._at, time.monotonic()
        cpu_ns = sum(told["cpu_ns"] - self._cpu.get(pid, 0) for pid, told in found.items())
        self._cpu = {pid: told["cpu_ns_after"] for pid, told in found.items()}
        names = dict.fromkeys(name for told in found.values() for name in told["parts"])
        parts = {name: _added([told["parts"].get(name, (0, 0, 0)) for told in found.values()]) for name in names}
        return Spell(self._at - at, cpu_ns, parts), [told["kinds"] for told in found.values()]


def _added(counted: Sequence[Sequence[int]]) -> tuple[int, int, int]:
    calls, total_ns, longest_ns = zip(*counted, strict=True)
    return sum(calls), sum(total_ns), max(longest_ns)


async def measure(counts: Sequence[int]) -> None:
    """Print the tables."""
    grown = []
    for clients in counts:
        print(f"{clients} clients (load {psutil.getloadavg()[0]:.1f})", file=sys.stderr, flush=True)
        grown.append(await _grown(clients))
    print(headline() + "\n")
    print("Workers, with clients that open as fast as they can, are idle, and are drained:\n")
    print(markdown(_processes(grown)) + "\n")
    print("Memory of a client by kind of object, bytes (objects):\n")
    print(markdown(_memory(grown)) + "\n")
    print("One worker, by its clients:\n")
    print(markdown(_structures([math.ceil(each.clients / each.workers) for each in grown] + [MOST_A_PROCESS])))


async def _grown(clients: int) -> Grown:
    each = min(MOST_A_PROCESS, int(raise_files_limit() * FILES_USED) or MOST_A_PROCESS)
    workers = math.ceil(clients / each)
    scenario = Scenario.model_validate(
        {
            "target": {"url": "ws://127.0.0.1:1/ws", "connect_timeout": 60.0},
            "messages": {"every": 36_000.0},
            "fleet": {"workers": workers, "local_addresses": [f"127.0.1.1-127.0.1.{math.ceil(clients / PORTS)}"]},
        }
    )
    async with _bench(scenario, workers) as (bench, reports):
        pids = bench.pids
        _, before = await reports.next(pids)
        resident = bench.resident()
        opened = await bench.open(clients, timeout_s=60 + clients / OPENS_A_SECOND)
        seconds = time.monotonic() - reports._at
        await asyncio.sleep(2.0)
        opening, after = await reports.next(pids)
        opening.seconds = seconds
        await asyncio.sleep(IDLE_S)
        idle, _ = await reports.next(pids)
        began = time.monotonic()
        bench.tell(Drain(1_000_000_000))
        async with asyncio.timeout(60 + clients / CLOSES_A_SECOND):
            closing, _ = await reports.next(pids, ask=False)
        closing.seconds = time.monotonic() - began
    return Grown(
        clients,
        workers,
        opening,
        idle,
        closing,
        _kinds(before, after, clients),
        (opened.resident - resident) / clients,
    )


@contextlib.asynccontextmanager
async def _bench(scenario: Scenario, workers: int) -> AsyncIterator[tuple[Bench, Reports]]:
    async with contextlib.AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="wstui-"))
        os.environ[FOLDER] = folder
        sinks = [await stack.enter_async_context(SinkProcess()) for _ in range(workers)]
        bench = Bench(scenario, Cores(), *sinks, module="tests.bench.measured_worker")
        yield await stack.enter_async_context(bench), Reports(Path(folder))


Kinds = Sequence[dict[str, tuple[int, int]]]


def _kinds(before: Kinds, after: Kinds, clients: int) -> dict[str, tuple[float, float]]:
    """Return what a client has added, by kind."""

    def sums(all_told: Kinds, name: str, part: int) -> int:
        return sum(told[name][part] for told in all_told if name in told)

    names = dict.fromkeys(name for told in after for name in told)
    return {
        name: (
            (sums(after, name, 0) - sums(before, name, 0)) / clients,
            (sums(after, name, 1) - sums(before, name, 1)) / clients,
        )
        for name in names
    }


def _processes(grown: Sequence[Grown]) -> list[list[str]]:
    rows: list[tuple[str, Callable[[Grown], str]]] = [
        ("workers", lambda g: str(g.workers)),
        ("resident, KiB a client", lambda g: f"{g.resident / 1024:.2f}"),
        ("connects a second", lambda g: grouped(g.clients / g.opening.seconds)),
        ("CPU of a connect, µs", lambda g: f"{g.opening.cpu_ns / g.clients / 1e3:.0f}"),
        ("collections while connecting, share of the CPU", _collecting),
        ("longest full collection, ms", lambda g: f"{g.opening.longest_ms('full collection'):.1f}"),
        ("idle, µs of CPU a worker and second", lambda g: grouped(g.idle.cpu_ns / g.idle.seconds / g.workers / 1e3)),
        ("a tick, µs", lambda g: f"{g.idle.mean_us('tick'):.0f}"),
        ("  of it deadlines and the sweep of replies", lambda g: f"{g.idle.mean_us('deadlines and sweep'):.0f}"),
        ("  of it who should be there", lambda g: f"{g.idle.mean_us('who should be there'):.0f}"),
        ("longest tick, ms", lambda g: f"{g.idle.longest_ms('tick'):.1f}"),
        ("a snapshot, µs", lambda g: f"{g.idle.mean_us('snapshot'):.0f}"),
        ("closes a second", lambda g: grouped(g.clients / g.closing.seconds)),
        ("CPU of a close, µs", lambda g: f"{g.closing.cpu_ns / g.clients / 1e3:.0f}"),
        ("  of it looking for whom to close", lambda g: f"{g.closing.total_ns('drain') / g.clients / 1e3:.1f}"),
    ]
    return _table(grown, rows)


def _collecting(grown: Grown) -> str:
    spell = grown.opening
    return f"{(spell.total_ns('young collection') + spell.total_ns('full collection')) / max(1, spell.cpu_ns):.1%}"


def _memory(grown: Sequence[Grown]) -> list[list[str]]:
    largest = grown[-1].kinds
    names = sorted(largest, key=lambda name: -largest[name][1])[:KINDS_SHOWN]

    def cell(name: str, of: Grown) -> str:
        count, size = of.kinds.get(name, (0.0, 0.0))
        return f"{size:.0f} ({count:.1f})"

    rows: list[tuple[str, Callable[[Grown], str]]] = [(name, partial(cell, name)) for name in names]
    rows += [
        ("all others", lambda g: f"{sum(size for name, (_, size) in g.kinds.items() if name not in names):.0f}"),
        ("all objects", lambda g: f"{sum(size for _, size in g.kinds.values()):.0f}"),
        ("resident", lambda g: f"{g.resident:.0f}"),
    ]
    return _table(grown, rows)


def _table(grown: Sequence[Grown], rows: Sequence[tuple[str, Callable[[Grown], str]]]) -> list[list[str]]:
    head = ["clients", *(grouped(each.clients) for each in grown)]
    return [head, *([name, *(figure(each) for each in grown)] for name, figure in rows)]


def _structures(sizes: Sequence[int]) -> list[list[str]]:
    """What the structures of one worker cost that are as long as its clients are many."""
    rows = [["clients of the worker", *_STRUCTURES]]
    for clients in dict.fromkeys(sizes):
        first_ns, another_ns, leaving_ns = _window_ns(clients)
        rows.append(
            [
                grouped(clients),
                f"{first_ns / 1e3:.1f}",
                f"{another_ns:.0f}",
                f"{leaving_ns / 1e3:.2f}",
                f"{_held(clients, clients) / 1024:.0f}",
                f"{_held(clients, 1) / 1024:.1f}",
                f"{_timer_ns(clients):.0f}",
            ]
        )
    return rows


_STRUCTURES = (
    "first receipt, µs",
    "another, ns",
    "leaving, µs",
    "KiB of a broadcast",
    "KiB of a message to one",
    "timer, ns",
)


def _window_ns(clients: int) -> tuple[float, float, float]:
    """Return the time of the first receipt of a message, of another, and of a client's end while messages arrive."""
    window = _window(clients)
    at = iter(range(2_000_000_000, 3_000_000_000))
    texts = _texts()
    return (
        _each(texts, lambda text: window.first(0, b"price", text, next(at))),
        _each(range(1, clients), lambda slot: window.known(slot, texts[0], next(at))),
        _each(range(min(clients, 1000)), window.closed),
    )


def _window(clients: int) -> Broadcasts:
    window = Broadcasts(WINDOW_NS, {b"price": 0})
    for slot in range(clients):
        window.opened(slot, 0)
    window.first(0, b"price", b"an early one", 1_000_000_000)
    return window


def _texts() -> list[bytes]:
    return [b'{"type":"price","seq":%d}' % number for number in range(IN_WINDOW)]


def _each(items: Sequence[Any], call: Callable[[Any], Any]) -> float:
    began = time.thread_time_ns()
    for item in items:
        call(item)
    return (time.thread_time_ns() - began) / len(items)


def _held(clients: int, receivers: int) -> float:
    """Return the bytes that a message takes while its window is open."""
    window, texts = _window(clients), _texts()
    tracemalloc.start()
    for text in texts:
        window.first(0, b"price", text, 2_000_000_000)
        for slot in range(1, receivers):
            window.known(slot, text, 2_100_000_000)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return held / len(texts)


def _timer_ns(clients: int) -> float:
    """Return the time to plan a send and to take it out, of clients that send every 5 s."""
    wheel: TimerWheel[int] = TimerWheel()
    every_ns = WINDOW_NS
    began = time.thread_time_ns()
    for client in range(clients):
        wheel.add(client * every_ns // clients, client)
    while wheel.take(every_ns) is not None:
        pass
    return (time.thread_time_ns() - began) / clients
