"""What must hold of the roles of a scenario: their steps, matchers, variables, files and numbers of clients."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from wstui.scenario.conversation.delay import parse_delay
from wstui.scenario.conversation.matcher import alternatives_of, parse_path
from wstui.scenario.conversation.payload import Part, Place, payload_of, text_places
from wstui.scenario.conversation.role import MOST_BYTES, Heartbeat, Message, Role, Step
from wstui.scenario.errors import BadValue, Conflict, Key, dotted, nearest, quote
from wstui.scenario.model import Scenario
from wstui.scenario.payload import Feed, feed_of
from wstui.scenario.placeholder import UNKNOWN, BadPlaceholder, Placeholder
from wstui.scenario.role_inputs import PHASES, messages_of, steps_of
from wstui.scenario.secrets import mask_text
from wstui.scenario.units import format_duration

MOST_DEPTH = 8
MOST_STEPS = 1000
MOST_BYTES_OF_ALL = 16 << 20
_KINDS = ("think", "repeat", "choose", "meet", "close")
_EXAMPLE = 'json = { type = "hello" } and expect = { type = "welcome" }'


def role_findings(scenario: Scenario) -> Iterator[Conflict]:
    """Every conflict in and between the roles; nothing when the scenario has none."""
    if not scenario.roles:
        if scenario.messages.exchange == "roles":
            yield Conflict(("roles",), 'are missing: messages.exchange is "roles", so write [[roles]]')
        return
    yield from _exclusive_findings(scenario)
    yield from _share_findings(scenario)
    feed: Feed | None = None
    feed_is_known = not scenario.messages.feed
    if scenario.messages.feed:
        try:
            feed, feed_is_known = feed_of(scenario.messages.feed, scenario.origin.file), True
        except BadValue as error:
            yield Conflict(("messages", "feed"), error.message, quote(scenario.messages.feed))
    total = 0
    for index, role in enumerate(scenario.roles):
        if role.name in [other.name for other in scenario.roles[:index]]:
            yield Conflict(("roles", index, "name"), "names two roles", quote(role.name))
        reader = _RoleReader(scenario, role, ("roles", index), feed, feed_is_known)
        yield from reader.findings()
        total += reader.bytes
    if total > MOST_BYTES_OF_ALL:
        yield Conflict(("roles",), f"send more than {MOST_BYTES_OF_ALL >> 20} MiB together: a worker keeps all of it")


def role_warnings(scenario: Scenario) -> Iterator[str]:
    """What of the roles probably is not meant."""
    every = scenario.shortest_every
    for index, role in enumerate(scenario.roles):
        place = dotted(("roles", index))
        if every and role.loop and (least := sum(map(_least_s, role.loop))) >= every:
            yield (
                f"{place}: a round thinks for at least {format_duration(least)}, and one is due every "
                f"{format_duration(every)}: rounds fall behind their schedule, and response times count that."
            )
        for key, step in steps_of(role):
            if step.expect is not None and step.sources and not _tells_rounds_apart(step) and key[0] == "loop":
                yield (
                    f"{dotted(('roles', index, *key))}.expect is the same in each round: a late reply will be taken "
                    'for the reply of the next round. If the server repeats a number, expect it: seq = "{{seq}}".'
                )
    sends_stamps = any("{{stamp" in str(message.json) + message.send for message in _all_messages(scenario))
    for index, role in enumerate(scenario.roles):
        for number, delivery in enumerate(role.delivery):
            if delivery.unit == "stamp" and not sends_stamps:
                yield f"roles[{index}].delivery[{number}] is never measured: no step sends {{{{stamp}}}}."
    if (
        scenario.roles
        and "every" in scenario.messages.model_fields_set
        and not any(role.loop for role in scenario.roles)
    ):
        yield "messages.every has no effect: no role has a loop."


def uses_meet(scenario: Scenario) -> bool:
    """Whether clients wait for each other."""
    return any(step.meet is not None for role in scenario.roles for _, step in steps_of(role))


def workers_of(scenario: Scenario) -> int:
    """Return the number of workers a scenario asks for, 0 for one per spare core. Clients that meet share one."""
    return 1 if uses_meet(scenario) else scenario.fleet.workers


def _all_messages(scenario: Scenario) -> list[Message]:
    return [message for role in scenario.roles for _, message in messages_of(role)]


def _least_s(step: Step) -> float:
    """How long a step takes at least, by its thinking alone."""
    if step.think is not None:
        return parse_delay(step.think).low
    if step.choose:
        return min(sum(map(_least_s, choice.steps)) for choice in step.choose)
    return (step.repeat or 0) * sum(map(_least_s, step.steps))


def _waits(step: Step) -> bool:
    """Whether a step lets time pass, however it goes."""
    if step.choose:
        return all(any(map(_waits, choice.steps)) for choice in step.choose)
    if step.think is not None:
        delay = parse_delay(step.think)
        return delay.low > 0 or delay.mean > 0
    return step.expect is not None or step.meet is not None or step.close or any(map(_waits, step.steps))


def _tells_rounds_apart(step: Step) -> bool:
    texts = [str(c.value) for conditions in alternatives_of(step.expect) for c in conditions]
    return any("{{" in text for text in texts)


def _exclusive_findings(scenario: Scenario) -> Iterator[Conflict]:
    messages, target = scenario.messages, scenario.target
    if messages.exchange != "roles":
        message = "has no place beside [[roles]], which say what clients send: leave it out"
        yield Conflict(("messages", "exchange"), message, quote(messages.exchange))
    if messages.subscribe:
        yield Conflict(("messages", "subscribe"), "has no place beside [[roles]]: write a step that subscribes")
    if target.ready == "welcome":
        message = 'has no place beside [[roles]]: write open = [{ expect = { type = "…" } }]'
        yield Conflict(("target", "ready"), message, quote("welcome"))
    waits = [stage.every for stage in scenario.stages if stage.every is not None]
    if messages.every == 0 or 0 in waits:
        for index, role in enumerate(scenario.roles):
            if role.loop and not any(map(_waits, role.loop)):
                message = 'waits for nothing, and with every = "0s" would never end: add expect or think to a step'
                yield Conflict(("roles", index, "loop"), message, rests_on=(("messages", "every"), ("stages",)))
    if uses_meet(scenario) and (scenario.fleet.workers > 1 or scenario.fleet.hosts or scenario.fleet.scheduler):
        message = "more than one worker, and clients that meet must be in one: set workers = 1 on this host"
        yield Conflict(("fleet",), f"asks for {message}")


def _share_findings(scenario: Scenario) -> Iterator[Conflict]:
    fixed = sum(role.clients or 0 for role in scenario.roles)
    peak = scenario.peak_clients
    weights = [role.weight if role.weight is not None else 1.0 for role in scenario.roles if role.clients is None]
    for index, role in enumerate(scenario.roles):
        if role.clients is not None and role.weight is not None:
            yield Conflict(("roles", index, "weight"), "and clients are both given: keep one")
        if role.clients == 0:
            yield Conflict(("roles", index, "clients"), "is 0, so no client has this role: leave the role out", "0")
    if weights and not sum(weights):
        yield Conflict(("roles",), "have weight 0 everywhere: give at least one of them a weight above 0")
    elif not weights and fixed and peak > fixed:
        message = f"are {fixed} clients in all, and the load asks for {peak}: give one of them a weight"
        yield Conflict(("roles",), message, rests_on=(("stages",), ("load",), ("breakpoint",)))
    if peak and fixed > peak:
        message = f"ask for {fixed} clients in all, and the load never has more than {peak}"
        yield Conflict(("roles",), message, rests_on=(("stages",), ("load",), ("breakpoint",)))


class _RoleReader:
    """Goes through one role and yields what is wrong with it; `bytes` is what its messages weigh."""

    def __init__(self, scenario: Scenario, role: Role, place: Key, feed: Feed | None, feed_is_known: bool) -> None:
        self._file = scenario.origin.file
        self._role = role
        self._place = place
        self._feed = feed
        self._feed_is_known = feed_is_known
        self._captured = list(dict.fromkeys(name for _, step in steps_of(role) for name in step.capture))
        self._names: dict[str, Key] = {}
        self.bytes = 0

    def findings(self) -> Iterator[Conflict]:
        role, place = self._role, self._place
        if sum(1 for _ in steps_of(role)) > MOST_STEPS:
            yield Conflict(place, f"has more than {MOST_STEPS} steps")
            return
        opened: set[str] = set()
        for phase in PHASES:
            known = set(opened)
            yield from self._walk(getattr(role, phase), (*place, phase), known, 1)
            if phase == "open":
                opened = known
        for index, beat in enumerate(role.heartbeats):
            yield from self._heartbeat(beat, (*place, "heartbeats", index), opened)
        for index, answer in enumerate(role.answer):
            inner = (*place, "answer", index)
            yield from self._matcher(answer.on, (*inner, "on"), opened)
            if not answer.sources:
                yield Conflict(inner, 'answers nothing: write send or json = { type = "pong" }')
            yield from self._message(answer, inner, opened, in_answer=True)
        for name in ("delivery", "sequence"):
            for index, rule in enumerate(getattr(role, name)):
                yield from self._matcher(rule.of, (*place, name, index, "of"), opened)

    # -- steps -------------------------------------------------------------------------------------------------

    def _walk(self, steps: Sequence[Step], place: Key, known: set[str], depth: int) -> Iterator[Conflict]:
        """Check steps in order; `known` grows by what they capture."""
        if depth > MOST_DEPTH:
            yield Conflict(place, f"is nested more than {MOST_DEPTH} deep")
            return
        for index, step in enumerate(steps):
            yield from self._step(step, (*place, index), known, depth)

    def _step(self, step: Step, place: Key, known: set[str], depth: int) -> Iterator[Conflict]:
        kinds = [name for name in _KINDS if getattr(step, name)]
        is_message = bool(step.sources) or step.expect is not None
        if len(kinds) + is_message != 1:
            said = [*kinds, *(["a message"] if is_message else [])]
            both = f"is {' and '.join(said)} at once: make a step of each"
            yield Conflict(
                place, both if said else f"does nothing: write {_EXAMPLE}, or think, repeat, choose, meet, close"
            )
            return
        if step.steps and not step.repeat:
            yield Conflict((*place, "steps"), "belong to repeat, and there is none: write repeat = 3")
        if step.repeat and not step.steps:
            yield Conflict((*place, "repeat"), 'has nothing to repeat: write steps = [{ json = { type = "hello" } }]')
        yield from self._name(step, place)
        if step.expect is None:
            for name in ("refuse", "within", "capture"):
                if getattr(step, name):
                    yield Conflict(
                        (*place, name), 'belongs to expect, and there is none: write expect = { type = "ok" }'
                    )
        if is_message:
            yield from self._message(step, place, known)
            yield from self._matcher(step.expect, (*place, "expect"), known)
            yield from self._matcher(step.refuse, (*place, "refuse"), known)
            yield from self._captures(step, place)
            known.update(step.capture)
        if step.meet is not None:
            yield from self._text(step.meet.name, (*place, "meet"), known)
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

    def _name(self, message: Step | Heartbeat, place: Key) -> Iterator[Conflict]:
        if not message.name:
            return
        if message.name in self._names:
            yield Conflict((*place, "name"), f"names {dotted(self._names[message.name])} as well", quote(message.name))
        self._names.setdefault(message.name, place)

    def _heartbeat(self, beat: Heartbeat, place: Key, known: set[str]) -> Iterator[Conflict]:
        yield from self._name(beat, place)
        delay = parse_delay(beat.every)
        if not delay.low and not delay.mean:
            yield Conflict((*place, "every"), "must be more than 0", quote(beat.every))
        if not beat.sources:
            yield Conflict(place, 'sends nothing: write json = { type = "heartbeat" }')
        if beat.within is not None and beat.expect is None:
            yield Conflict((*place, "within"), "belongs to expect, and there is none")
        yield from self._message(beat, place, known)
        yield from self._matcher(beat.expect, (*place, "expect"), known)

    # -- what a message says and expects -----------------------------------------------------------------------

    def _message(self, message: Message, place: Key, known: set[str], in_answer: bool = False) -> Iterator[Conflict]:
        sources = message.sources
        if len(sources) > 1:
            yield Conflict((*place, sources[1]), f"and {sources[0]} are both given: keep one")
            return
        if not sources:
            for name in ("binary", "size"):
                if getattr(message, name):
                    yield Conflict((*place, name), "belongs to a message that is sent, and there is none")
            return
        source = sources[0]
        shown = "" if source == "json" else quote(mask_text(str(getattr(message, source))), 60)
        try:
            parts = payload_of(message, self._file, self._captured)
        except BadPlaceholder as error:
            yield self._bad((*place, source), error, known)
            return
        except BadValue as error:
            yield Conflict((*place, source), error.message, shown, error.nearest)
            return
        size = sum(len(part) for part in parts if isinstance(part, bytes))
        self.bytes += size
        if size > MOST_BYTES:
            yield Conflict((*place, source), f"is larger than {MOST_BYTES >> 20} MiB")
        yield from self._places(
            [p.placeholder for p in parts if isinstance(p, Place)], (*place, source), known, in_answer
        )
        yield from self._padding(message, parts, place, source)

    def _padding(self, message: Message, parts: Sequence[Part], place: Key, source: str) -> Iterator[Conflict]:
        pads = sum(isinstance(part, Place) and part.placeholder.name == "pad" for part in parts)
        if pads > 1:
            yield Conflict((*place, source), "is there twice: the padding goes to one place", quote("{{pad}}"))
        if pads and not message.size:
            yield Conflict((*place, "size"), "is missing: {{pad}} fills the message up to it")

    def _places(
        self, placeholders: Sequence[Placeholder], place: Key, known: set[str], in_answer: bool = False
    ) -> Iterator[Conflict]:
        """Check that each placeholder has a value when its turn comes."""
        for placeholder in placeholders:
            name, arguments = placeholder.name, placeholder.arguments
            if name == "variable" and arguments[0] not in known:
                written, message = f"{{{{{arguments[0]}}}}}", "is captured later, or not on every way to this step"
                yield Conflict(place, message, quote(written))
            elif name == "key":
                yield Conflict(place, "belongs to no step: write {{seq}} or {{id}}, and expect it", quote("{{key}}"))
            elif name == "message" and not in_answer:
                message = "is only there in an answer: capture what a later step needs"
                yield Conflict(place, message, quote(f"{{{{message.{arguments[0]}}}}}"))
            elif name == "env" and len(arguments) == 1 and arguments[0] not in os.environ:
                message = f'is not set: set it, or write "{{{{env {arguments[0]}:-default}}}}"'
                yield Conflict(place, message, quote(f"{{{{env {arguments[0]}}}}}"))
            elif name == "feed":
                try:
                    if self._feed is not None:
                        self._feed.index(placeholder)
                    elif self._feed_is_known:
                        written = f"{{{{feed.{arguments[0]}}}}}"
                        raise BadPlaceholder(written, 'has no feed: set messages.feed = "rows.csv"')
                except BadPlaceholder as error:
                    yield self._bad(place, error, known)

    def _text(self, text: str, place: Key, known: set[str]) -> Iterator[Conflict]:
        """Check the placeholders of a text that is compared, not sent."""
        try:
            places = [part for part in text_places(text, self._captured) if isinstance(part, Placeholder)]
        except BadPlaceholder as error:
            yield self._bad(place, error, known)
            return
        if any(part.name == "pad" for part in places):
            yield Conflict(place, "only fills what is sent", quote("{{pad}}"))
        yield from self._places(places, place, known)

    def _matcher(self, matcher: Any, place: Key, known: set[str]) -> Iterator[Conflict]:
        if matcher is None:
            return
        for conditions in alternatives_of(matcher):
            for condition in conditions:
                if isinstance(condition.value, str):
                    yield from self._text(condition.value, place, known)

    def _captures(self, step: Step, place: Key) -> Iterator[Conflict]:
        for name, source in step.capture.items():
            try:
                check_capture(source)
            except BadValue as error:
                yield Conflict((*place, "capture", name), error.message, quote(source, 60))

    def _bad(self, place: Key, error: BadPlaceholder, known: Collection[str]) -> Conflict:
        message = error.message
        if not error.nearest and message == UNKNOWN:
            message = "is neither a placeholder nor a variable that a step captures"
            inside = error.written.strip("{} ")
            near = nearest(inside, known)
            return Conflict(place, message, quote(mask_text(error.written), 60), f"{{{{{near}}}}}" if near else "")
        return Conflict(place, message, quote(mask_text(error.written), 60), error.nearest)


def check_capture(source: str) -> None:
    """Raise `BadValue` unless a variable can be captured from this: a path, or "regex:…" with one group."""
    if not source.startswith("regex:"):
        parse_path(source)
        return
    try:
        groups = re.compile(source.removeprefix("regex:")).groups
    except re.error as error:
        raise BadValue(f"is a regex that cannot be read: {error}") from None
    if not groups:
        raise BadValue('has no group to capture: write such as "regex:id=(\\\\d+)"')
