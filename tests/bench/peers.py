"""Load testers side by side, each judged by what the sink saw of it and by what /proc says of its processes."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import statistics
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil

from tests.bench.output import headline, markdown
from tests.bench.process_tree import Sample, Tree
from tests.bench.tools import TOOLS, Order, Report, Tool
from tests.bench.truth import enveloped, planned, quantiles, stamped
from wstui.execution.calibrate.bench import Cores
from wstui.execution.calibrate.calibration import kernel_us
from wstui.execution.calibrate.sink.message_log import SinkLog
from wstui.execution.calibrate.sink.sink_process import SinkProcess
from wstui.measure.format import grouped

SAMPLE_S = 0.4
PATIENCE_S = 45.0
CLOSED_CLIENTS = 200


@dataclass(frozen=True)
class Observation:
    """One run of one tool."""

    asked: int
    samples: list[Sample]
    log: SinkLog
    status: str
    report: Report

    def steady(self) -> list[tuple[Sample, Sample]]:
        """Neighbouring samples from the time in which most clients were open, its edges left out."""
        most = max((sample.sink["open"] for sample in self.samples), default=0)
        inside = [sample for sample in self.samples if most and sample.sink["open"] >= 0.9 * most][2:-2]
        return list(itertools.pairwise(inside))

    def connects_per_second(self) -> float | None:
        """How fast connections opened, the first and the last tenth left out."""
        times = sorted(self.log.opened_ns)
        tenth = len(times) // 10
        if tenth < 2:
            return None
        span = times[-tenth - 1] - times[tenth]
        return (len(times) - 2 * tenth) / span * 1e9 if span else None


async def observe(
    tool: Tool,
    program: str,
    clients: int,
    every_s: float,
    seconds: float,
    ramp_s: float,
    *sink_options: str,
    talks: bool = False,
) -> Observation:
    """Let a tool make a load against a sink of its own, and watch both."""
    cores = Cores.apart()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "sink.log"
        async with SinkProcess("--mode", "echo", "--log", str(file), *sink_options, core=cores.target) as sink:
            order = Order(sink.url, clients, every_s, seconds, ramp_s, folder, talks)
            command = tool.command(program, order)
            status, samples, console = await _watch(tool, command, sink, order, cores)
        log = SinkLog.decode(file.read_bytes())
        try:
            report = tool.report(folder, console)
        except (KeyError, ValueError, OSError) as error:
            report = Report(said=f"its report can't be read ({error!r}); it said {console.strip()[-80:]!r}")
        return Observation(clients, samples, log, status, report)


async def _watch(
    tool: Tool, command: list[str], sink: SinkProcess, order: Order, cores: Cores
) -> tuple[str, list[Sample], str]:
    console = order.folder / "console.txt"
    daemons = _daemons()
    with console.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=order.folder,
            env={**os.environ, **tool.environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            # Before the program begins: threads that it had started already would keep both cores.
            preexec_fn=None if cores.worker is None else partial(os.sched_setaffinity, 0, {cores.worker}),
        )
        tree = Tree(process.pid)
        samples: list[Sample] = []
        ended = asyncio.create_task(process.wait())
        patience = order.seconds + order.ramp_s + PATIENCE_S
        begun = asyncio.get_running_loop().time()
        status = "killed: did not end"
        while asyncio.get_running_loop().time() - begun < patience:
            with contextlib.suppress(psutil.Error):
                summary = await sink.summary()
                samples.append(tree.sample({k: v for k, v in summary.items() if isinstance(v, int)}))
            await asyncio.wait({ended}, timeout=SAMPLE_S)
            if ended.done():
                status = str(ended.result())
                break
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await ended
        for daemon in _daemons() - daemons:
            with contextlib.suppress(psutil.Error):
                psutil.Process(daemon).terminate()
    return status, samples, console.read_text(errors="replace")


def _daemons() -> set[int]:
    """Erlang's name servers, which a Tsung run starts and leaves behind."""
    return {process.pid for process in psutil.process_iter(["name"]) if process.info["name"] == "epmd"}


# -- cases -----------------------------------------------------------------------------------------------------


async def closed(tool: Tool, program: str) -> dict[str, str]:
    """As many round trips as one core gives, from 200 clients."""
    return await _as_many_as_go(tool, program, "round trips", talks=False)


async def conversation(tool: Tool, program: str) -> dict[str, str]:
    """The same after a login, with numbered messages whose answers are matched by their numbers."""
    return await _as_many_as_go(tool, program, "conversation rounds", talks=True)


async def _as_many_as_go(tool: Tool, program: str, what: str, *, talks: bool) -> dict[str, str]:
    seen = await observe(tool, program, CLOSED_CLIENTS, 0.0, 8.0, 1.0, talks=talks)
    costs, rates, own, others = [], [], [], []
    for first, last in seen.steady():
        if trips := last.sink["replied"] - first.sink["replied"]:
            seconds, cpu_s = last.at - first.at, (last.cpu_ns - first.cpu_ns) / 1e9
            costs.append(cpu_s * 1e6 / trips)
            rates.append(trips / seconds)
            own.append(cpu_s / seconds)
            others.append((last.sink["cpu_ns"] - first.sink["cpu_ns"]) / 1e9 / seconds)
    if not costs:
        return {f"{what}/s": f"none; {seen.report.said}"}
    return {
        f"{what}/s: median (most)": f"{grouped(statistics.median(rates))} ({grouped(max(rates))})",
        f"{what}, µs of CPU each: median (least)": f"{statistics.median(costs):.1f} ({min(costs):.1f})",
        f"{what}: its core": f"{statistics.median(own):.0%}",
        f"{what}: sink's core": f"{statistics.median(others):.0%}",
        f"{what}: it says": seen.report.said,
    }


