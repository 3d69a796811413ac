"""What the Odin server takes of its core for thousands of clients that listen: real NATS, and its publisher."""

from __future__ import annotations

import asyncio
import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.request import urlopen

import psutil

from tests.bench.output import headline, markdown
from wstui.execution.calibrate.bench import Bench, Cores, Interval
from wstui.odin.demo_system import DemoTarget
from wstui.scenario.model import Scenario

SETTLE_S = 3.0


@dataclass(frozen=True, slots=True)
class Served:
    """The server as the bench knows a target."""

    url: str
    pid: int


async def measure(clients: int, rates: Sequence[float], seconds: float) -> None:
    """Print a row for each rate: broadcasts a second besides the publisher's own plan, which makes 0.4."""
    head = ["broadcasts/s", "CPU, of one core", "by /stats", "memory, MiB", "deliveries/s by /stats", "received/s"]
    rows = [await _row(clients, rate, seconds) for rate in rates]
    print(headline() + "\n")
    print(markdown([head, *rows]) + f"\n\n{clients} clients that listen, for {seconds:g} s each.")


async def _row(clients: int, rate: float, seconds: float) -> list[str]:
    cores = Cores.apart()
    async with DemoTarget(None, (), ("--rate", str(rate))) as target:
        server = Served(target.ws_url, target.pids["server"])
        if cores.target is not None:
            psutil.Process(server.pid).cpu_affinity([cores.target])
        scenario = Scenario.model_validate(
            {
                "target": {"url": target.ws_url},
                "auth": {"kind": "token", "token": target.token},
                "messages": {"exchange": "listen"},
                "fleet": {"workers": 1},
            }
        )
        async with Bench(scenario, cores, server) as bench:
            await bench.open(clients)
            await asyncio.sleep(SETTLE_S)
            before, begin = await _stats(server), await bench.read()
            claimed = [(await asyncio.sleep(1.0, await _stats(server)))["processes"][0] for _ in range(round(seconds))]
            after, interval = await _stats(server), Interval(begin, await bench.read())
    published, delivered = (after["messages"][name] - before["messages"][name] for name in ("published", "delivered"))
    return [
        f"{published / interval.seconds:.1f}",
        f"{interval.target_cpu:.1%}",
        f"{statistics.mean(process['cpuPercent'] for process in claimed):.1f}%",
        f"{after['processes'][0]['rssBytes'] / 2**20:.0f}",
        f"{delivered / interval.seconds:,.0f}",
        f"{interval.totals.counters.received / interval.seconds:,.0f}",
    ]


async def _stats(server: Served) -> dict[str, Any]:
    address = server.url.replace("ws://", "http://").removesuffix("/ws") + "/stats"

    def ask() -> dict[str, Any]:
        with urlopen(address, timeout=10) as answer:
            stats: dict[str, Any] = json.load(answer)
            return stats

    return await asyncio.to_thread(ask)
