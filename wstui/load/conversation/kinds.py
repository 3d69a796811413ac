"""What a role does with messages of one kind: found out at the first of them, looked up for all others.

Most conditions ask for a kind. Once it is known, few rules are left that may concern a message, and of those often
nothing is left to compare.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from wstui.load.compiled_matcher import Code, Known, Match, always
from wstui.load.reply_matcher import ReplyMatcher
from wstui.measure.counters import TYPES_KEPT


class Rules(Protocol):
    """A role as its kinds of messages see it: each rule begins with its matcher."""

    @property
    def reader(self) -> ReplyMatcher: ...
    @property
    def answers(self) -> Sequence[Any]: ...
    @property
    def deliveries(self) -> Sequence[Any]: ...
    @property
    def sequences(self) -> Sequence[Any]: ...
    @property
    def errors(self) -> Sequence[Any]: ...
    @property
    def watchdogs(self) -> Sequence[Any]: ...
    @property
    def streams(self) -> Sequence[Any]: ...
    @property
    def awaited(self) -> Sequence[Any] | None: ...


class _Rests(dict[Any, "Match | None"]):
    """What is left to compare, for each matcher."""

    def __init__(self, known: Known, is_read: bool) -> None:
        self._known = known
        self._is_read = is_read

    def __missing__(self, matcher: Any) -> Match | None:
        found: Match | None = matcher.rest(self._known, self._is_read)
        if matcher.is_lasting:
            self[matcher] = found
        return found


class MessageKind:
    """A kind of message: its name if it says it, the rules that may concern it, and what matchers have to compare."""

    __slots__ = (
        "acts", "answers", "deliveries", "ended", "errors", "is_awaited", "is_idle", "is_seen", "name", "rests",
        "seen", "sequences", "streams", "watched",
    )  # fmt: skip

    def __init__(self, role: Rules, known: Known, name: bytes | None = None, is_read: bool = True) -> None:
        self.name = name
        self.rests = rests = _Rests(known, is_read)

        def may_match(matcher: Any) -> bool:
            return matcher is not None and bool(matcher.may_match(known, is_read))

        self.answers = [rule for rule in role.answers if may_match(rule[0])]
        dogs = [(index, dog.on) for index, dog in enumerate(role.watchdogs)]
        # Which watchdogs surely see their message, and which may.
        self.seen = [index for index, on in dogs if on is None or (may_match(on) and rests[on] is always)]
        self.watched = [(i, _unbound(on, rests[on])) for i, on in dogs if i not in self.seen and may_match(on)]
        self.is_seen = bool(self.seen or self.watched)
        self.deliveries = [rule for rule in role.deliveries if may_match(rule[0])]
        self.sequences = [rule for rule in role.sequences if may_match(rule[0])]
        # Which streams surely end with it, and of which it may be a part, the end or the beginning.
        self.ended = [
            index
            for index, stream in enumerate(role.streams)
            if not may_match(stream.of) and rests[stream.ends] is always
        ]
        self.streams = [
            index
            for index, stream in enumerate(role.streams)
            if index not in self.ended and any(map(may_match, (stream.of, stream.ends, stream.begins)))
        ]
        self.errors = [rule for rule in role.errors if may_match(rule[0])]
        self.acts = bool(self.answers or self.deliveries or self.sequences or self.streams or self.ended)
        # Whether a step or a heartbeat may wait for it.
        self.is_awaited = role.awaited is None or any(map(may_match, role.awaited))
        self.is_idle = not (self.acts or self.is_awaited or self.errors or self.is_seen)

    def is_meant(self, matcher: Any, document: Any, payload: bytes, conversation: Any) -> bool:
        """Return whether a rule of a client means a message of this kind."""
        rest = self.rests[matcher]
        if rest is None or rest is always:
            return rest is not None
        return rest(document, payload, matcher.bind(conversation))


def _unbound(matcher: Any, rest: Match | None) -> Match:
    """Return what compares a message with the values of a conversation, which is given instead of them."""
    assert rest is not None
    if not matcher.is_bound:
        return rest
    bind = matcher.bind
    return lambda document, payload, conversation: rest(document, payload, bind(conversation))


class KindsByName(dict[str, MessageKind]):
    """The kinds that are told at one of several paths, by their names."""

    def __init__(self, role: Rules, known: dict[tuple[str, ...], str | None], path: tuple[str, ...]) -> None:
        self._role = role
        self._known = known
        self._path = path
        self._others = MessageKind(role, known)

    def __missing__(self, name: str) -> MessageKind:
        encoded = name.encode("utf-8", "backslashreplace")
        if len(self) >= TYPES_KEPT:  # a server that makes up kinds
            made = copy.copy(self._others)
            made.name = encoded
        else:
            self[name] = made = MessageKind(self._role, self._known | {self._path: name}, encoded)
        return made


def kind_reader(role: Rules, paths: Sequence[Sequence[str]]) -> Callable[[Any], MessageKind]:
    """Return what tells the kind of a message: the text at the first of the paths that has one.

    A message that has none, or is not JSON, has a kind without a name.
    """
    code = Code(role.reader)
    known: dict[tuple[str, ...], str | None] = {}
    found = ""
    for path in map(tuple, paths):
        kinds = code.name(KindsByName(role, dict(known), path))
        found += f"{kinds}[name] if type(name := {code.at(path)}) is str else "
        known[path] = None
    unread, untold = code.name(MessageKind(role, {}, is_read=False)), code.name(MessageKind(role, known))
    kind: Callable[[Any], MessageKind] = code.function("document", f"{unread} if document is None else {found}{untold}")
    return kind
