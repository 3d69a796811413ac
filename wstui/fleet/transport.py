"""The interface to workers: child processes here, or workers on other hosts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from wstui.fleet.host_facts import Facts
from wstui.load.protocol import Spec


class FleetError(Exception):
    """No load can be made; the text says why and how to fix it."""


class TargetUnreachable(FleetError):
    """The hosts are up, but cannot reach the target."""


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A message from a worker."""

    worker: int
    message: bytes


@dataclass(frozen=True, slots=True)
class Lost:
    """A worker has ended; `reason` is empty if it ended as it should.

    `at_ns` is the time on our monotonic clock; 0: unknown, take now.
    """

    worker: int
    reason: str
    at_ns: int = 0


@dataclass(frozen=True, slots=True)
class HostState:
    """A remote host that makes load.

    `workers` includes lost ones; `reason` says why it is not `alive`, or why one that appeared late can't be used.
    `last_message_ns` is the time of its last message on our monotonic clock. `round_trip_ns` is that of the last
    command until its acknowledgement. Its monotonic clock is `offset_ns` ± `uncertainty_ns` ahead of ours, the widest
    that its workers were told: stamps were made by that. Figures are None before the first acknowledgement. A lost host
    had been silent for `silent_s`.
    """

    name: str
    workers: tuple[int, ...]
    alive: bool = True
    reason: str = ""
    last_message_ns: int = 0
    round_trip_ns: int | None = None
    offset_ns: float | None = None
    uncertainty_ns: float | None = None
    facts: Facts | None = None
    silent_s: float = 0.0


class Transport(Protocol):
    """Starts workers under given numbers, carries messages, and notices losses."""

    async def capacity(self, workers: int) -> int:
        """Prepare, and return how many workers to start. Raises FleetError.

        `workers` is the number wanted on each host, 0: one per spare core.
        """
        ...

    async def start(self, specs: Mapping[int, Spec]) -> None:
        """Start a worker for each spec; called again to replace lost ones. Raises FleetError."""
        ...

    def send(self, worker: int, message: bytes) -> None:
        """Send a message to a worker without blocking; ignored if it has ended."""
        ...

    def events(self) -> AsyncIterator[MessageReceived | Lost]: ...

    def hosts(self) -> Sequence[HostState]:
        """Return the remote hosts by name; empty if this machine makes the load."""
        ...

    async def close(self, grace_s: float) -> None:
        """End the remaining workers: give them `grace_s` seconds, then kill them."""
        ...
