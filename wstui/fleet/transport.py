"""The operator's side of the wire: a seam small enough to have several answers (child processes, a cluster)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from wstui.load.command import Spec


class FleetError(Exception):
    """No load can be made; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Said:
    """A shard has sent a message."""

    shard: int
    message: bytes


@dataclass(frozen=True, slots=True)
class Lost:
    """A shard is gone; `reason` says what is known of it, and is empty when it ended as it should."""

    shard: int
    reason: str


class Transport(Protocol):
    """Starts shards, carries messages, notices when one is gone."""

    async def start(self, specs: list[Spec]) -> None:
        """Start one shard for each specification and hand it over. Raises FleetError."""
        ...

    def send(self, shard: int, message: bytes) -> None:
        """Hand a message to a shard. Never blocks; a shard that is gone gets nothing."""
        ...

    def events(self) -> AsyncIterator[Said | Lost]:
        """What the shards say and which are gone; ends when all are."""
        ...

    async def close(self, grace_s: float) -> None:
        """End what is still there: give it `grace_s` seconds, then kill it."""
        ...
