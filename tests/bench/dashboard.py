"""What the dashboard costs the load: one worker, while the dashboard beside it draws and while it is stopped.

Windows of both kinds take turns within one run, so that what else the machine does falls on both. The worker
has a core of its own where there are two; the sink and the dashboard share the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import statistics
import sys
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import psutil

from tests.bench.output import headline, markdown
from tests.terminal import start_on_pty
from tests.tui.cost import PLAY, PLAY_IN
from wstui.execution.calibrate.bench import Bench, Cores, Interval
from wstui.execution.calibrate.sink.sink_process import SinkProcess
from wstui.scenario.model import Scenario

COLUMNS, ROWS = 200, 50
GOAL = 0.02
CLIENTS, MANY = 200, 5000
_WINDOW_S = 0.5
_WARM_UP_S = 3.0


class Dashboard:
    """A dashboard at work in a terminal: every figure changes with each picture."""

    def __init__(self, core: int | None) -> None:
        self._process, self._master = start_on_pty(PLAY, size=(COLUMNS, ROWS), env=PLAY_IN)
        if core is not None:
            psutil.Process(self._process.pid).cpu_affinity([core])
        self._reader = threading.Thread(target=self._drain)
        self._reader.start()

    def _drain(self) -> None:
        """Read what is drawn, as a terminal does, until the program has ended."""
        with contextlib.suppress(OSError):
            while os.read(self._master, 1 << 16):
                pass

    def draw(self, wanted: bool) -> None:
        """Let it draw, or stop it where it is."""
        self._process.send_signal(signal.SIGCONT if wanted else signal.SIGSTOP)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        os.close(self._master)


@dataclass
class Pairs:
    """Costs in µs per operation, each pair taken one after the other."""

    plain: list[float]
    drawn: list[float]

    @property
    def more(self) -> tuple[float, float]:
        """By what share an operation costs more beside a dashboard: the median of the pairs, and its standard error.

        The error of a median is 1.2533 times that of a mean (for values that scatter normally).
        """
        ratios = [drawn / plain - 1 for plain, drawn in zip(self.plain, self.drawn, strict=True)]
        return statistics.median(ratios), 1.2533 * statistics.stdev(ratios) / len(ratios) ** 0.5


async def measure(pairs: int) -> bool:
    """Print each operation with and without the dashboard. Returns whether the goal is kept everywhere."""
    cores = Cores.apart()
    dashboard = Dashboard(cores.target)
    try:
        await asyncio.sleep(_WARM_UP_S)
        found = {
            f"a round trip, {CLIENTS} clients": await _steady(dashboard, cores, pairs, "odin", 0.0, "matched"),
            f"a broadcast of 200 bytes, {CLIENTS} clients": await _steady(
                dashboard, cores, pairs, "listen", 1.0, "received", "--broadcast", "250"
            ),
            f"a connect, {MANY} clients": await _connects(dashboard, cores, max(2, pairs // 2)),
        }
    finally:
        dashboard.close()
    rows = [["CPU of the worker for", "alone, µs", f"beside a {COLUMNS}×{ROWS} dashboard", "more", ""]]
    good = True
    for name, costs in found.items():
        more, error = costs.more
        kept = more - 2 * error <= GOAL
        good = good and kept
        rows.append(
            [
                name,
                f"{statistics.median(costs.plain):.2f}",
                f"{statistics.median(costs.drawn):.2f}",
                f"{more:+.1%} ± {2 * error:.1%}",
                "✓" if kept else "✗",
            ]
        )
    print(headline() + "\n")
    print(markdown(rows) + f"\n\nMedians of pairs, ± two standard errors; good: not surely above {GOAL:.0%}.")
    return good


def _turns(pairs: int) -> Iterator[bool]:
    """Whether the dashboard draws: both orders, so that a drift falls on both."""
    for pair in range(pairs):
        yield from (False, True) if pair % 2 == 0 else (True, False)


def _scenario(url: str, exchange: str, every: float) -> Scenario:
    return Scenario.model_validate(
        {"target": {"url": url}, "messages": {"exchange": exchange, "every": every}, "fleet": {"workers": 1}}
    )


async def _steady(
    dashboard: Dashboard, cores: Cores, pairs: int, exchange: str, every: float, counted: str, *options: str
) -> Pairs:
    costs = Pairs([], [])
    print(f"{exchange}: about {2 * pairs * (_WINDOW_S + 0.3) + _WARM_UP_S:.0f} s", file=sys.stderr)
    async with AsyncExitStack() as stack:
        sink = await stack.enter_async_context(SinkProcess(*options, core=cores.target))
        bench = await stack.enter_async_context(Bench(_scenario(sink.url, exchange, every), cores, sink))
        await bench.open(CLIENTS)
        await asyncio.sleep(_WARM_UP_S)
        for draws in _turns(pairs):
            dashboard.draw(draws)
            begin = await bench.read()
            await asyncio.sleep(_WINDOW_S)
            interval = Interval(begin, await bench.read())
            cost = interval.cpu_us / max(1, getattr(interval.totals.counters, counted))
            (costs.drawn if draws else costs.plain).append(cost)
    return costs


async def _connects(dashboard: Dashboard, cores: Cores, pairs: int) -> Pairs:
    costs = Pairs([], [])
    print(f"connects: about {2 * pairs * 3:.0f} s", file=sys.stderr)
    for draws in _turns(pairs):
        dashboard.draw(draws)
        async with AsyncExitStack() as stack:
            sink = await stack.enter_async_context(SinkProcess(core=cores.target))
            bench = await stack.enter_async_context(Bench(_scenario(sink.url, "listen", 1.0), cores, sink))
            interval = Interval(bench.reading(), await bench.open(MANY))
        (costs.drawn if draws else costs.plain).append(interval.cpu_us / MANY)
    return costs
