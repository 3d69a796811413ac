"""What all connections of a server share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from wstui.odin.deadlines import Deadlines
from wstui.odin.http_router import Gate
from wstui.odin.hub import Hub
from wstui.odin.message_handler import Dialogue
from wstui.odin.server_settings import Settings
from wstui.odin.stats import Stats


class HalfOpen(Protocol):
    """A connection whose request is still to come."""

    def crowd_out(self) -> None:
        """Called when there are too many of them, and this is the one that has been at it for longest."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of the server that a connection needs; `half_open` is in the order in which they came."""

    loop: asyncio.AbstractEventLoop
    settings: Settings
    stats: Stats
    hub: Hub
    gate: Gate
    dialogue: Dialogue
    deadlines: Deadlines
    refused_by_fault: Callable[[], bool]
    half_open: dict[HalfOpen, None] = field(default_factory=dict)
