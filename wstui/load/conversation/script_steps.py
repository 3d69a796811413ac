"""The rounds and named steps of a script, and how a step fails."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, Protocol

from wstui.load.conversation.conversation import Conversation
from wstui.load.conversation.conversation_state import LOOP, WAIT

_now = time.monotonic_ns


class StepFailed(Exception):
    """An awaited message did not come. `reason` is "timeout", "refused", "leaving" or "ended".

    A step ends with it: the script goes on after its block. Outside of a step it ends the script of this client.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _Held:
    def __await__(self) -> Generator[Any, bool, bool]:
        return (yield WAIT)


HELD = _Held()
"""What a script awaits until its worker goes on with it: False if what it waited for failed."""


class SteppingClient(Protocol):
    """A client of a script as its rounds and steps see it."""

    _talk: Conversation
    _step: ScriptStep | None

    def ready(self) -> None: ...
    def count(self) -> None: ...
    def _settle(self) -> None: ...


class ScriptRounds:
    """The rounds of a client: an asynchronous iterator over their numbers, from 0."""

    __slots__ = ("_client", "_count")

    def __init__(self, client: SteppingClient) -> None:
        self._client = client
        self._count = -1

    def __aiter__(self) -> ScriptRounds:
        return self

    async def __anext__(self) -> int:
        client = self._client
        talk = client._talk
        client._settle()
        client.ready()
        talk.finish_round()
        if talk.phase is not LOOP:
            raise StopAsyncIteration
        if talk.host.rounds.next(talk):
            await HELD
            if talk.phase is not LOOP:
                raise StopAsyncIteration
        talk.begin_round()
        client.count()
        self._count += 1
        return self._count


class ScriptStep:
    """A named part of a round, or of the way to it. `failed` says why it failed, "" if it did not.

    Its response time is from when it was due to the last message that it expected, without what it thought.
    """

    __slots__ = ("_began_ns", "_client", "_intended_ns", "answered_ns", "failed", "name", "thought_ns")

    def __init__(self, client: SteppingClient, name: str) -> None:
        self._client = client
        self._began_ns = self._intended_ns = 0
        self.answered_ns = 0
        self.thought_ns = 0
        self.name = name
        self.failed = ""

    def begin(self, now_ns: int) -> None:
        """Note the first message."""
        if not self._began_ns:
            self._began_ns = now_ns
            self._intended_ns = self._client._talk.intended_ns or now_ns

    async def __aenter__(self) -> ScriptStep:
        client = self._client
        client._settle()
        if client._step is not None:
            raise RuntimeError(f"step {self.name!r} begins inside step {client._step.name!r}: end that one first")
        client._step = self
        client._talk.replies.failure = ""
        client.count()
        client._talk.role.step(self.name).counts.begun += 1
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> bool:
        client, talk = self._client, self._client._talk
        client._step = None
        client._settle()
        tally = talk.role.step(self.name)
        counts = tally.counts
        # A connection that has ended closes the script with GeneratorExit.
        reason = "" if kind is None else error.reason if isinstance(error, StepFailed) else talk.replies.failure
        if reason in ("timeout", "dropped"):
            counts.lost += 1
            tally.response.record(max(0, _now() - self._intended_ns - self.thought_ns))
        elif kind is None or reason == "refused":
            counts.done += 1
            counts.failed += kind is not None
            if ended := self.answered_ns or (talk.context.now if reason else 0):
                tally.round_trip.record(max(0, ended - self._began_ns - self.thought_ns))
                tally.response.record(max(0, ended - self._intended_ns - self.thought_ns))
        else:
            counts.abandoned += 1
        if not isinstance(error, StepFailed):
            if isinstance(error, Exception):
                error.add_note(f"in step {self.name}")
            return False
        self.failed = error.reason
        talk.fail_round()
        return True
