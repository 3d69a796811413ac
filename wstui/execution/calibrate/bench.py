"""A test rig for workers: steered by hand, and measured from outside by the kernel's figures of their processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self

import psutil
from msgspec.structs import replace

from wstui.execution.run.compile import shares_of
from wstui.fleet.fleet import WorkerFleet
from wstui.fleet.local import LocalTransport
from wstui.fleet.transport import FleetError
from wstui.load.protocol import Abort, Command, Go, Ramp
from wstui.measure.snapshot import Snapshot, Totals
from wstui.scenario.model import Scenario

OPEN_TIMEOUT_S = 60.0


class BenchTarget(Protocol):
    """A server to measure against, in a process of its own."""

    @property
    def url(self) -> str: ...

    @property
    def pid(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Cores:
    """The cores of worker and target; None: not pinned."""

    worker: int | None = None
    target: int | None = None

    @classmethod
    def apart(cls) -> Cores:
        """Return two different cores if this process may use two."""
        if hasattr(os, "sched_getaffinity"):
            usable = sorted(os.sched_getaffinity(0))
            if len(usable) > 1:
                return cls(worker=usable[-1], target=usable[0])
        return cls()


@dataclass(frozen=True, slots=True)
class Sample:
    """The state at one moment: totals, CPU time of workers and targets in ns, resident bytes of the workers.

    `busy_ns` is the CPU time of every process here except this one.
    """

    at_ns: int
    cpu_ns: int
    target_cpu_ns: int
    resident: int
    totals: Totals
    busy_ns: int


@dataclass(slots=True)
class Interval:
    """The difference between two samples."""

    begin: Sample
    end: Sample
    totals: Totals = field(init=False)

    def __post_init__(self) -> None:
        self.totals = self.end.totals - self.begin.totals

    @property
    def seconds(self) -> float:
        return (self.end.at_ns - self.begin.at_ns) / 1e9

    @property
    def cpu_us(self) -> float:
        """Return the workers' CPU time in µs."""
        return (self.end.cpu_ns - self.begin.cpu_ns) / 1e3

    @property
    def cpu(self) -> float:
        """Return the CPU use of all workers, as a share of one core."""
        return self.cpu_us / 1e6 / self.seconds

    @property
    def target_cpu(self) -> float:
        """Return the CPU use of all targets, as a share of one core."""
        return self.target_cpu_us / 1e6 / self.seconds

    @property
    def target_cpu_us(self) -> float:
        """Return the targets' CPU time in µs."""
        return (self.end.target_cpu_ns - self.begin.target_cpu_ns) / 1e3

    @property
    def other_cpu(self) -> float:
        """Return the CPU use of other programs, as a share of one core; the system counts in hundredths of a second."""
        busy_us = (self.end.busy_ns - self.begin.busy_ns) / 1e3
        return max(0.0, busy_us / 1e6 / self.seconds - self.cpu - self.target_cpu)


class Bench:
    """`async with Bench(scenario, cores, target) as bench`: a worker that has started and is idle.

    With several targets each gets a worker, and they share the clients. A worker is the program `module`.
    """

    def __init__(self, scenario: Scenario, cores: Cores, *targets: BenchTarget, module: str = "wstui.load") -> None:
        self._targets = targets
        self._cores = cores
        self._transport = LocalTransport(module)
        self._specs = [
            replace(spec, connect=replace(spec.connect, url=target.url))
            for spec, target in zip(shares_of(scenario, len(targets)), targets, strict=True)
        ]
        self._fleet = WorkerFleet(self._transport, lambda _worker, _reason, _at_ns: None)

    async def __aenter__(self) -> Self:
        try:
            await self._fleet.start(self._specs)
        except BaseException:
            await self._fleet.close()
            raise
        if self._cores.worker is not None and self._cores.target is not None:
            # Several workers need more than one core.
            usable = [self._cores.worker] if len(self.pids) == 1 else [self._cores.worker, self._cores.target]
            for pid in self.pids:
                psutil.Process(pid).cpu_affinity(usable)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.tell(Abort())
        await self._fleet.ended(5.0)
        await self._fleet.close()

    @property
    def pids(self) -> list[int]:
        """Return the process ids of the workers."""
        return [self._transport.pid(worker) for worker in range(len(self._targets))]

    def resident(self) -> int:
        """Return the resident bytes of the workers."""
        return sum(int(psutil.Process(pid).memory_info().rss) for pid in self.pids)

    def tell(self, *commands: Command) -> None:
        """Send commands to the workers."""
        for command in commands:
            self._fleet.send(command)

    async def open(self, clients: int, timeout_s: float = OPEN_TIMEOUT_S) -> Sample:
        """Open `clients` as fast as possible; return the sample at which all are ready. Raises FleetError."""
        self.tell(Go(), Ramp(clients, 0))
        deadline = time.monotonic() + timeout_s
        while (reading := await self.read()).totals.counters.open < clients:
            counters = reading.totals.counters
            if counters.refused + counters.failed + counters.timed_out or time.monotonic() > deadline:
                causes = "; ".join(f"{group.message} ({group.count} times)" for group in self._fleet.totals.failures())
                raise FleetError(f"{counters.open} of {clients} clients opened: {causes or 'it took too long'}")
        return reading

    def latest(self) -> Snapshot:
        """Return the first worker's last snapshot."""
        return self._fleet.totals.latest()[0]

    async def read(self) -> Sample:
        """Return a sample at the first worker's next snapshot. Raises FleetError."""
        before = self._fleet.totals.latest().get(0)
        while (now := self._fleet.totals.latest().get(0)) is None or now is before:
            if self._fleet.totals.lost:
                break
            await asyncio.sleep(0.002)
        return self.reading()

    def reading(self) -> Sample:
        """Return a sample now, with the totals of the last snapshot. Raises FleetError if a worker was lost."""
        for worker, reason in self._fleet.totals.lost.items():
            raise FleetError(f"worker {worker} was lost: {reason}")
        try:
            cpu, at_ns = sum(map(cpu_ns, self.pids)), time.monotonic_ns()
            target_cpu = sum(cpu_ns(target.pid) for target in self._targets)
            return Sample(at_ns, cpu, target_cpu, self.resident(), self._fleet.totals.sum(), busy_ns())
        except psutil.NoSuchProcess as error:
            raise FleetError(f"process {error.pid} has ended in the middle of a measurement") from error


def busy_ns() -> int:
    """Return the CPU time of all processors so far, except that of this process."""
    times = psutil.cpu_times()
    # A guest's time is part of the user's.
    idle = sum(getattr(times, name, 0.0) for name in ("idle", "iowait", "guest", "guest_nice"))
    return int((sum(times) - idle) * 1e9) - time.process_time_ns()


def cpu_ns(pid: int) -> int:
    """Return the CPU time (user + system) of a process so far, in nanoseconds if the kernel counts them."""
    with contextlib.suppress(OSError, ValueError):
        tasks = Path("/proc", str(pid), "task")
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir())
    times = psutil.Process(pid).cpu_times()
    return int((times.user + times.system) * 1e9)
