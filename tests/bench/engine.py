"""Our engine, with built-in exchanges and a conversation, next to Python's libraries and to k6, turn by turn."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import statistics
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import psutil

from tests.bench import peers
from tests.bench.clients import LIBRARIES
from tests.bench.output import headline, markdown
from tests.bench.tools import artillery, k6, locust, tsung
from wstui.execution.api import run
from wstui.execution.calibrate.bench import Bench, Cores, cpu_ns
from wstui.execution.calibrate.calibration import kernel_us
from wstui.execution.calibrate.sink.sink_process import SinkProcess
from wstui.load.protocol import Pace
from wstui.measure.format import grouped
from wstui.scenario.model import Scenario

CLOSED_LOOP_CLIENTS = 200
IDLE_CLIENTS = 2000
WINDOW_S, WINDOWS = 0.4, 6
WARM_UP_S = 1.0
_ROOT = str(Path(__file__).resolve().parents[2])


@dataclass
class Figures:
    """What was measured of one engine, turn by turn."""

    trip_us: list[float] = field(default_factory=list)
    trips_a_second: list[float] = field(default_factory=list)
    connect_us: list[float] = field(default_factory=list)
    client_kib: list[float] = field(default_factory=list)
    sink_cpu: list[float] = field(default_factory=list)


class Engine(Protocol):
    """A process that opens clients when told and then sends as fast as it gets answers."""

    pid: int

    async def open(self, clients: int) -> None: ...

    async def loop(self) -> None: ...


class Ours:
    """A worker."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.pid = bench.pids[0]

    async def open(self, clients: int) -> None:
        await self._bench.open(clients)

    async def loop(self) -> None:
        self._bench.tell(Pace(0))


