"""`wstui calibrate` on a small scale: it counts what the sink counts, and ends when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from tests.cli.commands import gone
from wstui.execution.calibrate.bench import Bench, Cores, Interval, Sample
from wstui.execution.calibrate.calibration import Figure, kernel_us
from wstui.execution.calibrate.sink.sink_process import SinkProcess
from wstui.fleet.transport import FleetError
from wstui.measure.snapshot import Totals
from wstui.scenario.model import Scenario

WAIT_S = 90


def scenario(url: str) -> Scenario:
    return Scenario.model_validate({"target": {"url": url}, "messages": {"every": 0.0}, "fleet": {"workers": 1}})


async def test_a_stretch_counts_round_trips_and_what_they_cost() -> None:
    async with SinkProcess() as sink, Bench(scenario(sink.url), Cores(), sink) as bench:
        begin = await bench.open(5)
        end = await bench.read()
        interval = Interval(begin, end)
        assert 0 < interval.totals.counters.matched <= (await sink.summary())["replied"]
        assert interval.cpu_us > 0
        assert interval.target_cpu > 0
        assert interval.other_cpu >= 0
        assert bench.resident() > 1 << 20
        pid = bench.pids[0]
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_what_other_programs_take_is_what_neither_worker_nor_target_does() -> None:
    begin = Sample(0, 0, 0, 0, Totals(), 0)
    for busy_s, others in ((1.9, 0.4), (1.0, 0.0)):
        interval = Interval(begin, Sample(10**9, 800_000_000, 700_000_000, 0, Totals(), int(busy_s * 1e9)))
        assert (interval.cpu, interval.target_cpu) == (0.8, 0.7)
        assert interval.other_cpu == pytest.approx(others)


async def test_clients_that_do_not_open_are_an_error_that_says_why() -> None:
    nobody = SimpleNamespace(url="ws://127.0.0.1:9/ws", pid=os.getpid())
    async with Bench(scenario(nobody.url), Cores(), nobody) as bench:
        with pytest.raises(FleetError, match="0 of 3 clients opened: connection refused"):
            await bench.open(3)


async def test_several_targets_have_a_worker_each() -> None:
    async with SinkProcess() as one, SinkProcess() as other, Bench(scenario(one.url), Cores(), one, other) as bench:
        reading = await bench.open(7)
        assert len(bench.pids) == 2
        assert reading.totals.counters.open == 7
        assert [(await sink.summary())["open"] for sink in (one, other)] == [4, 3]


@pytest.mark.parametrize(
    ("at_least", "values", "reached"), [(False, (7.0, 9.0, 8.0), True), (True, (7.0, 9.0, 8.0), False)]
)
def test_a_figure_is_judged_by_its_median(at_least: bool, values: tuple[float, ...], reached: bool) -> None:
    figure = Figure("name", "µs", values, goal=8.5, at_least=at_least)
    assert figure.median == 8.0
    assert figure.reached is reached


def test_the_kernels_part_is_some_microseconds() -> None:
    assert 0.1 < kernel_us() < 10_000


async def test_an_interrupt_ends_it_and_everything_it_started() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "wstui", "calibrate"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        # A shell that runs the tests in the background has told them to ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stderr is not None
    line = await asyncio.wait_for(process.stderr.readline(), WAIT_S)
    assert b"left)" in line
    async with asyncio.timeout(WAIT_S):
        while len(children := psutil.Process(process.pid).children()) < 2:
            await asyncio.sleep(0.02)
    process.send_signal(signal.SIGINT)
    try:
        _, errors = await asyncio.wait_for(process.communicate(), WAIT_S)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    assert process.returncode == 130
    assert b"Traceback" not in errors
    assert gone(children)


async def test_a_file_that_can_not_be_written_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "wstui", "calibrate", "--json", str(tmp_path / "none" / "file")),
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await asyncio.wait_for(process.communicate(), WAIT_S)
    assert process.returncode == 2
    assert errors.count(b"\n") == 1
