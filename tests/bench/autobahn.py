"""Autobahn's fuzzing server against our frame path: every case is one connection of a worker's engine.

The suite runs on Python 2.7 only (CPython or PyPy). It is installed into a folder that is kept (`--folder`) or thrown
away, with the last virtualenv that can make one for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, cast

from websockets.asyncio.client import connect

from tests.bench.output import headline, markdown
from tests.load.leading import led
from tests.servers.process import free_ports, listens, server_process
from tests.servers.server import until
from wstui.load.client import LoadClient
from wstui.load.context import MessageClient
from wstui.load.exchange import EXCHANGES, Exchange
from wstui.scenario.model import Messages, Scenario, Stage, Target

SUITE = ("autobahntestsuite==0.8.2", "autobahn==0.10.9")
SPEEDUP = "wsaccel==0.6.3"
"""Masks and checks UTF-8 in C. In Python the suite takes minutes for a message of 16 MiB; needs a C compiler."""
CASE_S = 480.0
"""The suite gives a case as long. Many of sections 9, 12 and 13 take minutes on a busy machine."""
VIRTUALENV = "virtualenv<20.22"
AGENT = "wstui"
FINE = ("OK", "NON-STRICT", "INFORMATIONAL")


class Mirror(Exchange):
    """Sends back what it hears, as the suite asks of clients, on the way that every message of the load takes."""

    last: tuple[int, bytes] = (0, b"")

    def receive(self, client: MessageClient, first: int, payload: bytes) -> None:
        self.last = first, payload
        cast(LoadClient, client).send()

    def compose(self, client: MessageClient, now_ns: int) -> tuple[int, bytes, int]:
        return *self.last, 0


async def measure(cases: Sequence[str], folder: str) -> int:
    """Run the cases and print the table. Return 0 when none failed, 1 when some did, 2 when it can't be had."""
    python = python_2()
    if not python:
        print("no Python 2.7 here (pypy, python2.7): Autobahn's fuzzing server needs one, install it or set PYTHON2")
        return 2
    with contextlib.ExitStack() as stack:
        where = Path(folder or stack.enter_context(tempfile.TemporaryDirectory(prefix="autobahn-"))).resolve()
        if why := installed(where, python):
            print(f"Autobahn's suite can't be installed for {python}: {why}")
            return 2
        async with served(where, cases) as url:
            told = await run_all(url, where)
    print(f"{headline()}\n\n{table(told)}")
    bad = {
        name: seen for name, seen in told.items() if seen["behavior"] not in FINE or seen["behaviorClose"] not in FINE
    }
    for name, seen in bad.items():
        print(f"{name}: {seen['behavior']}, close {seen['behaviorClose']}")
    return 1 if bad or not told else 0


def python_2() -> str:
    """A Python 2.7 that starts, or ""."""
    named = [os.environ.get("PYTHON2", ""), *(shutil.which(n) or "" for n in ("pypy", "pypy2", "python2.7", "python2"))]
    for path in [*named, *map(str, Path.home().glob(".pyenv/versions/*2.7*/bin/python2.7"))]:
        if path:
            asked = subprocess.run(
                [path, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True, check=False
            )
            if asked.stdout.strip() == b"(2, 7)":
                return path
    return ""


def installed(where: Path, python: str) -> str:
    """Install the suite, unless it is there; why it can't be, or ""."""
    if (where / "env/bin/wstest").exists():
        return ""
    tools = str(where / "tools")
    steps = (
        [sys.executable, "-m", "pip", "install", "-q", "--target", tools, VIRTUALENV],
        [sys.executable, "-m", "virtualenv", "-q", "-p", python, str(where / "env")],
        [str(where / "env/bin/pip"), "install", "-q", *SUITE],
    )
    for step in steps:
        environ = {**os.environ, "PYTHONPATH": tools} if step[2] == "virtualenv" else None
        done = subprocess.run(step, env=environ, capture_output=True, text=True, check=False)
        if done.returncode:
            return (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
    if subprocess.run([*steps[-1][:3], SPEEDUP], capture_output=True, check=False).returncode:
        print(f"{SPEEDUP} can't be installed: sections 9, 12 and 13 take long", file=sys.stderr)
    return ""


@contextlib.asynccontextmanager
async def served(where: Path, cases: Sequence[str]) -> AsyncIterator[str]:
    """The fuzzing server on a free port of loopback; its URL."""
    (port,) = free_ports(1)
    spec = {
        "url": f"ws://127.0.0.1:{port}",
        "outdir": str(where / "reports"),
        "cases": list(cases) or ["*"],
        "exclude-cases": [],
        "exclude-agent-cases": {},
    }
    (where / "spec.json").write_text(json.dumps(spec))
    command = [str(where / "env/bin/wstest"), "-m", "fuzzingserver", "-s", "spec.json"]
    with server_process(*command, folder=where, log=where / "wstest.log") as server:
        await until(lambda: listens(port) or server.poll() is not None)
        if server.poll() is not None:
            raise SystemExit(f"wstest ended: {(where / 'wstest.log').read_text().strip().splitlines()[-1]}")
        yield spec["url"]  # type: ignore[misc]


async def run_all(url: str, where: Path) -> dict[str, dict[str, Any]]:
    """Run every case, and return what the server says of each."""
    async with connect(f"{url}/getCaseCount", compression=None) as asked:
        count = int(await asked.recv())
    for number in range(1, count + 1):
        await _run(f"{url}/runCase?case={number}&agent={AGENT}")
        if not number % 25:
            print(f"{number} of {count} cases", file=sys.stderr, flush=True)
    async with connect(f"{url}/updateReports?agent={AGENT}", compression=None) as asked:
        with contextlib.suppress(Exception):
            await asked.recv()
    told: dict[str, dict[str, Any]] = json.loads((where / "reports/index.json").read_text())[AGENT]
    return told


async def _run(url: str) -> None:
    target = Target(
        url=url,
        ready="open",
        settle=0.0,
        health="off",
        strict=True,
        compression=True,
        max_size=1 << 26,
        connect_timeout=CASE_S,
        close_timeout=30.0,
    )
    asked = Scenario(
        target=target, stages=[Stage(name="case", over=CASE_S, clients=1)], messages=Messages(exchange="listen")
    )
    async with led(asked, clients=1) as running:
        c = running.all[0].counters
        with contextlib.suppress(AssertionError):
            await until(lambda: c.dropped + c.refused + c.failed + c.timed_out > 0 and not c.closing, CASE_S)


@contextlib.contextmanager
def mirrored() -> Any:
    """Clients that listen send back what they hear."""
    before = EXCHANGES["listen"]
    EXCHANGES["listen"] = Mirror
    try:
        yield
    finally:
        EXCHANGES["listen"] = before


def table(told: dict[str, dict[str, Any]]) -> str:
    """A row for each section: its cases by behaviour."""
    sections: dict[int, Counter[str]] = {}
    for name, seen in told.items():
        section = sections.setdefault(int(re.match(r"\d+", name)[0]), Counter())  # type: ignore[index]
        section[seen["behavior"]] += 1
        section["closed well"] += seen["behaviorClose"] in FINE
    kinds = sorted({kind for section in sections.values() for kind in section} - {"closed well"})
    rows = [["section", "cases", *kinds, "closed well"]]
    for number, section in sorted(sections.items()):
        cases = sum(section[kind] for kind in kinds)
        rows.append([str(number), str(cases), *(str(section[kind]) for kind in (*kinds, "closed well"))])
    totals = sum(sections.values(), Counter())
    rows.append(["all", str(len(told)), *(str(totals[kind]) for kind in (*kinds, "closed well"))])
    return markdown(rows)
