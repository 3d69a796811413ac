"""What the parts of a client's conversation know of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol

from wstui.load.client import LoadClient
from wstui.load.context import WorkerContext
from wstui.load.conversation.program import WorkerRole
from wstui.load.conversation.timers import Timers
from wstui.load.reply_matcher import Head


class Phase(IntEnum):
    OPEN = 0
    LOOP = 1
    LEAVE = 2
    ENDED = 3


OPEN, LOOP, LEAVE, ENDED = Phase


class _Wait:
    """What our own awaitables yield."""


WAIT = _Wait()


@dataclass(slots=True)
class StreamState:
    """An answer that comes in parts: since when it is waited for, its last part, and until when its audio plays."""

    since_ns: int = 0
    last_ns: int = 0
    played_ns: int = 0

    def end(self) -> None:
        self.since_ns = self.last_ns = self.played_ns = 0


class Transmit(Protocol):
    """Turns a payload into a frame, and those that follow it into further ones of the same write."""

    def __call__(self, first: int, payload: bytes, more: Sequence[tuple[int, bytes]] = ..., /) -> None: ...


class ConversationState(Protocol):
    """A conversation as its replies, heartbeats, rounds and meetings see it."""

    client: LoadClient
    context: WorkerContext
    role: WorkerRole
    number: int
    phase: Phase
    values: list[Any]
    head: Head
    live: Timers
    transmit: Transmit
    seq: int
    sent_ns: int
    intended_ns: int  # when the next message is due; 0: as soon as it may
    behind_ns: int
    free_ns: int  # since when nothing but the schedule keeps the client from sending
    next_ns: int
    wake_ns: int
    awaits_round: bool

    def resume(self, value: bool | None) -> None: ...
    def wake(self, due_ns: int, late_from_ns: int) -> None: ...
    def turns(self) -> int: ...
    def leave_meeting(self) -> None: ...
