"""What a script sees: `@wstui.role`, and the client with its awaitables."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from random import Random
from typing import Any, TypeVar, overload

import msgspec

from wstui.load.conversation.conversation import Conversation
from wstui.load.conversation.conversation_state import ENDED, LOOP, OPEN
from wstui.load.conversation.program import MEET, MESSAGE, DelaySampler, Operation
from wstui.load.conversation.script_steps import HELD, ScriptRounds, ScriptStep, StepFailed, matcher_of
from wstui.load.frames import BINARY, TEXT
from wstui.load.reply_matcher import Head
from wstui.load.role_spec import DelaySpec
from wstui.scenario.conversation.delay import Delay as Seconds
from wstui.scenario.conversation.delay import parse_delay
from wstui.scenario.units import LONGEST_S, parse_duration

Table = Mapping[str, Any]
Function = TypeVar("Function", bound=Callable[..., Awaitable[None]])
_THINKING = 1 << 42  # a lane of its own among all that is drawn
_to_json = msgspec.json.Encoder().encode
_now = time.monotonic_ns


@overload
def role(function: Function, /) -> Function: ...
@overload
def role(**settings: Any) -> Callable[[Function], Function]: ...
def role(function: Any = None, /, **settings: Any) -> Any:
    """Mark an `async def` as a role: each of its clients is one call of the function.

    `settings` are those of `[[roles]]`, as plain values: weight, clients, on_failure, heartbeats, answer, delivery,
    sequence. They are read without running the script.
    """
    return (lambda marked: marked) if function is None else function


class Client:
    """One connection of the load, as its script sees it.

    `number` tells it from the others; `sequence` counts its rounds and steps, so that a reply can name it.
    `client["name"]` is a column of the feed, or a variable that the script has set.
    """

    __slots__ = ("_conversation", "_random", "_sends", "_step", "_variables", "number", "sequence")

    def __init__(self, conversation: Conversation) -> None:
        conversation.values.append(None)  # where the last expected message is put
        self._conversation = conversation
        self._sends: list[tuple[int, int]] = []  # messages without an answer so far: when due, when sent
        self._step: ScriptStep | None = None
        self._variables: dict[str, Any] = {}
        self._random: Random | None = None
        self.number = conversation.number
        self.sequence = conversation.client.sequence + 1

    # -- variables ---------------------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> Any:
        if name in self._variables:
            return self._variables[name]
        known = self._conversation.role.spec.variables
        if name in known:
            return self._conversation.values[known.index(name)]
        column = name.removeprefix("feed.")
        columns = self._conversation.host.columns
        if column in columns and self._conversation.row:
            return self._conversation.row[columns.index(column)]
        there = ", ".join([*self._variables, *known, *columns]) or "none"
        raise KeyError(f"{name!r} is neither a variable of this client nor a column of the feed (there are: {there})")

    def __setitem__(self, name: str, value: Any) -> None:
        self._variables[name] = value

    @property
    def stamp(self) -> int:
        """The time now for a message that another client receives: nanoseconds of the clock of `{{stamp}}`."""
        return _now() - self._conversation.ahead_ns

    @property
    def random(self) -> Random:
        """Random numbers of this client, the same in each run with the same `messages.seed`."""
        if self._random is None:
            self._random = Random(self._conversation.role.seed << 32 ^ self.number)
        return self._random

    # -- messages ----------------------------------------------------------------------------------------------

    async def send(self, text: str) -> None:
        """Send a text frame. During a pause of the run this waits until it goes on."""
        if not isinstance(text, str):
            raise TypeError(f"send takes a text, not {type(text).__name__}; send_json and send_bytes take others")
        await self._send(TEXT, text.encode())

    async def send_json(self, value: Any) -> None:
        """Send a value as JSON in a text frame."""
        await self._send(TEXT, _to_json(value))

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary frame."""
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"send_bytes takes bytes, not {type(data).__name__}; send takes a text")
        await self._send(BINARY, bytes(data))

    async def _send(self, first: int, payload: bytes) -> None:
        conversation = self._conversation
        if conversation.is_held:
            conversation.host.rounds.park(conversation)
            await HELD
        if conversation.phase is ENDED:
            return
        now = _now()
        conversation.sent_ns = now
        conversation.seq = conversation.client.sequence = conversation.client.sequence + 1
        if conversation.phase is LOOP:
            self._sends.append((conversation.intended_ns or now, now))
        if self._step is not None:
            self._step.begin(now)
        conversation.replies.send(first, payload, now)

    async def expect(
        self,
        *alternatives: Table,
        refuse: Table | Sequence[Table] | None = None,
        within: float | str | None = None,
        **values: Any,
    ) -> Any:
        """Wait for a message that matches, and return it: what its JSON holds, or its text or bytes.

        A matcher is a table of paths and values, as in a scenario file: `expect(type="said", seq=7)`,
        `expect({"data.status": "ok"})`, `expect(contains="ok")`; several tables mean any of them, and what is given by
        name holds for each. Without a matcher any message will do.
        A message that matches `refuse` means no. Raises StepFailed then, and when nothing comes `within` seconds
        (`messages.timeout`).
        """
        conversation = self._conversation
        if conversation.phase is ENDED:
            raise StepFailed("ended")
        wanted = matcher_of([{**table, **values} for table in alternatives or ({},)])
        unwanted = None if refuse is None else matcher_of([refuse] if isinstance(refuse, Mapping) else refuse)
        operation = self._operation(MESSAGE, within)
        operation.expect, operation.refuse = wanted, unwanted
        operation.captures = self
        sent = self._sends.pop(0) if self._sends else None
        if self._step is not None:
            self._step.begin(sent[1] if sent is not None else _now())
        conversation.replies.expect(operation, sent)
        await self._held()
        return conversation.values[-1]

    def take(self, document: Any, payload: bytes, values: list[Any], head: Head = ()) -> str:
        """Keep the message that came."""
        if document is None:
            try:
                document = payload.decode()
            except UnicodeDecodeError:
                document = payload
        values[-1] = document
        if self._step is not None:
            self._step.answered_ns = self._conversation.context.now
        return ""

    async def meet(self, name: str, clients: int = 0, within: float | str | None = None) -> None:
        """Wait until so many clients meet under this name, on all workers and hosts; "all ready": all that are planned.

        Raises StepFailed when they do not come `within` seconds (`messages.timeout`).
        """
        if not isinstance(name, str) or not name or clients < 0:
            raise ValueError(f"meet({name!r}, clients={clients}) takes a name, and a number of clients from 0 on")
        self._settle()
        conversation = self._conversation
        if conversation.phase is ENDED:
            raise StepFailed("ended")
        operation = self._operation(MEET, within)
        operation.clients = clients
        conversation.host.meetings.join(name.encode(), conversation.replies, operation)
        await self._held()

    def _operation(self, kind: int, within: float | str | None) -> Operation:
        role = self._conversation.role
        operation = Operation(kind)
        operation.label = self._step.name if self._step is not None else "expect" if kind == MESSAGE else "meet"
        operation.tally = role.unnamed
        seconds = parse_duration(within) if isinstance(within, str) else within
        if seconds is not None and not 0 < seconds <= LONGEST_S:
            raise ValueError(f"within={within!r} must be more than 0, and at most a year")
        operation.within_ns = self._conversation.context.timeout_ns if seconds is None else round(seconds * 1e9)
        return operation

    async def _held(self) -> None:
        if not await HELD:
            raise StepFailed(self._conversation.replies.failure)

    # -- what clients do ---------------------------------------------------------------------------------------

    def ready(self) -> None:
        """Say that the client is ready: its attempt to connect has succeeded, and the load begins."""
        if self._conversation.phase is OPEN:
            self._conversation.ready()

    def rounds(self) -> ScriptRounds:
        """Return the rounds of this client, for `async for`: one each `messages.every`, on the plan's schedule.

        They end when the client is to leave: say goodbye after the loop.
        """
        return ScriptRounds(self)

    async def listen(self) -> None:
        """Wait until the client is to leave. What arrives meanwhile is counted, and answered by the role's rules."""
        self._settle()
        self.ready()
        if self._conversation.phase is LOOP:
            await HELD

    def step(self, name: str) -> ScriptStep:
        """Return a step, for `async with`: a row in the figures, and its name in thresholds."""
        return ScriptStep(self, name)

    async def think(self, delay: float | str, most: float | None = None) -> None:
        """Wait: `think(2)`, `think(1, 4)` for a random time between, or a text as in a scenario file."""
        self._settle()
        conversation = self._conversation
        if conversation.phase not in (OPEN, LOOP):
            return
        wait = _delay(delay, most, conversation.role.seed)
        began = _now()
        conversation.think(wait.draw(conversation, "think"))
        await HELD
        if self._step is not None:
            self._step.thought_ns += _now() - began

    async def close(self) -> None:
        """Close the connection, for good."""
        self._settle()
        self._conversation.finish_round()
        self._conversation.client.close()
        if self._conversation.phase is not ENDED:
            await HELD

    def count(self) -> None:
        """Begin a round or a step: `sequence` grows, and goes on after a reconnect."""
        connection = self._conversation.client
        self.sequence = connection.sequence = max(self.sequence, connection.sequence) + 1

    def _settle(self) -> None:
        """Messages that nothing has been awaited for since expect no reply."""
        if self._sends:
            self._conversation.context.counters.no_reply_expected += len(self._sends)
            self._sends.clear()


def _delay(delay: float | str, most: float | None, seed: int) -> DelaySampler:
    low = parse_delay(delay) if isinstance(delay, str) else Seconds(delay, delay if most is None else most)
    if low.low < 0 or low.high < low.low:
        raise ValueError(f"think({delay}, {most}): a delay is not negative, and its ends are in order")
    return DelaySampler(DelaySpec(*(round(part * 1e9) for part in (low.low, low.high, low.mean))), seed, _THINKING)


async def converse(conversation: Conversation, function: Callable[[Client], Awaitable[None]]) -> None:
    """Run the script of one client to its end, and close the connection."""
    client = Client(conversation)
    try:
        await function(client)
    except StepFailed:
        conversation.fail_round()
    finally:
        client._settle()
    if conversation.phase is OPEN:
        conversation.ready()
    conversation.finish_round()
    conversation.client.close()
