"""The operator's side of the wire: a seam small enough to have several answers (child processes, a cluster)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from wstui.fleet.hosts.host_facts import Facts
from wstui.load.protocol import Spec


class FleetError(Exception):
    """No load can be made; the text says why and what to do."""


class TargetUnreachable(FleetError):
    """The machines that are to make load are there, and find no target."""


@dataclass(frozen=True, slots=True)
class Said:
    """A shard has sent a message."""

    shard: int
    message: bytes


@dataclass(frozen=True, slots=True)
class Lost:
    """A shard is gone; `reason` says what is known of it, and is empty when it ended as it should.

    `at_ns` is when that was, on the monotonic clock of this side; 0 where only now is known.
    """

    shard: int
    reason: str
    at_ns: int = 0


@dataclass(frozen=True, slots=True)
class Box:
    """Another machine that makes load, and the way to it.

    `shards` are its load processes, those it has lost too; `reason` says why it is not `alive`. `heard_ns` is when it
    was last heard, on the monotonic clock of this side. `round_trip_ns` is that of the last command, from its sending
    to its acknowledgement. The monotonic clock there is `offset_ns` ± `uncertainty_ns` ahead of the one here, by these
    round trips. Figures are None before the first acknowledgement. `facts` are what it said of itself.
    """

    name: str
    shards: tuple[int, ...]
    alive: bool = True
    reason: str = ""
    heard_ns: int = 0
    round_trip_ns: int | None = None
    offset_ns: float | None = None
    uncertainty_ns: float | None = None
    facts: Facts | None = None


class Transport(Protocol):
    """Starts shards, carries messages, notices when one is gone. Shards have keys that are given with their start."""

    async def room(self, shards: int) -> int:
        """Make ready, and say how many shards there should be.

        `shards` are wanted on each machine that makes load, 0: as many as it has spare cores. Raises FleetError.
        """
        ...

    async def start(self, specs: Mapping[int, Spec]) -> None:
        """Start a shard for each key and hand it its specification. Raises FleetError.

        May be called again, for shards that take over from lost ones.
        """
        ...

    def send(self, shard: int, message: bytes) -> None:
        """Hand a message to a shard. Never blocks; a shard that is gone gets nothing."""
        ...

    def events(self) -> AsyncIterator[Said | Lost]:
        """What the shards say and which are gone, as long as somebody listens."""
        ...

    def boxes(self) -> Sequence[Box]:
        """The machines that make load, in the order of their names; none where it is this one."""
        ...

    async def close(self, grace_s: float) -> None:
        """End what is still there: give it `grace_s` seconds, then kill it."""
        ...
