"""One shard on a bench: led by hand, and measured from outside by what the kernel says of its process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self

import psutil

from wstui.execution.spec import spec_of
from wstui.fleet.fleet import Fleet
from wstui.fleet.local import LocalTransport
from wstui.fleet.sum import Sum
from wstui.fleet.transport import FleetError
from wstui.load.command import Abort, Command, Go, Ramp
from wstui.scenario.model import Scenario

_OPEN_TIMEOUT_S = 60.0


class Target(Protocol):
    """A server to measure against, in a process of its own."""

    @property
    def url(self) -> str:
        """Where its WebSocket is."""
        ...

    @property
    def pid(self) -> int:
        """Its process id."""
        ...


@dataclass(frozen=True, slots=True)
class Cores:
    """Who runs where; None: wherever the system likes."""

    shard: int | None = None
    target: int | None = None

    @classmethod
    def apart(cls) -> Cores:
        """Two different cores where this process may use two."""
        if hasattr(os, "sched_getaffinity"):
            usable = sorted(os.sched_getaffinity(0))
            if len(usable) > 1:
                return cls(shard=usable[-1], target=usable[0])
        return cls()


@dataclass(frozen=True, slots=True)
class Reading:
    """The state at one moment: what was counted, CPU time of the shard and of the target in ns, resident bytes."""

    at_ns: int
    cpu_ns: int
    target_cpu_ns: int
    resident: int
    sum: Sum


@dataclass(slots=True)
class Stretch:
    """What happened between two readings."""

    begin: Reading
    end: Reading
    sum: Sum = field(init=False)

    def __post_init__(self) -> None:
        self.sum = self.end.sum.since(self.begin.sum)

    @property
    def seconds(self) -> float:
        """How long it was."""
        return (self.end.at_ns - self.begin.at_ns) / 1e9

    @property
    def cpu_us(self) -> float:
        """The shard's CPU time in µs."""
        return (self.end.cpu_ns - self.begin.cpu_ns) / 1e3

    @property
    def cpu(self) -> float:
        """The shard's share of a core."""
        return self.cpu_us / 1e6 / self.seconds

    @property
    def target_cpu(self) -> float:
        """The target's share of a core."""
        return (self.end.target_cpu_ns - self.begin.target_cpu_ns) / 1e9 / self.seconds


class Bench:
    """`async with Bench(scenario, target, cores) as bench`: a shard that has started and does nothing yet."""

    def __init__(self, scenario: Scenario, target: Target, cores: Cores) -> None:
        self._target = target
        self._cores = cores
        self._transport = LocalTransport()
        self._spec = spec_of(scenario)
        self._fleet = Fleet(self._transport, lambda _shard, _reason, _at_ns: None)

    async def __aenter__(self) -> Self:
        try:
            await self._fleet.start([self._spec])
        except BaseException:
            await self._fleet.close()
            raise
        if self._cores.shard is not None:
            psutil.Process(self.pid).cpu_affinity([self._cores.shard])
        return self

    async def __aexit__(self, *_: object) -> None:
        self.tell(Abort())
        await self._fleet.ended(5.0)
        await self._fleet.close()

    @property
    def pid(self) -> int:
        """The shard's process id."""
        return self._transport.pid(0)

    def resident(self) -> int:
        """Resident bytes of the shard."""
        return int(psutil.Process(self.pid).memory_info().rss)

    def tell(self, *commands: Command) -> None:
        """Give the shard commands."""
        for command in commands:
            self._fleet.send(command)

    async def open(self, clients: int) -> Reading:
        """Open `clients` as fast as it goes; the reading at which all are ready. Raises FleetError."""
        self.tell(Go(), Ramp(clients, 0))
        deadline = time.monotonic() + _OPEN_TIMEOUT_S
        while (reading := await self.read()).sum.counters.open < clients:
            counters = reading.sum.counters
            if counters.refused + counters.failed + counters.timed_out or time.monotonic() > deadline:
                causes = "; ".join(f"{group.message} ({group.count} times)" for group in self._fleet.failures())
                raise FleetError(f"{counters.open} of {clients} clients opened: {causes or 'it took too long'}")
        return reading

    async def read(self) -> Reading:
        """The state at the shard's next snapshot, and its CPU time at that moment. Raises FleetError."""
        before = self._fleet.sum().at_ns
        while (now := self._fleet.latest().get(0)) is None or now.at_ns == before:
            if self._fleet.lost:
                raise FleetError(f"the load process was lost: {self._fleet.lost[0]}")
            await asyncio.sleep(0.002)
        return self.reading()

    def reading(self) -> Reading:
        """The state now, with what the last snapshot had counted."""
        cpu, target_cpu, at_ns = cpu_ns(self.pid), cpu_ns(self._target.pid), time.monotonic_ns()
        return Reading(at_ns, cpu, target_cpu, self.resident(), self._fleet.sum())


def cpu_ns(pid: int) -> int:
    """CPU time (user + system) of a process so far, to the nanosecond where the kernel tells that."""
    with contextlib.suppress(OSError, ValueError):
        tasks = Path("/proc", str(pid), "task")
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir())
    times = psutil.Process(pid).cpu_times()
    return int((times.user + times.system) * 1e9)
