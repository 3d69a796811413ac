"""The rounds and named steps of a script, and how a step fails."""

from __future__ import annotations

import re
import time
from collections.abc import Generator, Iterable, Mapping
from functools import lru_cache
from typing import Any, Protocol

from wstui.load.compiled_matcher import ANY, Known, Match, check_of
from wstui.load.conversation.conversation import Conversation
from wstui.load.conversation.conversation_state import LOOP, WAIT
from wstui.load.reply_matcher import ReplyMatcher
from wstui.load.role_spec import ConditionSpec
from wstui.scenario.conversation.conditions import conditions_of

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

    _conversation: Conversation
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
        conversation = client._conversation
        client._settle()
        client.ready()
        conversation.finish_round()
        if conversation.phase is not LOOP:
            raise StopAsyncIteration
        if conversation.host.rounds.next(conversation):
            await HELD
            if conversation.phase is not LOOP:
                raise StopAsyncIteration
        conversation.begin_round()
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
            self._intended_ns = self._client._conversation.intended_ns or now_ns

    async def __aenter__(self) -> ScriptStep:
        client = self._client
        client._settle()
        if client._step is not None:
            raise RuntimeError(f"step {self.name!r} begins inside step {client._step.name!r}: end that one first")
        client._step = self
        client._conversation.replies.failure = ""
        client.count()
        client._conversation.role.step(self.name).counts.begun += 1
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> bool:
        client, conversation = self._client, self._client._conversation
        client._step = None
        client._settle()
        tally = conversation.role.step(self.name)
        counts = tally.counts
        # A connection that has ended closes the script with GeneratorExit.
        reason = "" if kind is None else error.reason if isinstance(error, StepFailed) else conversation.replies.failure
        if reason in ("timeout", "dropped"):
            counts.lost += 1
            tally.response.record(max(0, _now() - self._intended_ns - self.thought_ns))
        elif kind is None or reason == "refused":
            counts.done += 1
            counts.failed += kind is not None
            if ended := self.answered_ns or (conversation.context.now if reason else 0):
                tally.round_trip.record(max(0, ended - self._began_ns - self.thought_ns))
                tally.response.record(max(0, ended - self._intended_ns - self.thought_ns))
        else:
            counts.abandoned += 1
        if not isinstance(error, StepFailed):
            if isinstance(error, Exception):
                error.add_note(f"in step {self.name}")
            return False
        self.failed = error.reason
        conversation.fail_round()
        return True


_READER = ReplyMatcher([["0"]])  # of whole documents
_Checks = tuple[tuple[Match, str], ...]


class ScriptMatcher:
    """Paths and values of one `expect`. It is what `Matcher` is for a step, with its values bound already."""

    __slots__ = ("_alternatives", "is_keyed", "words")
    is_earlier = None
    names_client = False
    is_lasting = False

    def __init__(self, alternatives: list[tuple[_Checks, list[Any]]], words: str) -> None:
        self._alternatives = alternatives
        self.words = words
        # A number tells replies apart: only then a second one is surely a duplicate.
        self.is_keyed = any(type(value) in (int, float) for _, values in alternatives for value in values)

    def bind(self, _speaker: Any) -> None:
        """Its values are bound."""

    def rest(self, _known: Known, _is_read: bool = True) -> Match:
        """Return what is left to compare, whatever is known: all of it."""
        return self.matches

    def matches(self, document: Any, payload: bytes, _bound: Any) -> bool:
        """Return whether a message is meant."""
        for checks, values in self._alternatives:
            for (check, _), value in zip(checks, values, strict=True):
                if not check(document, payload, value):
                    break
            else:
                return True
        return False


def matcher_of(tables: Any) -> ScriptMatcher:
    """Return the matcher of some tables, any of which may match; an empty one matches any message."""
    alternatives, words = [], []
    for table in [tables] if isinstance(tables, str | bytes) or not isinstance(tables, Iterable) else tables:
        if not isinstance(table, Mapping):
            raise TypeError(f'a matcher is a table, such as {{"type": "ok"}}, not {table!r}')
        conditions = conditions_of(dict(table)) if table else []
        checks = _checks(tuple((c.kind, c.path, c.value == ANY and c.kind == "path") for c in conditions))
        alternatives.append((checks, [_value(kind, c.value) for (_, kind), c in zip(checks, conditions, strict=True)]))
        words.append(", ".join(map(str, conditions)) or "any message")
    return ScriptMatcher(alternatives, " or ".join(words))


@lru_cache(maxsize=1000)
def _checks(shape: tuple[tuple[str, tuple[str, ...], bool], ...]) -> _Checks:
    return tuple(
        (check_of(ConditionSpec(kind, [*path], ANY if is_any else ""), _READER), kind) for kind, path, is_any in shape
    )


def _value(kind: str, value: Any) -> Any:
    match kind:
        case "path":
            return value
        case "regex":
            return re.compile(str(value).encode())
        case "hex":
            return bytes.fromhex(str(value))
    return str(value).encode()
