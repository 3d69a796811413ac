"""The operator's side of the wire: a seam small enough to have several answers (child processes, a cluster)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from wstui.fleet.host_facts import Facts
from wstui.load.protocol import Spec


class FleetError(Exception):
    """No load can be made; the text says why and what to do."""


class TargetUnreachable(FleetError):
    """The machines that are to make load are there, and find no target."""


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A worker has sent a message."""

    worker: int
    message: bytes


@dataclass(frozen=True, slots=True)
class Lost:
    """A worker is gone; `reason` says what is known of it, and is empty when it ended as it should.

    `at_ns` is when that was, on the monotonic clock of this side; 0 where only now is known.
    """

    worker: int
    reason: str
    at_ns: int = 0


@dataclass(frozen=True, slots=True)
class HostState:
    """Another machine that makes load, and the way to it.

    `workers` are its workers, those it has lost too; `reason` says why it is not `alive`. `heard_ns` is when it
    was last heard, on the monotonic clock of this side. `round_trip_ns` is that of the last command, from its sending
    to its acknowledgement. The monotonic clock there is `offset_ns` ± `uncertainty_ns` ahead of the one here, by these
    round trips. Figures are None before the first acknowledgement. `facts` are what it said of itself.
    """

    name: str
    workers: tuple[int, ...]
    alive: bool = True
    reason: str = ""
    heard_ns: int = 0
    round_trip_ns: int | None = None
    offset_ns: float | None = None
    uncertainty_ns: float | None = None
    facts: Facts | None = None


class Transport(Protocol):
    """Starts workers, carries messages, notices when one is gone. Workers have keys that are given with their start."""

    async def capacity(self, workers: int) -> int:
        """Make ready, and say how many workers there should be.

        `workers` are wanted on each machine that makes load, 0: as many as it has spare cores. Raises FleetError.
        """
        ...

    async def start(self, specs: Mapping[int, Spec]) -> None:
        """Start a worker for each key and hand it its specification. Raises FleetError.

        May be called again, for workers that take over from lost ones.
        """
        ...

    def send(self, worker: int, message: bytes) -> None:
        """Hand a message to a worker. Never blocks; a worker that is gone gets nothing."""
        ...

    def events(self) -> AsyncIterator[MessageReceived | Lost]:
        """What the workers say and which are gone, as long as somebody listens."""
        ...

    def hosts(self) -> Sequence[HostState]:
        """The machines that make load, in the order of their names; none where it is this one."""
        ...

    async def close(self, grace_s: float) -> None:
        """End what is still there: give it `grace_s` seconds, then kill it."""
        ...
