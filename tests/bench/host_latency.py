"""Two hosts behind real ssh, each in a network namespace: how long commands take, and whether snapshots are lost."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.output import headline, markdown
from tests.cli.commands import gone
from tests.fleet import namespaces
from tests.fleet.hosts import family, nothing_left, on_hosts, use_fake_ssh
from tests.servers.server import Server, until
from wstui.execution.run.commands import AbortRun
from wstui.execution.run.run import Run

COMMANDS = 300
CLIENTS = 100
EVERY_S = 0.1


def measure(*, namespaced: bool) -> None:
    """Print the figures."""
    reason = namespaces.missing() if namespaced else "as asked"
    with tempfile.TemporaryDirectory() as folder:
        if reason:
            print(f"through a stand-in for ssh on this machine ({reason})")
            with pytest.MonkeyPatch.context() as patch:
                use_fake_ssh(patch, Path(folder))
                asyncio.run(_measure(None))
        else:
            print("through OpenSSH, each host in a network namespace of its own")
            with namespaces.hosts(Path(folder)) as made, _cleaned():
                asyncio.run(_measure(made))


@contextlib.contextmanager
def _cleaned() -> Iterator[None]:
    with nothing_left(lambda: [process for kind in family().values() for process in kind]):
        yield


async def _measure(made: tuple[list[namespaces.Namespace], Path] | None) -> None:
    rows = [["", "figure"]]
    async with Server(host="127.0.0.1" if made is None else "0.0.0.0") as server:
        scenario = on_hosts(server.url, "host1", "host2", clients=CLIENTS, every=EVERY_S)
        if made is not None:
            server.host = made[0][0].here
            target = scenario.target.model_copy(update={"url": server.url})
            fleet = scenario.fleet.model_copy(update={"ssh_config": str(made[1])})
            scenario = scenario.model_copy(update={"target": target, "fleet": fleet})
        run = Run(scenario)
        began = time.monotonic()
        running = asyncio.create_task(run.execute())
        try:
            await until(lambda: running.done() or len(run.fleet.totals.latest()) == 2, 60)
            assert not running.done(), running.result()
            rows.append(["until both stream", f"{time.monotonic() - began:.2f} s"])
            await until(lambda: run.status.counters.open == CLIENTS, 30)
            links = list(run.fleet._transport._links.values())  # type: ignore[attr-defined]
            took = []
            for turn in range(COMMANDS):
                sent = time.perf_counter()
                await links[turn % 2]._agent.tell([])
                took.append((time.perf_counter() - sent) * 1e3)
                await asyncio.sleep(0.02)
            took.sort()
            rows.append(
                [f"a command until its acknowledgement, p50 of {COMMANDS}", f"{statistics.median(took):.2f} ms"]
            )
            rows.append(["the same, p99", f"{took[int(len(took) * 0.99)]:.2f} ms"])
            heard = sum(snapshot.sequence for snapshot in run.fleet.totals.latest().values())
            rows.append(["snapshots that never came", f"{run.fleet.totals.missed} of {heard}"])
            worker = family()["worker"][0]
            began = time.monotonic()
            worker.kill()
            await until(lambda: run.fleet.totals.lost, 10)
            rows.append(["a killed worker is known after", f"{(time.monotonic() - began) * 1e3:.0f} ms"])
            left = family()["worker"]
            began = time.monotonic()
            for process in left:
                process.kill()
            await until(lambda: len(run.fleet.totals.lost) == 2, 10)
            rows.append(["a killed agent is known after", f"{(time.monotonic() - began) * 1e3:.0f} ms"])
            await until(lambda: gone(family()["worker"]), 10)
            rows.append(["and its load is gone after", f"{time.monotonic() - began:.2f} s"])
        finally:
            run.send(AbortRun())
            await asyncio.wait({running}, timeout=20)
    print(headline() + "\n")
    print(markdown(rows))
