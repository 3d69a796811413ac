"""However it ends: the terminal is given back, clients leave in order, the result is told and kept, nothing is left."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

import psutil
import pytest

from tests.cli.commands import gone
from tests.servers.server import Server, until
from tests.servers.talk import Losing, Stubborn
from tests.tui.real_run import CLIENTS, RunTerminal, real_run
from wstui.report.store.store import Store, StoredRun

BROKEN = """
from wstui.tui.dashboard.dashboard_screen import Dashboard
poll = Dashboard.poll
def broken(self, *, charts=False):
    if self.session.status.counters.matched > 50:
        raise ZeroDivisionError("a widget failed")
    poll(self, charts=charts)
Dashboard.poll = broken
"""


def kept(folder: Path) -> StoredRun:
    """The only run in the store."""
    with Store(folder / "runs.db") as store:
        (run,) = store.runs()
        return run


async def drained(server: Server, at: RunTerminal, folder: Path, children: list[psutil.Process]) -> tuple[int, str]:
    """What holds after every end but a kill."""
    status, after = await at.ended()
    await until(lambda: server.ends["close 1000"] == CLIENTS)
    await until(lambda: gone(children))
    assert not server.ends["lost"]
    assert "Latency, ms" in after and "kept as run 1" in after
    assert kept(folder).state == "finished" and kept(folder).summary.messages.received > 0
    return status, after


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda number: number.name)
async def test_a_signal_drains_a_real_run(tmp_path: Path, number: signal.Signals) -> None:
    async with Server() as server, real_run(server, tmp_path) as at:
        children = at.children()
        at.process.send_signal(number)
        status, after = await drained(server, at, tmp_path, children)
        assert status == 130 and "DRAINED" in after and "Traceback" not in after


async def test_a_widget_that_fails_costs_neither_the_clients_nor_the_result(tmp_path: Path) -> None:
    async with Server() as server, real_run(server, tmp_path, program=BROKEN) as at:
        children = at.children()
        status, after = await drained(server, at, tmp_path, children)
        assert status == 130 and "the terminal UI failed: ZeroDivisionError: a widget failed" in after


async def test_a_worker_that_dies_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    async with Server() as server, real_run(server, tmp_path, "--workers", "2") as at:
        children = at.children()
        workers = [child for child in children if "wstui.load" in " ".join(child.cmdline())]
        assert len(workers) == 2
        workers[0].kill()
        await at.shows(rb"GENERATOR-LIMITED")
        await until(lambda: len(server.live) == CLIENTS // 2)
        at.press("q")
        await at.shows(rb"Keep running")
        at.press("d")
        status, after = await at.ended()
        await until(lambda: gone(children))
        assert server.ends["close 1000"] == CLIENTS // 2
        assert status == 130 and "1 of 2 workers lost" in after
        assert kept(tmp_path).summary.generator.workers_lost == 1


async def test_the_death_of_every_worker_ends_the_run_and_the_result_is_shown(tmp_path: Path) -> None:
    async with Server() as server, real_run(server, tmp_path, "--workers", "1") as at:
        children = at.children()
        for child in children:
            child.kill()
        await at.shows(rb"all workers were lost")
        at.press("q")
        _, after = await at.ended()
        await until(lambda: gone(children))
        assert "all workers were lost" in after
        assert kept(tmp_path).state == "finished"


async def test_a_frozen_terminal_costs_no_sample_and_the_screen_catches_up(tmp_path: Path) -> None:
    async with Server() as server, real_run(server, tmp_path, "--json", str(tmp_path / "result.json")) as at:
        at.freeze()
        heard = server.messages["ping"]
        # The screen writes more than a terminal holds long before: five messages a second from each client go on.
        await until(lambda: server.messages["ping"] > heard + CLIENTS * 5 * 6)
        seen = len(at.seen)
        at.thaw()
        await until(lambda: len(at.seen) > seen + 1000)
        at.press(" ")
        await at.shows(rb"PAUSED")
        at.press("q")
        await at.shows(rb"Keep running")
        at.press("d")
        status, _ = await at.ended()
        assert status == 130
        result = json.loads((tmp_path / "result.json").read_text())
        at_s = [row["at_s"] for row in result["timeline"]]
        assert at_s == sorted(at_s) and len(at_s) >= 5
        assert all(row["replies"] > 0 for row in result["timeline"][1:6])
        assert result["messages"]["sent"] == server.messages["ping"] and not result["messages"]["timed_out"]


async def test_a_terminal_that_is_closed_says_so_more_than_once_and_the_run_still_drains(tmp_path: Path) -> None:
    async with Losing(every=2) as server, real_run(server, tmp_path, "--timeout", "4s") as at:
        await until(lambda: server.messages["ping"] > CLIENTS)
        children = at.children()
        at.close()  # the kernel sends the first SIGHUP
        for _ in range(20):
            if at.process.poll() is None:
                at.process.send_signal(signal.SIGHUP)
            await asyncio.sleep(0.05)
        await until(lambda: at.process.poll() is not None)
        await until(lambda: not server.live and gone(children))
        assert server.ends == {"close 1000": CLIENTS}
    seen = kept(tmp_path)
    assert seen.state == "finished" and seen.summary.messages.timed_out > 0


async def test_a_second_sigterm_aborts_a_run_that_drains(tmp_path: Path) -> None:
    async with Stubborn() as server, real_run(server, tmp_path) as at:
        at.process.send_signal(signal.SIGTERM)
        await at.shows(rb"ctrl\+c drops them")
        at.process.send_signal(signal.SIGTERM)
        await at.ended()
    assert kept(tmp_path).state == "finished"
