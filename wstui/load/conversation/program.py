"""A role compiled for its worker: its steps as a flat list of operations, its rules as functions."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Protocol

from wstui.load.compiled_matcher import BoundValues, Matcher
from wstui.load.connect_outcome import Cause
from wstui.load.context import WorkerContext
from wstui.load.conversation.kinds import kind_reader
from wstui.load.frames import BINARY, TEXT
from wstui.load.reply_matcher import Captures, Head
from wstui.load.rng import draw, fraction
from wstui.load.role_paths import all_steps, reader_of
from wstui.load.role_spec import DelaySpec, HttpSpec, RoleSpec, StepSpec, StreamSpec
from wstui.load.text import Render, compile_parts, compile_text
from wstui.measure.sanitize import sanitize
from wstui.measure.steps import RoleCounts, StepTally
from wstui.scenario.conversation.conditions import check_name
from wstui.scenario.conversation.known_dialects import dialect
from wstui.scenario.errors import BadValue
from wstui.scenario.units import parse_duration

STEPS_KEPT = 200
MESSAGE, THINK, REPEAT, AGAIN, CHOOSE, JUMP, MEET, CLOSE, READY, ROUND, REST, LEFT, HTTP = range(13)
_A_DAY_NS = 86_400_000_000_000
_DELAY, _CHOICE, _BEAT = 1 << 43, 1 << 44, 1 << 45  # lanes of their own among all that is drawn


def nanoseconds(value: Any, unit_ns: int) -> int:
    """Return a time that a server has told, as a number of units or as "30s", up to a day; -1 if it is none."""
    try:
        told = float(value)
    except (TypeError, ValueError):
        try:
            told, unit_ns = parse_duration(value), 1_000_000_000
        except (BadValue, AttributeError, TypeError):
            return -1
    return int(min(told * unit_ns, _A_DAY_NS)) if told >= 0 else -1


class DelaySampler:
    """Draws how long something takes."""

    __slots__ = ("_lane", "_seed", "_spec", "fixed")

    def __init__(self, spec: DelaySpec, seed: int, lane: int) -> None:
        self._spec = spec
        self._seed = seed
        self._lane = lane
        self.fixed = spec.low if spec.low == spec.high and not spec.mean and spec.variable < 0 else -1

    def draw(self, conversation: Drawer, label: str) -> int:
        """Return nanoseconds for a client at its next turn; 0 if its variable holds no time, for the step `label`."""
        turn = conversation.turns()
        if self.fixed >= 0:
            return self.fixed
        if self._spec.variable >= 0:
            return self._captured(conversation, label)
        share = fraction(draw(self._seed, conversation.number, turn, self._lane))
        if self._spec.mean:
            return int(-math.log(1.0 - share) * self._spec.mean)
        return self._spec.low + int(share * (self._spec.high - self._spec.low))

    def _captured(self, conversation: Drawer, label: str) -> int:
        value = conversation.values[self._spec.variable]
        ns = nanoseconds(value, self._spec.low)
        if ns < 0:
            words = f"{conversation.role.name}, {label}: what was captured is not a time: {sanitize(str(value), 60)}"
            conversation.context.events.step_failed(conversation.number, Cause("capture", words), "")
        return max(0, ns)


class Drawer(Protocol):
    """A client for which a delay is drawn."""

    number: int
    values: list[Any]
    context: WorkerContext

    @property
    def role(self) -> WorkerRole: ...
    def turns(self) -> int: ...


class Captured(Protocol):
    """Takes values out of the expected message; returns what was not there, or ""."""

    def take(self, document: Any, payload: bytes, values: list[Any], head: Head = ()) -> str: ...


class Operation:
    """One operation; which of its fields mean something depends on its kind."""

    __slots__ = (
        "captures", "clients", "delay", "expect", "first", "kind", "label", "more", "name", "number", "place",
        "places", "reason", "refuse", "render", "request", "request_spec", "tally", "target", "targets", "within_ns",
    )  # fmt: skip

    def __init__(self, kind: int, target: int = 0) -> None:
        self.kind = kind
        self.target = target  # where to go on; of REPEAT how often
        self.label = ""  # how messages name it
        self.number = 0
        self.place = 0  # which counter a repetition has
        self.first = TEXT
        self.render: Render | None = None
        self.more: list[tuple[int, Render]] = []  # further frames
        self.request: Any = None  # HTTP: compiled where requests are made
        self.request_spec: HttpSpec | None = None
        self.expect: Any = None  # a Matcher, or the ScriptMatcher of a script
        self.refuse: Any = None
        self.reason: list[list[str]] = []
        self.within_ns = 0
        self.captures: Captured | None = None
        self.tally: StepTally | None = None
        self.delay: DelaySampler | None = None
        self.places: list[int] = []  # CHOOSE: where the shares of the ways end within 64 bits
        self.targets: list[int] = []
        self.name: Render | None = None  # MEET
        self.clients = 0

    def choose(self, seed: int, number: int, turn: int) -> int:
        """Return where to go on, drawn by weight."""
        return self.targets[bisect_right(self.places, draw(seed, number, turn, _CHOICE + self.number))]


@dataclass(frozen=True, slots=True)
class WatchdogState:
    """What the server has to send again and again."""

    on: Matcher | None
    within_ns: int
    variable: int


@dataclass(frozen=True, slots=True)
class StreamTally:
    """Answers in parts: the tallies are of the first parts, the gaps between parts, and underruns of audio."""

    of: Matcher
    ends: Matcher
    begins: Matcher | None
    path: list[str]
    rate: int
    first: StepTally
    gap: StepTally
    underrun: StepTally | None


@dataclass(slots=True)
class Beat:
    """A heartbeat of a role."""

    index: int
    delay: DelaySampler
    render: Render
    first: int
    expect: Matcher | None
    within_ns: int
    tally: StepTally


class WorkerRole:
    """A role of one worker, with what it has counted."""

    def __init__(self, spec: RoleSpec, seed: int) -> None:
        self.spec = spec
        self.name = spec.name
        self.counts = RoleCounts()
        self.seed = seed
        speaks = dialect(spec.protocol, spec.options)
        self.decode = speaks.decoder()
        self.closes = speaks.close_codes()
        decodes = self.decode is not None
        self.reader = reader_of(spec, speaks.kinds, plain=decodes, tables=decodes and speaks.tables)
        self.read = self.reader.decode
        self.tallies: list[StepTally] = []
        self.unnamed = StepTally(spec.name, "")  # of the waits of scripts, whose steps have tallies of their own
        self._steps: dict[str, StepTally] = {}
        for name in spec.steps:
            self.step(name)
        self.repeats = 0
        self.opening = _Flattener(self, "open").flat(spec.open, Operation(READY))
        self.start_of_loop = len(self.opening)
        if spec.loop:
            loop = _Flattener(self, "loop", self.start_of_loop + 1)
            self.opening += [Operation(ROUND), *loop.flat(spec.loop, Operation(JUMP, self.start_of_loop))]
        else:
            self.opening.append(Operation(REST))
        self.leaving = _Flattener(self, "leave").flat(spec.leave, Operation(LEFT)) if spec.leave else []
        self.beats = [self._beat(index) for index in range(len(spec.heartbeats))]
        self.answers = [
            (
                Matcher(answer.on, self.reader, seed),
                compile_text(answer.say, seed),
                BINARY if answer.say.binary else TEXT,
            )
            for answer in spec.answers
        ]
        self.deliveries = [
            (Matcher(rule.of, self.reader, seed), rule.path, rule.unit, self.tally(rule.name, "delivery"))
            for rule in spec.delivery
        ]
        self.sequences = [(Matcher(rule.of, self.reader, seed), rule.path, rule.per) for rule in spec.sequence]
        self.streams = [self._stream(stream) for stream in spec.streams]
        self.watchdogs = [
            WatchdogState(None if w.on is None else Matcher(w.on, self.reader, seed), w.within_ns, w.variable)
            for w in spec.watchdogs
        ]
        self.errors = [(Matcher(rule.on, self.reader, seed), rule.reason, rule.closes) for rule in spec.errors]
        self.has_opening = bool(spec.open or spec.script)
        # Whether something is captured from the answer to the upgrade.
        self.wants_head = any(c.header or c.cookie for step in all_steps(spec) for c in step.capture)
        # All that its steps and heartbeats may wait for; None: whatever its script says.
        waits = [operation for operation in (*self.opening, *self.leaving) if operation.expect is not None]
        awaited = [*(matcher for one in waits for matcher in (one.expect, one.refuse)), *(b.expect for b in self.beats)]
        self.awaited = None if spec.script else [matcher for matcher in awaited if matcher is not None]
        self.kind_of = kind_reader(self, [kind.split(".") for kind in dict.fromkeys((*speaks.kinds, "type"))])

    def tally(self, name: str, kind: str = "step") -> StepTally:
        """Make the counts of a step; only named ones are told."""
        tally = StepTally(self.name, name, kind)
        if name:
            self.tallies.append(tally)
        return tally

    def step(self, name: str) -> StepTally:
        """Return the counts of a step that a script names."""
        found = self._steps.get(name)
        if found is None:
            try:
                check_name(name)
            except (BadValue, AttributeError) as error:
                raise ValueError(f"the name of a step, {name!r}: {error}") from None
            if len(self._steps) >= STEPS_KEPT:
                raise ValueError(f"has steps of more than {STEPS_KEPT} names: name steps by what they do, not by data")
            found = self._steps[name] = self.tally(name)
        return found

    def _stream(self, spec: StreamSpec) -> StreamTally:
        begins = None if spec.begins is None else Matcher(spec.begins, self.reader, self.seed)
        first, gap, *underrun = (self.tally(f"{spec.name}-{part}", "stream") for part in spec.parts)
        of, ends = (Matcher(matcher, self.reader, self.seed) for matcher in (spec.of, spec.ends))
        return StreamTally(of, ends, begins, spec.path, spec.rate, first, gap, underrun[0] if underrun else None)

    def _beat(self, index: int) -> Beat:
        spec, seed = self.spec.heartbeats[index], self.seed
        return Beat(
            index,
            DelaySampler(spec.every, seed, _BEAT + spec.number),
            compile_text(spec.say, seed),
            BINARY if spec.say.binary else TEXT,
            None if spec.expect is None else Matcher(spec.expect, self.reader, seed),
            spec.within_ns,
            self.tally(spec.name, "heartbeat"),
        )


class _Flattener:
    """Lays the steps of a phase out one after the other; `base` is where they will stand."""

    def __init__(self, role: WorkerRole, phase: str, base: int = 0) -> None:
        self._role = role
        self._phase = phase
        self._base = base
        self._made: list[Operation] = []

    def flat(self, steps: Sequence[StepSpec], last: Operation) -> list[Operation]:
        """The operations of the steps, and the `last` one."""
        self._add_all(steps, self._phase)
        self._made.append(last)
        return self._made

    def _here(self) -> int:
        return self._base + len(self._made)

    def _add_all(self, steps: Sequence[StepSpec], place: str, depth: int = 0) -> None:
        for index, step in enumerate(steps):
            self._add(step, f"{place}[{index}]", depth)

    def _add(self, step: StepSpec, place: str, depth: int) -> None:
        if step.think is not None:
            operation = self._operation(THINK, step, place)
            operation.delay = DelaySampler(step.think, self._role.seed, _DELAY + step.number)
        elif step.repeat:
            operation = self._operation(REPEAT, step, place)
            operation.target, operation.place = step.repeat, depth
            self._role.repeats = max(self._role.repeats, depth + 1)
            begin = self._here()
            self._add_all(step.steps, f"{place}.steps", depth + 1)
            again = Operation(AGAIN, begin)
            again.place = depth
            self._made.append(again)
        elif step.choose:
            self._choose(step, place, depth)
        elif step.meet is not None:
            operation = self._operation(MEET, step, place)
            operation.name = compile_parts(step.meet.name, self._role.seed)
            operation.clients, operation.within_ns = step.meet.clients, step.meet.within_ns
        elif step.close:
            self._operation(CLOSE, step, place)
        elif step.http is not None:
            self._operation(HTTP, step, place).request_spec = step.http
        else:
            self._message(step, self._operation(MESSAGE, step, place))

    def _operation(self, kind: int, step: StepSpec, place: str) -> Operation:
        operation = Operation(kind)
        operation.label = step.name or place
        operation.number = step.number
        operation.tally = self._role.tally(step.name) if kind in (MESSAGE, MEET, HTTP) else None
        self._made.append(operation)
        return operation

    def _message(self, step: StepSpec, operation: Operation) -> None:
        role = self._role
        if step.say is not None:
            operation.render = compile_text(step.say, role.seed)
            operation.first = BINARY if step.say.binary else TEXT
            operation.more = [(BINARY if t.binary else TEXT, compile_text(t, role.seed)) for t in step.say.more]
        operation.reason = step.reason
        operation.within_ns = step.within_ns
        if step.expect is not None:
            both = [step.expect] if step.refuse is None else [step.expect, step.refuse]
            values = BoundValues(both, role.seed)
            operation.expect, *refuse = (Matcher(spec, role.reader, role.seed, values) for spec in both)
            operation.refuse = refuse[0] if refuse else None
        operation.captures = Captures(step.capture, role.reader) if step.capture else None

    def _choose(self, step: StepSpec, place: str, depth: int) -> None:
        operation = self._operation(CHOOSE, step, place)
        ways = [(index, choice) for index, choice in enumerate(step.choose) if choice.weight]
        total = sum(choice.weight for _, choice in ways)
        operation.places = [round(end / total * 2**64) for end in accumulate(choice.weight for _, choice in ways)][:-1]
        ends = []
        for index, choice in ways:
            operation.targets.append(self._here())
            self._add_all(choice.steps, f"{place}.choose[{index}].steps", depth)
            ends.append(Operation(JUMP))
            self._made.append(ends[-1])
        for end in ends:
            end.target = self._here()
