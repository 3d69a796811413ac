"""Compiles roles for the workers: files read, environment and encodings resolved, feed cut to what is used."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import msgspec

from wstui.load.conversation.pack import pack
from wstui.load.role_spec import (
    AnswerSpec,
    CaptureSpec,
    ChoiceSpec,
    ConditionSpec,
    DelaySpec,
    DeliverySpec,
    ErrorSpec,
    HeartbeatSpec,
    MatcherSpec,
    MeetSpec,
    RoleSpec,
    RolesSpec,
    SequenceSpec,
    Slot,
    StepSpec,
    Text,
    WatchdogSpec,
)
from wstui.scenario.conversation.conditions import Condition, alternatives_of, parse_path
from wstui.scenario.conversation.delay import parse_delay
from wstui.scenario.conversation.payload import (
    Form,
    Packed,
    Part,
    Place,
    frame_parts,
    is_binary,
    is_number,
    payload_of,
    text_places,
)
from wstui.scenario.conversation.role import Answer, Heartbeat, Message, Role, Step, Watchdog
from wstui.scenario.errors import BadValue, Problem, ScenarioError
from wstui.scenario.lowering import Lowered
from wstui.scenario.model import Scenario
from wstui.scenario.payload import Feed, feed_of
from wstui.scenario.placeholder import Placeholder
from wstui.scenario.role_inputs import script_of
from wstui.scenario.script import read_script
from wstui.scenario.trust import script_problems

NS = 1_000_000_000
_WORDS = 80


def roles_of(scenario: Scenario, worker: int = 0, workers: int = 1) -> RolesSpec:
    """The roles for worker number `worker` of `workers`. Raises ScenarioError when a file cannot be used."""
    if not scenario.roles:
        return RolesSpec()
    messages, file = scenario.messages, scenario.origin.file
    try:
        columns = _Columns(feed_of(messages.feed, file) if messages.feed else None)
        if problems := script_problems(scenario):
            raise ScenarioError(problems)
        scripts = {role.script: script_of(role, file) for role in scenario.roles if role.script}
        if scripts:
            columns.use_all()
        compiler = _Compiler(scenario, columns)
        lowered = Lowered(scenario)
        if lowered.conflicts:
            raise ScenarioError(conflict.problem(file) for conflict in lowered.conflicts)
        roles = [compiler.role(role) for role in lowered.roles]
    except BadValue as error:  # it was sound when it was checked
        raise ScenarioError(Problem(file, "roles", error.message, nearest=error.nearest)) from None
    rows = columns.rows()
    if messages.feed_per == "message" and len(rows) >= workers:
        # Each worker has rows of its own: none is used twice before a worker has been through all of its rows.
        rows = rows[worker::workers]
    return RolesSpec(roles, rows, messages.feed_per, columns.names if scripts else [], scripts)


class _Columns:
    """The columns of the feed that placeholders use, each once."""

    def __init__(self, feed: Feed | None) -> None:
        self._feed = feed
        self._used: dict[int, int] = {}

    def number(self, placeholder: Placeholder) -> int:
        """The place of a column among those in use."""
        if self._feed is None:
            raise BadValue("is missing: a step has {{feed.column}}")
        return self._used.setdefault(self._feed.index(placeholder), len(self._used))

    def use_all(self) -> None:
        """Use every column: a script may ask for any."""
        for number in range(len(self.names)):
            self._used.setdefault(number, number)

    @property
    def names(self) -> list[str]:
        """The names of all columns."""
        return [] if self._feed is None else list(self._feed.columns)

    def rows(self) -> list[list[str]]:
        """The rows with these columns only."""
        if self._feed is None or not self._used:
            return []
        return [[row[column] for column in self._used] for row in self._feed.rows]


class _Compiler:
    def __init__(self, scenario: Scenario, columns: _Columns) -> None:
        self._file = scenario.origin.file
        self._target = scenario.target
        self._timeout_ns = round(scenario.messages.timeout * NS)
        self._columns = columns
        self._variables: list[str] = []
        self._number = 0
        self._lanes: dict[Placeholder, int] = {}
        self._drawn: dict[Placeholder, int] = {}

    def role(self, role: Role) -> RoleSpec:
        """One role."""
        self._variables = []
        for phase in (role.open, role.loop, role.leave):
            self._collect(phase)
        return RoleSpec(
            name=role.name,
            weight=(1.0 if role.weight is None else role.weight) if role.clients is None else 0.0,
            clients=role.clients or 0,
            open=[self._step(step) for step in role.open],
            loop=[self._step(step) for step in role.loop],
            leave=[self._step(step) for step in role.leave],
            heartbeats=[self._heartbeat(beat) for beat in role.heartbeats],
            answers=[self._answer(answer) for answer in role.answer],
            delivery=[
                DeliverySpec(self._next(), d.name, self._matcher(d.of), [*parse_path(d.stamp)], d.unit)
                for d in role.delivery
            ],
            sequence=[
                SequenceSpec(self._matcher(s.of), [*parse_path(s.number)], [*parse_path(s.per)] if s.per else [])
                for s in role.sequence
            ],
            watchdogs=[self._watchdog(watchdog) for watchdog in role.watchdogs],
            errors=[
                ErrorSpec(self._matcher(e.on), [[*parse_path(path)] for path in e.reason], e.closes)
                for e in role.errors
            ],
            closes_on_failure=role.on_failure == "close",
            protocol=self._target.protocol,
            options=self._target.options,
            variables=list(self._variables),
            script=role.script,
            steps=self._steps_of(role),
        )

    def _steps_of(self, role: Role) -> list[str]:
        if not role.script:
            return []
        found = read_script(script_of(role, self._file), role.script).role(role.name)
        return list(found.steps) if found is not None else []

    def _collect(self, steps: Sequence[Step]) -> None:
        for step in steps:
            self._variables += [name for name in step.capture if name not in self._variables]
            self._collect(step.steps)
            for choice in step.choose:
                self._collect(choice.steps)

    def _next(self) -> int:
        """Begin a message. Its payload and the expected reply share what is drawn at random."""
        self._number += 1
        self._lanes = {}
        return self._number

    def _answer(self, answer: Answer) -> AnswerSpec:
        self._next()
        return AnswerSpec(self._matcher(answer.on), self._said(answer))

    def _step(self, step: Step) -> StepSpec:
        number = self._next()
        return StepSpec(
            number=number,
            name=step.name,
            say=self._said(step) if step.sources else None,
            expect=None if step.expect is None else self._matcher(step.expect),
            refuse=None if step.refuse is None else self._matcher(step.refuse),
            reason=[[*parse_path(path)] for path in step.reason],
            within_ns=self._within(step.within),
            capture=[self._capture(name, source) for name, source in step.capture.items()],
            think=None if step.think is None else self._delay(step.think),
            repeat=step.repeat or 0,
            meet=None
            if step.meet is None
            else MeetSpec(self._text(step.meet.name), step.meet.clients, self._within(step.meet.within)),
            close=step.close,
            steps=[self._step(inner) for inner in step.steps],
            choose=[ChoiceSpec(choice.weight, [self._step(i) for i in choice.steps]) for choice in step.choose],
        )

    def _within(self, within: float | None) -> int:
        return self._timeout_ns if within is None else round(within * NS)

    def _heartbeat(self, beat: Heartbeat) -> HeartbeatSpec:
        number, every = self._next(), self._delay(beat.every)
        return HeartbeatSpec(
            number=number,
            name=beat.name,
            every=every,
            say=self._said(beat),
            expect=None if beat.expect is None else self._matcher(beat.expect),
            within_ns=self._within(beat.within) if beat.within or every.variable >= 0 else every.mean or every.low,
        )

    def _watchdog(self, watchdog: Watchdog) -> WatchdogSpec:
        on = None if watchdog.on is None else self._matcher(watchdog.on)
        variable = self._variables.index(watchdog.variable) if watchdog.variable else -1
        return WatchdogSpec(on, round((watchdog.within or 0) * NS), variable)

    def _delay(self, text: str) -> DelaySpec:
        delay = parse_delay(text)
        variable = self._variables.index(delay.variable) if delay.variable else -1
        return DelaySpec(round(delay.low * NS), round(delay.high * NS), round(delay.mean * NS), variable)

    def _capture(self, name: str, source: str) -> CaptureSpec:
        variable = self._variables.index(name)
        if source.startswith("regex:"):
            return CaptureSpec(variable, regex=source.removeprefix("regex:"), words=f"{name} by {source}")
        return CaptureSpec(variable, [*parse_path(source)], words=f"{name} at {source}")

    # -- texts -------------------------------------------------------------------------------------------------

    def _said(self, message: Message) -> Text:
        if message._frames:
            self._drawn = {}
            first, *more = [
                Text(self._packed(frame_parts(frame, self._variables)), binary=frame.binary)
                for frame in message._frames
            ]
            self._drawn = {}
            return msgspec.structs.replace(first, more=more)
        parts = payload_of(message, self._file, self._variables)
        quoted = any(isinstance(p, Place) and p.placeholder.name == "pad" and p.form == "quoted" for p in parts)
        binary = is_binary(message)
        self._drawn = {}
        made = self._packed(parts)
        self._drawn = {}
        return Text(made, message.size, b"\0" if binary else b"x" if quoted else b" ", binary)

    def _packed(self, parts: Sequence[Part]) -> list[bytes | Slot]:
        made: list[bytes | Slot] = []
        for part in parts:
            match part:
                case Packed(how, inner):
                    slot = Slot("packed", form=how, parts=self._packed(inner))
                    constant = all(isinstance(each, bytes) for each in slot.parts)
                    made.append(pack(how, b"".join(slot.parts)) if constant else slot)  # type: ignore[arg-type]
                case Place(placeholder, form):
                    made.append(self._slot(placeholder, form))
                case _:
                    made.append(part)
        return _joined(made)

    def _text(self, text: str) -> list[bytes | Slot]:
        parts = text_places(text, self._variables)
        return _joined([self._slot(p, "raw") if isinstance(p, Placeholder) else p.encode() for p in parts])

    def _matcher(self, matcher: Any) -> MatcherSpec:
        found = []
        for conditions in alternatives_of(matcher):
            self._drawn = {}
            found.append([self._condition(condition) for condition in conditions])
        words = " or ".join(", ".join(map(str, conditions)) for conditions in alternatives_of(matcher))
        return MatcherSpec(found, words if len(words) <= _WORDS else f"{words[: _WORDS - 1]}…")

    def _condition(self, condition: Condition) -> ConditionSpec:
        path, value = [*condition.path], condition.value
        if not isinstance(value, str) or "{{" not in value:
            return ConditionSpec(condition.kind, path, value)
        parts = text_places(value, self._variables)
        if len(parts) == 1 and isinstance(alone := parts[0], Placeholder) and condition.kind == "path":
            form: Form = "json" if not alone.as_text and (is_number(alone) or alone.name == "variable") else "raw"
            return ConditionSpec("path", path, "", [self._slot(alone, form)])
        made = self._text(value)
        if len(made) == 1 and isinstance(made[0], bytes):  # "{{{{" only
            return ConditionSpec(condition.kind, path, made[0].decode())
        return ConditionSpec(condition.kind, path, "", made)

    def _slot(self, placeholder: Placeholder, form: Form) -> bytes | Slot:
        name, arguments = placeholder.name, placeholder.arguments
        lane = 0
        if name == "random":
            # The n-th {{random …}} of an expected message stands for the n-th one of these that was sent.
            count = self._drawn[placeholder] = self._drawn.get(placeholder, 0) + 1
            lane = self._number << 16 | self._lanes.setdefault(placeholder, len(self._lanes)) << 8 | count
        match name, *arguments:
            case ["feed", _]:
                return Slot("feed", self._columns.number(placeholder), form=form)
            case ["env", variable, *default]:
                return _in_place(os.environ.get(variable) or (default[0] if default else ""), form)
            case ["variable", variable]:
                return Slot("variable", self._variables.index(variable), form=form)
            case ["message", path]:
                return Slot("message", path=[*parse_path(path)], form=form)
            case ["timestamp", unit]:
                return Slot(f"timestamp {unit}", form=form)
            case ["random", "int", low, high]:
                return Slot("random int", int(low), int(high), form=form, lane=lane)
            case ["random", "float", low, high]:
                return Slot("random float", float(low), float(high), form=form, lane=lane)
            case ["random", "choice", *words]:
                return Slot("random choice", choices=words, form=form, lane=lane)
            case ["random", kind, *length]:
                return Slot(f"random {kind}", int(length[0]) if length else 0, form=form, lane=lane)
        return Slot(name, form=form)


def _in_place(text: str, form: Form) -> bytes:
    encoded = msgspec.json.encode(text)
    return text.encode() if form == "raw" else encoded[1:-1] if form == "quoted" else encoded


def _joined(parts: Sequence[bytes | Slot]) -> list[bytes | Slot]:
    """The parts with neighbouring bytes as one."""
    joined: list[bytes | Slot] = []
    for part in parts:
        if isinstance(part, bytes) and joined and isinstance(joined[-1], bytes):
            joined[-1] += part
        else:
            joined.append(part)
    return joined
