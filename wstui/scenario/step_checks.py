"""Checks of the steps of a role: one kind each, names, nesting, and variables that are set before their use."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from wstui.scenario.conversation.conditions import OF_ANSWER, alternatives_of, capture_findings
from wstui.scenario.conversation.delay import parse_delay
from wstui.scenario.conversation.role import Heartbeat, Role, Step, Watchdog
from wstui.scenario.errors import Conflict, Key, quote
from wstui.scenario.payload_checks import PayloadChecks
from wstui.scenario.role_inputs import PHASES, steps_of

ALL_READY = "all ready"
MOST_DEPTH = 8
MOST_STEPS = 1000
_KINDS = ("http", "think", "repeat", "choose", "meet", "close")
_EXAMPLE = 'json = { type = "hello" } and expect = { type = "welcome" }'


class StepChecks:
    """Checks the steps and rules of one role, in the order in which a client comes to them."""

    def __init__(
        self,
        role: Role,
        place: Key,
        payloads: PayloadChecks,
        added: int = 0,
        before: Collection[str] = (),
        most_clients: int = 0,
    ) -> None:
        """The first `added` steps of `open` are those of the target's protocol; `before` are variables of a login."""
        self._before = before
        self._most_clients = most_clients
        self._role = role
        self._added = added
        self._place = place
        self._payloads = payloads

    def findings(self) -> Iterator[Conflict]:
        role, place = self._role, self._place
        if role.script and any(getattr(role, phase) for phase in PHASES):
            yield Conflict(
                (*place, "script"), "says what clients do: leave open, loop and leave out", quote(role.script)
            )
        if sum(1 for _ in steps_of(role)) > MOST_STEPS:
            yield Conflict(place, f"has more than {MOST_STEPS} steps")
            return
        opened = set(self._before)
        for phase in PHASES:
            known = set(opened)
            steps, own = getattr(role, phase), self._added if phase == "open" else 0
            for step in steps[:own]:
                yield from self._step(step, ("target", "options"), known, 1)
            yield from self._walk(steps[own:], (*place, phase), known, 1)
            if phase == "open":
                opened = known
        if not role.connect:
            for name in (
                "heartbeats",
                "answer",
                "delivery",
                "sequence",
                "streams",
                "leave",
                "url",
                "subprotocols",
                "cert_file",
            ):
                if getattr(role, name):
                    yield Conflict((*place, name), "needs a connection, and this role has connect = false")
        for index, beat in enumerate(role.heartbeats):
            yield from self._heartbeat(beat, (*place, "heartbeats", index), opened)
        for index, answer in enumerate(role.answer):
            inner = (*place, "answer", index)
            yield from self._payloads.matcher(answer.on, (*inner, "on"), opened)
            if not answer.sources:
                yield Conflict(inner, 'answers nothing: write send or json = { type = "pong" }')
            yield from self._payloads.message(answer, inner, opened, in_answer=True)
        for name in ("delivery", "sequence"):
            for index, rule in enumerate(getattr(role, name)):
                yield from self._payloads.matcher(rule.of, (*place, name, index, "of"), opened)
        for index, stream in enumerate(role.streams):
            for name in ("of", "ends", "begins"):
                yield from self._payloads.matcher(getattr(stream, name), (*place, "streams", index, name), opened)
        for index, error in enumerate(role.errors):
            yield from self._payloads.matcher(error.on, (*place, "errors", index, "on"), opened)
        for index, watchdog in enumerate(role.watchdogs):
            yield from self._watchdog(watchdog, (*place, "watchdogs", index), opened)

    # -- steps -------------------------------------------------------------------------------------------------

    def _walk(self, steps: Sequence[Step], place: Key, known: set[str], depth: int) -> Iterator[Conflict]:
        """Check steps in order; `known` grows by what they capture."""
        if depth > MOST_DEPTH:
            yield Conflict(place, f"is nested more than {MOST_DEPTH} deep: write a script")
            return
        for index, step in enumerate(steps):
            yield from self._step(step, (*place, index), known, depth)
            if step.close and place[2] == "open":
                message = "closes before the client is ready, and every attempt fails: close in loop"
                yield Conflict((*place, index, "close"), message)

    def _step(self, step: Step, place: Key, known: set[str], depth: int) -> Iterator[Conflict]:
        kinds = [name for name in _KINDS if getattr(step, name)]
        is_message = bool(step.sources) or step.expect is not None
        if len(kinds) + is_message != 1:
            said = [*kinds, *(["a message"] if is_message else [])]
            both = f"is {' and '.join(said)} at once: make a step of each"
            yield Conflict(
                place, both if said else f"does nothing: write {_EXAMPLE}, or http, think, repeat, choose, meet, close"
            )
            return
        if step.steps and not step.repeat:
            yield Conflict((*place, "steps"), "belong to repeat, and there is none: write repeat = 3")
        if step.repeat and not step.steps:
            yield Conflict((*place, "repeat"), 'has nothing to repeat: write steps = [{ json = { type = "hello" } }]')
        if step.expect is None:
            for name in ("refuse", "reason", "within", "capture"):
                if name == "capture" and is_message and _is_of_upgrade(step):
                    continue
                if getattr(step, name):
                    yield Conflict(
                        (*place, name), 'belongs to expect, and there is none: write expect = { type = "ok" }'
                    )
        if is_message:
            yield from self._payloads.message(step, place, known)
            yield from self._payloads.matcher(step.expect, (*place, "expect"), known)
            yield from self._payloads.matcher(step.refuse, (*place, "refuse"), known)
            if (never := never_refused(step)) is not None:
                message = f"can never match: expect takes every message with {never}, and is asked first"
                yield Conflict((*place, "refuse"), message)
            yield from capture_findings(step.capture, place)
            known.update(step.capture)
        if step.http is not None:
            yield from self._payloads.http(step.http, (*place, "http"), known)
            known.update(step.http.capture)
        elif not self._role.connect and (is_message or step.close):
            message = "needs a connection, and this role has connect = false: write http, think, repeat, choose or meet"
            yield Conflict(place, message)
        if step.think is not None:
            yield from self._delay(step.think, (*place, "think"), known)
        if step.meet is not None and step.meet.name == ALL_READY and not step.meet.clients and place[2] == "open":
            yield Conflict((*place, "meet"), "waits for its own client, which is not ready in open: move it into loop")
        if step.meet is not None:
            yield from self._payloads.text(step.meet.name, (*place, "meet"), known)
            if step.meet.clients > self._most_clients > 0:
                message = (
                    f"waits for {step.meet.clients} clients, and the load never has more than {self._most_clients}: "
                    "lower clients, or raise the load"
                )
                yield Conflict((*place, "meet"), message, rests_on=(("stages",), ("load",), ("breakpoint",)))
        yield from self._walk(step.steps, (*place, "steps"), known, depth + 1)
        if step.choose:
            yield from self._choose(step, place, known, depth)

    def _choose(self, step: Step, place: Key, known: set[str], depth: int) -> Iterator[Conflict]:
        if not sum(choice.weight for choice in step.choose):
            yield Conflict((*place, "choose"), "has weight 0 everywhere: give at least one choice a weight above 0")
        ways = []
        for number, choice in enumerate(step.choose):
            way = set(known)
            yield from self._walk(choice.steps, (*place, "choose", number, "steps"), way, depth + 1)
            if choice.weight:
                ways.append(way)
        if ways:
            known.update(set.intersection(*ways))

    def _heartbeat(self, beat: Heartbeat, place: Key, known: set[str]) -> Iterator[Conflict]:
        delay = parse_delay(beat.every)
        yield from self._delay(beat.every, (*place, "every"), known)
        if not delay.low and not delay.mean:
            yield Conflict((*place, "every"), "must be more than 0", quote(beat.every))
        if not beat.sources:
            yield Conflict(place, 'sends nothing: write json = { type = "heartbeat" }')
        if beat.within is not None and beat.expect is None:
            yield Conflict((*place, "within"), "belongs to expect, and there is none")
        yield from self._payloads.message(beat, place, known)
        yield from self._payloads.matcher(beat.expect, (*place, "expect"), known)

    def _watchdog(self, watchdog: Watchdog, place: Key, known: set[str]) -> Iterator[Conflict]:
        yield from self._payloads.matcher(watchdog.on, (*place, "on"), known)
        if (watchdog.within is None) == (not watchdog.variable):
            yield Conflict((*place, "within"), 'and variable exclude each other: write within = "45s", or variable')
        elif watchdog.variable:
            yield from self._payloads.text(f"{{{{{watchdog.variable}}}}}", (*place, "variable"), known)

    def _delay(self, text: str, place: Key, known: set[str]) -> Iterator[Conflict]:
        if variable := parse_delay(text).variable:
            yield from self._payloads.text(f"{{{{{variable}}}}}", place, known)


def never_refused(step: Step) -> str | None:
    """Return the conditions of a refusal that can never match, because `expect` takes each of its messages."""
    if step.expect is None or step.refuse is None:
        return None
    wanted = [set(conditions) for conditions in alternatives_of(step.expect)]
    for conditions in alternatives_of(step.refuse):
        if any(one <= set(conditions) for one in wanted):
            return ", ".join(map(str, conditions))
    return None


def _is_of_upgrade(step: Step) -> bool:
    return all(source.startswith(OF_ANSWER) for source in step.capture.values())