class Theirs:
    """A process of `tests.bench.clients`."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self._process = process
        self._url = url
        self.pid = process.pid

    async def open(self, clients: int) -> None:
        self._say(f"open {self._url} {clients}")
        await self.hear("open")

    async def loop(self) -> None:
        self._say("loop")

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")

    async def hear(self, word: str) -> None:
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), 120)
        if not line.startswith(word.encode()):
            raise RuntimeError(f"the client process said {line!r} where {word!r} was expected")


STEPS = {
    "open": [
        {
            "json": {"user": "u{{client}}", "room": "r{{client}}", "token": "{{random hex 16}}"},
            "expect": {"user": "u{{client}}"},
            "capture": {"user": "user", "room": "room", "session": "token"},
        }
    ],
    "loop": [{"json": {"type": "say", "seq": "{{seq}}"}, "expect": {"type": "say", "seq": "{{seq}}"}}],
}
"""A conversation with a server that returns every message: three captures, then a round trip in each round."""
OURS: dict[str, dict[str, Any]] = {
    "wstui": {},
    "wstui, exchange = echo": {"messages": {"every": 3600.0, "exchange": "echo"}, "target": {"ready": "open"}},
    "wstui, a conversation": {"roles": [{"name": "member", **STEPS}]},
}


@contextlib.asynccontextmanager
async def start(name: str, sink: SinkProcess, cores: Cores) -> AsyncIterator[Engine]:
    """An engine as a process on its own core."""
    if name in OURS:
        tables: dict[str, Any] = {"messages": {"every": 3600.0}, "fleet": {"workers": 1}, "target": {}, **OURS[name]}
        scenario = Scenario.model_validate(tables | {"target": {**tables["target"], "url": sink.url}})
        async with Bench(scenario, cores, sink) as bench:
            yield Ours(bench)
        return
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.clients", name, cwd=_ROOT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        engine = Theirs(process, sink.url)
        await engine.hear("up")
        if cores.worker is not None:
            psutil.Process(process.pid).cpu_affinity([cores.worker])
        yield engine
    finally:
        process.kill()
        await process.wait()


async def _turn(name: str, cores: Cores, figures: Figures) -> None:
    mode = "odin" if name == "wstui" or name not in OURS else "echo"
    async with SinkProcess("--mode", mode, core=cores.target) as sink, start(name, sink, cores) as engine:
        await engine.open(CLOSED_LOOP_CLIENTS)
        await engine.loop()
        await asyncio.sleep(WARM_UP_S)
        for _ in range(WINDOWS):
            before = await sink.summary()
            cpu, at, sink_cpu = cpu_ns(engine.pid), time.monotonic(), cpu_ns(sink.pid)
            await asyncio.sleep(WINDOW_S)
            after = await sink.summary()
            seconds = time.monotonic() - at
            trips = after["replied"] - before["replied"]
            figures.trip_us.append((cpu_ns(engine.pid) - cpu) / 1e3 / trips)
            figures.trips_a_second.append(trips / seconds)
            figures.sink_cpu.append((cpu_ns(sink.pid) - sink_cpu) / 1e9 / seconds)
    async with SinkProcess("--mode", mode, core=cores.target) as sink, start(name, sink, cores) as engine:
        process = psutil.Process(engine.pid)
        await asyncio.sleep(0.3)
        cpu, resident = cpu_ns(engine.pid), process.memory_info().rss
        await engine.open(IDLE_CLIENTS)
        figures.connect_us.append((cpu_ns(engine.pid) - cpu) / 1e3 / IDLE_CLIENTS)
        await asyncio.sleep(0.5)
        figures.client_kib.append((process.memory_info().rss - resident) / 1024 / IDLE_CLIENTS)


async def beats(clients: int, seconds: float) -> str:
    """Let so many clients send a heartbeat each 25 s, from two workers; return what became of the heartbeats.

    Their times count from when each was due.
    """
    beat = {"name": "beat", "every": "25s", "json": {"n": "{{seq}}"}, "expect": {"n": "{{seq}}"}, "within": 1.0}
    # Two sinks hold them: a process has files for 20 000 at most here and there.
    async with SinkProcess("--mode", "echo") as sink, SinkProcess("--mode", "echo") as other:
        urls = ("one", sink.url), ("other", other.url)
        scenario = Scenario.model_validate(
            {
                "target": {"url": sink.url, "ready": "open"},
                "stages": [
                    {"name": "up", "over": clients / 2000, "clients": clients},
                    {"name": "hold", "over": seconds},
                ],
                "fleet": {"workers": 2},
                "roles": [{"name": name, "url": url, "heartbeats": [beat]} for name, url in urls],
            }
        )
        result = await run(scenario)
    rows = [step for step in result.steps if step.name == "beat"]
    begun, done, lost, late = (sum(getattr(row, name) for row in rows) for name in ("begun", "done", "lost", "late"))
    p99, slowest = (max(getattr(row.response_ms, name) or 0.0 for row in rows) for name in ("p99", "max"))
    return (
        f"{result.connections.ready} clients on two workers, a heartbeat each 25 s: "
        f"{done} of {begun} answered, {lost} lost, {late} late; from when due p99 {p99:.1f} ms, max {slowest:.1f} ms"
    )


async def testers() -> str:
    """Let k6 and the other load testers that are there hold the same conversation; return a table."""
    found = [(tool, tool.find()) for tool in (*k6.TOOLS, artillery.TOOL, tsung.TOOL, locust.TOOL)]
    cells = {
        f"{tool.name} {tool.version(program)}": await peers.conversation(tool, program)
        for tool, program in found
        if program is not None
    }
    missing = ", ".join(tool.name for tool, program in found if program is None) or "none"
    names = list(dict.fromkeys(name for figures in cells.values() for name in figures))
    rows = [["the same conversation", *names], *([tool, *(f.get(n, "–") for n in names)] for tool, f in cells.items())]
    return f"{markdown(rows) if cells else ''}\nLoad testers that are not there: {missing}."


async def measure(turns: int, ours: bool = False) -> None:
    """Measure every engine that is installed, `turns` times in alternation, and print a table."""
    cores = Cores.apart()
    others = [] if ours else [name for name, (package, _, _) in LIBRARIES.items() if importlib.util.find_spec(package)]
    names = [*OURS, *others]
    results = {name: Figures() for name in names}
    kernel = []
    for turn in range(turns):
        for name in names:
            print(f"turn {turn + 1} of {turns}: {name} (load {psutil.getloadavg()[0]:.1f})", file=sys.stderr)
            kernel.append(kernel_us())
            await _turn(name, cores, results[name])
    rows = [
        ["engine", "CPU a round trip, µs: median (least)", "round trips/s", "sink's core", "connect, µs of CPU",
         f"KiB a client at {IDLE_CLIENTS}"],
    ]  # fmt: skip
    for name, figures in results.items():
        package = "wstui" if name in OURS else LIBRARIES[name][0]
        rows.append(
            [
                f"{name} ({version(package)})",
                f"{statistics.median(figures.trip_us):.1f} ({min(figures.trip_us):.1f})",
                grouped(statistics.median(figures.trips_a_second)),
                f"{statistics.median(figures.sink_cpu):.0%}",
                f"{statistics.median(figures.connect_us):.0f} ({min(figures.connect_us):.0f})",
                f"{statistics.median(figures.client_kib):.1f}",
            ]
        )
    print(headline())
    print(
        f"{CLOSED_LOOP_CLIENTS} clients, closed loop; {turns} turns. The kernel's part of a round trip (one send and "
        f"one receive over loopback) here: {statistics.median(kernel):.1f} µs ({min(kernel):.1f}).\n"
    )
    print(markdown(rows))
    built_in, conversation = (statistics.median(results[name].trip_us) for name in [*OURS][1:])
    print(f"\nA conversation costs {conversation / built_in:.2f} times the built-in echo.")
    if not ours:
        print(await testers())
    print(await beats(20_000, 60.0))