async def memory(tool: Tool, program: str) -> dict[str, str]:
    """Clients that hardly speak: what they weigh, how fast they opened, and whether all did."""
    cells: dict[str, str] = {}
    weights = {}
    for clients in (2000, 5000):
        seen = await observe(tool, program, clients, 5.0, 12.0, 1.0)
        held = [s.memory for s in seen.samples if s.sink["open"] >= 0.9 * clients]
        weights[clients] = statistics.median(held) if held else None
        weight = weights[clients]
        rate = seen.connects_per_second()
        cells[f"asked {clients}: opened"] = f"{seen.log.counts['opened']}"
        cells[f"MiB at {clients}"] = f"{weight / 2**20:.0f}" if weight else "–"
        cells[f"KiB a client at {clients}"] = f"{weight / 1024 / clients:.1f}" if weight else "–"
        cells[f"connects/s at {clients}"] = grouped(rate) if rate else "–"
    if weights[2000] and weights[5000]:
        cells["KiB each further client"] = f"{(weights[5000] - weights[2000]) / 1024 / 3000:.1f}"
    return cells


async def _accuracy(tool: Tool, program: str, name: str, *options: str) -> dict[str, str]:
    seen = await observe(tool, program, 1000, 1.0, 12.0, 2.0, "--record", *options)
    log = seen.log
    ours = tool.name == "wstui"
    trips = quantiles(planned(log, 1_000_000_000) if ours else stamped(log))
    schedule = quantiles(planned(log, 1_000_000_000) if ours else enveloped(log, 1_000_000_000))
    return {
        f"{name}: messages": f"{len(log.key)}",
        f"{name}: true, as sent": _quantiles(trips),
        f"{name}: true, as due": _quantiles(schedule),
        f"{name}: it says": _quantiles(seen.report.latency),
        f"{name}: status": seen.status,
    }


async def delay(tool: Tool, program: str) -> dict[str, str]:
    """Every reply after 5 ms."""
    return await _accuracy(tool, program, "5 ms", "--delay", "0.005")


async def stall(tool: Tool, program: str) -> dict[str, str]:
    """One stall of 2 s in the middle."""
    return await _accuracy(tool, program, "stall", "--stall", "2", "--stall-at", "7")


async def lost(tool: Tool, program: str) -> dict[str, str]:
    """One reply in a hundred never comes."""
    seen = await observe(tool, program, 200, 1.0, 12.0, 1.0, "--lose", "0.01", "--seed", "7")
    return {
        "lost: really": f"{seen.log.counts['lost']} of {seen.log.counts['received']}",
        "lost: it says": seen.report.said,
        "lost: status": seen.status,
    }


async def reset(tool: Tool, program: str) -> dict[str, str]:
    """Every connection is reset once."""
    seen = await observe(tool, program, 200, 1.0, 10.0, 1.0, "--reset-at", "6")
    return {
        "reset: opened": f"{seen.log.counts['opened']}",
        "reset: it says": seen.report.said,
        "reset: status": seen.status,
    }


_RUN = {
    "closed": closed,
    "conversation": conversation,
    "memory": memory,
    "delay": delay,
    "stall": stall,
    "lost": lost,
    "reset": reset,
}


def _quantiles(latency: Mapping[str, float | None]) -> str:
    return " / ".join(
        f"{name} {_ms(value)}" if name == "mean" else _ms(value)
        for name in ("mean", "p50", "p95", "p99", "max")
        if (value := latency.get(name)) is not None or name in latency
    )


def _ms(value: float | None) -> str:
    if value is None:
        return "n/a"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


async def measure(cases: Sequence[str], wanted: Iterable[str]) -> None:
    """Run the cases with every tool that is there and whose name holds one of `wanted`; print one table each."""
    patterns = [name.lower() for name in wanted]
    chosen = [tool for tool in TOOLS if not patterns or any(pattern in tool.name.lower() for pattern in patterns)]
    missing = [tool.name for tool in chosen if tool.find() is None]
    results: dict[str, dict[str, str]] = {}
    kernel = [kernel_us()]
    for tool in chosen:
        program = tool.find()
        if program is None:
            continue
        cells = results[f"{tool.name} {tool.version(program)}"] = {}
        for case in cases:
            print(f"{tool.name}: {case} (load {psutil.getloadavg()[0]:.1f})", file=sys.stderr, flush=True)
            cells.update(await _RUN[case](tool, program))
        kernel.append(kernel_us())
    print(headline())
    print(
        f"Every tool has one core, the sink the other. Kernel's part of a round trip: {min(kernel):.1f} µs. "
        f"Latencies in ms: p50 / p95 / p99 / max. Not there: {', '.join(missing) or 'none'}.\n"
    )
    # What they say in words would make every column of the figures as wide as itself.
    told = {name for cells in results.values() for name in cells if name.split(":")[0] in ("lost", "reset")}
    figures = {tool: {k: v for k, v in cells.items() if k not in told} for tool, cells in results.items()}
    if any(figures.values()):
        print(markdown(_table(figures)) + "\n")
    if told:
        names = [name for name in next(iter(results.values())) if name in told]
        print(markdown([["", *names], *([tool, *(c.get(n, "–") for n in names)] for tool, c in results.items())]))


def _table(results: dict[str, dict[str, str]]) -> list[list[str]]:
    """One column a tool, one row a figure."""
    figures = list(dict.fromkeys(name for cells in results.values() for name in cells))
    rows = [["", *results]]
    rows.extend([name, *(cells.get(name, "–") for cells in results.values())] for name in figures)
    return rows
