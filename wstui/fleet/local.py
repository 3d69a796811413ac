"""Workers as child processes of the operator, over pipes."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import signal
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Collection, Mapping, Sequence

import psutil

from wstui.fleet.host_facts import cores, spare_cores
from wstui.fleet.transport import FleetError, HostState, Lost, MessageReceived
from wstui.load.pipe_link import LENGTH, LinkLost, read_message
from wstui.load.protocol import Spec, encode
from wstui.scenario.secrets import is_secret_header, secrets_in_url

STDERR_LINES = 20
REAP_S = 10.0
"""How long a killed process may take to go, on a machine without free CPU."""
LEAST_PRIORITY = 19


def _environment() -> dict[str, str]:
    """Return what workers inherit: no secrets, as their spec has those of the scenario, and a script could read others.

    Settings of Dask are withheld too: they contain a private key.
    """
    return {name: value for name, value in os.environ.items() if not _is_withheld(name, value)}


def _is_withheld(name: str, value: str) -> bool:
    return name.startswith("DASK_") or is_secret_header(name) or bool(secrets_in_url(value))


def give_way(pids: Collection[int]) -> None:
    """Lower the priority of processes that outnumber the cores, so that the operator's process is served in time."""
    if sys.platform != "win32" and len(pids) > cores():
        priority = min(psutil.Process().nice() + lower_by(len(pids) / cores()), LEAST_PRIORITY)
        for pid in pids:
            with contextlib.suppress(psutil.Error):
                psutil.Process(pid).nice(priority)


def lower_by(a_core: float) -> int:
    """Return by how much so many processes on each core must be lowered to get a quarter of what one above them gets.

    Each step of a nice value is a factor of 1.25 in processor time (sched(7)).
    """
    return math.ceil(math.log(4 * a_core, 1.25))


class LocalTransport:
    """One process `python -m MODULE` per worker. Its stdin closes when this process ends for any reason."""

    def __init__(self, module: str = "wstui.load") -> None:
        self._module = module
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._queue: asyncio.Queue[MessageReceived | Lost] = asyncio.Queue()
        self._readers: list[asyncio.Task[None]] = []
        self._errors: dict[int, deque[str]] = {}

    async def capacity(self, workers: int) -> int:
        return workers or spare_cores()

    async def start(self, specs: Mapping[int, Spec]) -> None:
        for worker, spec in specs.items():
            try:
                # Name all three streams: in a Textual app sys.stderr has no file descriptor to inherit.
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    self._module,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                    env=_environment(),
                )
            except OSError as error:
                raise FleetError(f"a worker can't be started: {error.strerror}") from error
            self._processes[worker] = process
            self._errors[worker] = deque(maxlen=STDERR_LINES)
            self._readers.append(asyncio.create_task(self._read(worker, process)))
            self.send(worker, encode(spec))
        give_way([process.pid for process in self._processes.values() if process.returncode is None])

    def pid(self, worker: int) -> int:
        return self._processes[worker].pid

    def send(self, worker: int, message: bytes) -> None:
        process = self._processes.get(worker)
        if process is None or process.returncode is not None or process.stdin is None:
            return
        if not process.stdin.is_closing():
            with contextlib.suppress(ConnectionError, OSError, RuntimeError):
                process.stdin.write(LENGTH.pack(len(message)) + message)

    async def events(self) -> AsyncIterator[MessageReceived | Lost]:
        while True:
            yield await self._queue.get()

    def hosts(self) -> Sequence[HostState]:
        return ()

    async def _read(self, worker: int, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        complaints = asyncio.create_task(self._read_errors(worker, process))
        with contextlib.suppress(LinkLost):
            while True:
                self._queue.put_nowait(MessageReceived(worker, await read_message(process.stdout)))
        code = await process.wait()
        at_ns = time.monotonic_ns()
        await asyncio.wait({complaints}, timeout=1)
        complaints.cancel()
        self._queue.put_nowait(Lost(worker, self._reason(worker, code), at_ns))

    async def _read_errors(self, worker: int, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        with contextlib.suppress(ValueError, ConnectionError):
            while line := await process.stderr.readline():
                self._errors[worker].append(line.decode("utf-8", "replace").rstrip())

    def _reason(self, worker: int, code: int) -> str:
        if code == 0:
            return ""
        last = next((line for line in reversed(self._errors[worker]) if line.strip()), "")
        how = ended_how(code)
        return f"{how}: {last}" if last else how

    async def close(self, grace_s: float) -> None:
        for process in self._processes.values():
            if process.stdin is not None:
                with contextlib.suppress(ConnectionError, OSError):
                    process.stdin.close()
        if self._readers:
            await asyncio.wait(self._readers, timeout=grace_s)
        for process in self._processes.values():
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
        if self._readers:
            _, stuck = await asyncio.wait(self._readers, timeout=REAP_S)
            for task in stuck:
                task.cancel()


def ended_how(code: int) -> str:
    """Return "ended with status 1", or "killed by SIGKILL" for a negative code."""
    if code >= 0:
        return f"ended with status {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
