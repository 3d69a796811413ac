"""Tells which messages a client waits for: matchers compiled once, bound to a client's values when it sends."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from wstui.load.reply_matcher import MISSING, ReplyMatcher
from wstui.load.role_spec import CaptureSpec, ConditionSpec, MatcherSpec, RoleSpec, Slot, StepSpec
from wstui.load.text import IDS_A_CLIENT, compile_parts, compile_value, text_of

ANY = "*"
Bound = Any
"""What a matcher compares with, for one message of one client."""
Match = Callable[[Any, bytes, Bound], bool]
"""Whether a message, as a document and as bytes, is meant."""


class Matcher:
    """`bind` takes the values of a speaker at the moment of its message; `matches` compares any number of messages."""

    __slots__ = ("bind", "is_earlier", "is_keyed", "matches", "names_client", "words")

    def __init__(self, spec: MatcherSpec, reader: ReplyMatcher, seed: int) -> None:
        self.words = spec.words
        self.is_keyed = any(_is_keyed(condition) for conditions in spec.alternatives for condition in conditions)
        # Whether no other client's message matches: then a broadcast may be a reply to its sender.
        self.names_client = all(any(map(_is_own, conditions)) for conditions in spec.alternatives)
        # Whether a message answers an earlier one of the client, if its number alone tells them apart.
        self.is_earlier = _earlier(spec.alternatives[0], reader, seed) if len(spec.alternatives) == 1 else None
        self.bind: Callable[[Any], Bound]
        self.matches: Match
        made = [_alternative(conditions, reader, seed) for conditions in spec.alternatives]
        if len(made) == 1:
            self.bind, self.matches = made[0]
            return
        binds, matches = [bind for bind, _ in made], [match for _, match in made]
        self.bind = lambda speaker: [bind(speaker) for bind in binds]
        self.matches = lambda document, payload, bound: any(
            match(document, payload, own) for match, own in zip(matches, bound, strict=True)
        )


def reader_of(role: RoleSpec, kinds: Sequence[str], plain: bool) -> ReplyMatcher:
    """What reads the parts of messages that a role asks for: all of them, if it is a script."""
    return ReplyMatcher([*((kind,) for kind in kinds), *_paths(role)], plain or bool(role.script))


def _paths(role: RoleSpec) -> Iterator[Sequence[str]]:
    for step in all_steps(role):
        for matcher in (step.expect, step.refuse):
            yield from _paths_of(matcher)
        yield from (path for path in (*step.reason, *(capture.path for capture in step.capture)) if path)
    for beat in role.heartbeats:
        yield from _paths_of(beat.expect)
    for answer in role.answers:
        yield from _paths_of(answer.on)
        yield from _paths_said(answer.say.parts)
    for watchdog in role.watchdogs:
        yield from _paths_of(watchdog.on)
    for error in role.errors:
        yield from _paths_of(error.on)
        yield from error.reason
    for rule in (*role.delivery, *role.sequence):
        yield from _paths_of(rule.of)  # type: ignore[attr-defined]  # mypy joins the two to Struct
        yield rule.path  # type: ignore[attr-defined]
    for stream in role.streams:
        for matcher in (stream.of, stream.ends, stream.begins):
            yield from _paths_of(matcher)
        if stream.path:
            yield stream.path
    yield from (rule.per for rule in role.sequence if rule.per)


def all_steps(role: RoleSpec) -> Iterator[StepSpec]:
    """All steps of a role."""
    return steps_of([*role.open, *role.loop, *role.leave])


def steps_of(steps: Iterable[StepSpec]) -> Iterator[StepSpec]:
    """All steps, also those inside others."""
    for step in steps:
        yield step
        yield from steps_of(step.steps)
        for choice in step.choose:
            yield from steps_of(choice.steps)


def _paths_of(matcher: MatcherSpec | None) -> Iterator[Sequence[str]]:
    for conditions in matcher.alternatives if matcher is not None else ():
        yield from (condition.path for condition in conditions if condition.path)


def _paths_said(parts: Sequence[bytes | Slot]) -> Iterator[Sequence[str]]:
    for part in parts:
        if isinstance(part, Slot):
            yield from [part.path] if part.path else []
            yield from _paths_said(part.parts)


def _is_keyed(condition: ConditionSpec) -> bool:
    """Whether the condition differs from message to message of one client."""
    return any(isinstance(part, Slot) and part.kind not in ("client", "feed") for part in condition.text)


def _is_own(condition: ConditionSpec) -> bool:
    slots = (part for part in condition.text if isinstance(part, Slot))
    return any(slot.kind in ("id", "client", "random uuid", "random hex", "random text") for slot in slots)


def _earlier(
    conditions: list[ConditionSpec], reader: ReplyMatcher, seed: int
) -> Callable[[Any, bytes, Any], bool] | None:
    keyed = [condition for condition in conditions if _is_keyed(condition)]
    slot = keyed[0].text[0] if len(keyed) == 1 and len(keyed[0].text) == 1 else None
    if not isinstance(slot, Slot) or slot.kind not in ("id", "seq") or keyed[0].kind != "path":
        return None
    others = [condition for condition in conditions if condition is not keyed[0]]
    bind, matches = _alternative(others, reader, seed) if others else (None, None)
    path, of_client = keyed[0].path, slot.kind == "id"

    def is_earlier(document: Any, payload: bytes, speaker: Any) -> bool:
        found = reader.value(document, path)
        if isinstance(found, str) and found.isdecimal() and len(found) < 19:
            found = int(found)
        if type(found) is not int:
            return False
        owner, seq = divmod(found, IDS_A_CLIENT) if of_client else (speaker.number + 1, found)
        if owner != speaker.number + 1 or not 0 < seq <= speaker.seq:
            return False
        return bind is None or matches is None or matches(document, payload, bind(speaker))

    return is_earlier


def _alternative(
    conditions: list[ConditionSpec], reader: ReplyMatcher, seed: int
) -> tuple[Callable[[Any], Bound], Match]:
    top = [
        condition for condition in conditions if _is_plain(condition) and reader.getter([condition.path]) is not None
    ]
    if top and (getter := reader.getter([condition.path for condition in top])) is not None:
        bind_top, matches_top = _top_level(top, getter, seed)
        others = [condition for condition in conditions if condition not in top]
        if not others:
            return bind_top, matches_top
        bind_others, matches_others = _alternative(others, reader, seed)

        def matches(document: Any, payload: bytes, bound: Bound) -> bool:
            return matches_top(document, payload, bound[0]) and matches_others(document, payload, bound[1])

        return lambda speaker: (bind_top(speaker), bind_others(speaker)), matches
    checks = [check_of(condition, reader) for condition in conditions]
    values = [_wanted(condition, seed) for condition in conditions]
    if not any(condition.text for condition in conditions):
        constants = [value(None) for value in values]
        return lambda _speaker: constants, _all(checks)
    return lambda speaker: [value(speaker) for value in values], _all(checks)


def _is_plain(condition: ConditionSpec) -> bool:
    """Whether a text or a placeholder is compared with what is at a path."""
    wanted = condition.value
    return condition.kind == "path" and bool(condition.text or (wanted != ANY and isinstance(wanted, str)))


def _all(checks: list[Match]) -> Match:
    def matches(document: Any, payload: bytes, bound: Bound) -> bool:
        for check, own in zip(checks, bound, strict=True):  # noqa: SIM110 - a generator costs more
            if not check(document, payload, own):
                return False
        return True

    return matches


def _top_level(
    conditions: list[ConditionSpec], getter: Callable[[Any], Any], seed: int
) -> tuple[Callable[[Any], Bound], Match]:
    """The usual case, texts and placeholders at keys of the object itself: all are compared at once."""
    values = [_wanted(condition, seed) for condition in conditions]
    lenient = [bool(condition.text) for condition in conditions]
    bind: Callable[[Any], Bound]
    if len(conditions) == 1:
        (value,) = values
        constant = None if lenient[0] else value(None)
        bind = (lambda _speaker: constant) if constant is not None else value

        def matches_one(document: Any, _payload: bytes, bound: Bound) -> bool:
            if document is None:
                return False
            found = getter(document)
            return bool(found == bound and found is not True) or (lenient[0] and _same(found, bound))

        return bind, matches_one
    if any(lenient):
        fixed = [None if own else value(None) for own, value in zip(lenient, values, strict=True)]
        moving = [(index, value) for index, value in enumerate(values) if lenient[index]]
        if len(moving) == 1:
            ((place, only),) = moving
            before, after = tuple(fixed[:place]), tuple(fixed[place + 1 :])
            bind = lambda speaker: (*before, only(speaker), *after)  # noqa: E731
        else:
            bind = lambda speaker: tuple([value(speaker) for value in values])  # noqa: E731
    else:
        constants = tuple(value(None) for value in values)
        bind = lambda _speaker: constants  # noqa: E731

    def matches(document: Any, _payload: bytes, bound: Bound) -> bool:
        if document is None:
            return False
        found = getter(document)
        if found == bound:
            return True not in found or all(map(_same, found, bound))
        for one, wanted, own in zip(found, bound, lenient, strict=True):
            if one != wanted and not (own and _same(one, wanted)):
                return False
        return True

    return bind, matches


def _wanted(condition: ConditionSpec, seed: int) -> Callable[[Any], Any]:
    """What returns the value of a condition for a speaker, in the type that is compared."""
    kind, text, value = condition.kind, condition.text, condition.value
    if not text:
        constant: Any = value
        if kind == "regex":
            constant = re.compile(str(value).encode())
        elif kind == "hex":
            constant = bytes.fromhex(str(value))
        elif kind != "path":
            constant = str(value).encode()
        return lambda _speaker: constant
    if kind == "path" and len(text) == 1 and isinstance(text[0], Slot):
        return compile_value(text[0], seed)
    render = compile_parts(text, seed)
    match kind:
        case "path":
            return lambda speaker: render(speaker).decode()
        case "regex":
            return lambda speaker: _regex(render(speaker))
        case "hex":
            return lambda speaker: _from_hex(render(speaker))
    return render


def check_of(condition: ConditionSpec, reader: ReplyMatcher) -> Match:
    match condition.kind:
        case "contains":
            return lambda _document, payload, bound: bound in payload
        case "equals":
            return lambda _document, payload, bound: payload == bound
        case "prefix" | "hex":
            return lambda _document, payload, bound: payload.startswith(bound)
        case "regex":
            return lambda _document, payload, bound: bound.search(payload) is not None
    path, lenient = condition.path, bool(condition.text)
    if condition.kind == "absent":
        return lambda document, _payload, _bound: reader.value(document, path) in (MISSING, None)
    if not lenient and condition.value == ANY:
        return lambda document, _payload, _bound: reader.value(document, path) is not MISSING

    def check(document: Any, _payload: bytes, bound: Bound) -> bool:
        found = reader.value(document, path)
        if found == bound:
            return isinstance(found, bool) == isinstance(bound, bool)
        return lenient and _same(found, bound)

    return check


def _same(found: Any, wanted: Any) -> bool:
    """Whether a value is the wanted one, or its text: some servers repeat numbers as strings, and the reverse."""
    if found == wanted:
        return isinstance(found, bool) == isinstance(wanted, bool)
    if isinstance(found, str) != isinstance(wanted, str) and found is not MISSING:
        return text_of(found) == text_of(wanted)
    return False


def _regex(pattern: bytes) -> re.Pattern[bytes]:
    try:
        return re.compile(pattern)
    except re.error:
        return re.compile(re.escape(pattern))  # a captured value that is not meant as a pattern


def _from_hex(text: bytes) -> bytes:
    try:
        return bytes.fromhex(text.decode())
    except ValueError:
        return text


class Captures:
    """Takes variables out of the expected message, or out of an HTTP answer."""

    __slots__ = ("_reader", "_specs")

    def __init__(self, specs: Sequence[CaptureSpec], reader: ReplyMatcher) -> None:
        self._reader = reader
        self._specs = [(s, re.compile(s.regex.encode()) if s.regex else None) for s in specs]

    def take(self, document: Any, payload: bytes, values: list[Any], head: Head = ()) -> str:
        """Set the variables; return what was not there, "" when all was. `head` are the headers of an HTTP answer."""
        for spec, pattern in self._specs:
            if pattern is not None:
                match = pattern.search(payload)
                found: Any = MISSING if match is None else (match[1] or b"").decode("utf-8", "backslashreplace")
            elif spec.header:
                found = next(values_of(head, spec.header), MISSING)
            elif spec.cookie:
                found = next(_cookies(head, spec.cookie), MISSING)
            else:
                found = self._reader.value(document, spec.path)
            if found is MISSING:
                return spec.words
            values[spec.variable] = found
        return ""


Head = Sequence[tuple[bytes, bytes]]
"""The headers of an HTTP answer, their names in lower case."""


def values_of(head: Head, name: str) -> Iterator[str]:
    """Yield the values of a header."""
    wanted = name.lower().encode()
    return (value.decode("latin-1") for known, value in head if known == wanted)


def _cookies(head: Head, name: str) -> Iterator[str]:
    for line in values_of(head, "set-cookie"):
        known, _, value = line.partition(";")[0].partition("=")
        if known.strip() == name:
            yield value.strip()
