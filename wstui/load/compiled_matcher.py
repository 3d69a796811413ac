"""Tells which messages a client waits for: matchers compiled once, bound to a client's values when it sends."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from wstui.load.reply_matcher import MISSING, ReplyMatcher
from wstui.load.role_spec import ConditionSpec, MatcherSpec, Slot
from wstui.load.text import IDS_A_CLIENT, compile_parts, compile_value, text_of

ANY = "*"
Bound = Any
"""What a matcher compares with, for one message of one client."""
Match = Callable[[Any, bytes, Bound], bool]
"""Whether a message, as a document and as bytes, is meant."""
Known = Mapping[tuple[str, ...], str | None]
"""Texts whose values are already known, by their path in the document; None if there is no text at that path."""
_to_key = msgspec.msgpack.Encoder().encode


class BoundValues:
    """What the conditions of some matchers compare with, made for each message; what is alike is made once."""

    def __init__(self, specs: Sequence[MatcherSpec], seed: int) -> None:
        self._places: dict[bytes, int] = {}
        makers: list[Callable[[Any], Any]] = []
        for spec in specs:
            for condition in (condition for conditions in spec.alternatives for condition in conditions):
                key = _key(condition)
                if condition.text and key not in self._places:
                    self._places[key] = len(makers)
                    makers.append(_maker(condition, seed))
        self.bind: Callable[[Any], Bound] = lambda _speaker: None
        if len(makers) == 1:
            (self.bind,) = makers
        elif makers:
            self.bind = lambda speaker: [make(speaker) for make in makers]

    def place(self, condition: ConditionSpec) -> int:
        """Return which of several values a condition compares with; -1 if there is only one."""
        return self._places[_key(condition)] if len(self._places) > 1 else -1


class Matcher:
    """`bind` takes the values of a speaker at the moment of its message; `matches` compares any number of messages."""

    __slots__ = (
        "_alternatives", "_any", "_reader", "_values", "bind", "is_bound", "is_earlier", "is_keyed", "names_client",
        "words",
    )  # fmt: skip
    is_lasting = True
    """Whether it serves more than one message."""

    def __init__(self, spec: MatcherSpec, reader: ReplyMatcher, seed: int, values: BoundValues | None = None) -> None:
        """`values` are those that it shares with other matchers of a step."""
        self.words = spec.words
        # Whether it compares anything with what is bound.
        self.is_bound = any(condition.text for conditions in spec.alternatives for condition in conditions)
        self.is_keyed = any(_is_keyed(condition) for conditions in spec.alternatives for condition in conditions)
        # Whether no other client's message matches: then a broadcast may be a reply to its sender.
        self.names_client = all(any(map(_is_own, conditions)) for conditions in spec.alternatives)
        # Whether a message answers an earlier one of the client, if its number alone tells them apart.
        self.is_earlier = _earlier(spec.alternatives[0], reader, seed) if len(spec.alternatives) == 1 else None
        self._alternatives = spec.alternatives
        self._reader = reader
        self._values = BoundValues([spec], seed) if values is None else values
        self.bind = self._values.bind
        self._any: dict[bool, Match | None] = {}

    def matches(self, document: Any, payload: bytes, bound: Bound) -> bool:
        """Return whether a message is meant of which nothing is known."""
        is_read = document is not None
        if is_read not in self._any:
            self._any[is_read] = self.rest({}, is_read)
        found = self._any[is_read]
        return found is not None and found(document, payload, bound)

    def may_match(self, known: Known, is_read: bool = True) -> bool:
        """Return whether any message matches of which this is known."""
        return bool(self._left(known, is_read))

    def rest(self, known: Known, is_read: bool = True) -> Match | None:
        """Return what is left to compare once this is known; None when no message of this kind matches.

        Without a document (`is_read`) only the bytes of a message are compared.
        """
        left = self._left(known, is_read)
        if not left:
            return None
        if not all(left):
            return always
        code = Code(self._reader)
        checks = [" and ".join(code.check(one, self._bound(one)) for one in conditions) for conditions in left]
        found: Match = code.function("document, payload, bound", " or ".join(checks))
        return found

    def _left(self, known: Known, is_read: bool) -> list[list[ConditionSpec]]:
        """The alternatives that may still match, each with the conditions that are not decided."""
        left = (_rest(each, known) if is_read else _unread(each) for each in self._alternatives)
        return [conditions for conditions in left if conditions is not None]

    def _bound(self, condition: ConditionSpec) -> str:
        """Return where the value of a condition stands in what is bound."""
        place = self._values.place(condition) if condition.text else -1
        return "bound" if place < 0 else f"bound[{place}]"


def always(_document: Any, _payload: bytes, _bound: Bound) -> bool:
    """Match: nothing is left to compare."""
    return True


def _rest(conditions: Sequence[ConditionSpec], known: Known) -> list[ConditionSpec] | None:
    """The conditions that what is known does not decide; None when it contradicts one."""
    left = []
    for condition in conditions:
        path = tuple(condition.path)
        if condition.kind not in ("path", "absent") or condition.text or path not in known:
            left.append(condition)
            continue
        found, is_any = known[path], condition.value == ANY
        if found is None:
            # There may be a number, or nothing.
            if condition.kind == "path" and not is_any and isinstance(condition.value, str):
                return None
            left.append(condition)
        elif condition.kind == "absent" or not (is_any or condition.value == found):
            return None
    return left


def _unread(conditions: Sequence[ConditionSpec]) -> list[ConditionSpec] | None:
    """The conditions on the bytes of a message that has no document."""
    if any(condition.kind == "path" for condition in conditions):
        return None
    return [condition for condition in conditions if condition.kind != "absent"]


class Code:
    """Writes what is asked of documents as one Python expression: a call for each part would cost more than it does.

    The text holds names of ours only; what a scenario says stands in the namespace.
    """

    def __init__(self, reader: ReplyMatcher) -> None:
        self._reader = reader
        self._names: dict[str, Any] = {"MISSING": MISSING, "value": reader.value, "same": _same}

    def function(self, arguments: str, expression: str) -> Any:
        """Return the function of these arguments, of which `document` is not None unless the expression asks."""
        return eval(f"lambda {arguments}: {expression}", self._names)

    def name(self, constant: Any) -> str:
        name = f"constant_{len(self._names)}"
        self._names[name] = constant
        return name

    def at(self, path: Sequence[str]) -> str:
        """Return the expression of what is at a path: keys of tables are looked up at once, all else by the reader."""
        found = self._reader.expression(path[0], self.name)
        if not found:
            return f"value(document, {self.name(path)})"
        for depth, part in enumerate(path[1:], 2):
            other = f"value(document, {self.name(path[:depth])})"
            found = f"(i{depth}.get({self.name(part)}, MISSING) if type(i{depth} := {found}) is dict else {other})"
        return found

    def check(self, condition: ConditionSpec, bound: str) -> str:
        """Return the expression of whether a condition holds; a value made for each message is `bound`."""
        wanted = bound if condition.text else self.name(_value(condition))
        match condition.kind:
            case "contains":
                return f"{wanted} in payload"
            case "equals":
                return f"payload == {wanted}"
            case "prefix" | "hex":
                return f"payload.startswith({wanted})"
            case "regex":
                return f"{wanted}.search(payload) is not None"
        found = self.at(condition.path)
        if condition.kind == "absent":
            return f"((found := {found}) is MISSING or found is None)"
        if condition.text:
            return f"(found == {wanted} if type(found := {found}) is type({wanted}) else same(found, {wanted}))"
        if condition.value == ANY:
            return f"{found} is not MISSING"
        if isinstance(condition.value, str):
            return f"{found} == {wanted}"
        return f"((found := {found}) == {wanted} and isinstance(found, bool) is {isinstance(condition.value, bool)})"


def _key(condition: ConditionSpec) -> bytes:
    kind = condition.kind
    return _to_key((kind if kind in ("path", "regex", "hex") else "text", condition.text))


def _maker(condition: ConditionSpec, seed: int) -> Callable[[Any], Any]:
    """Return what returns the value of a condition for a speaker, in the type that is compared."""
    kind, text = condition.kind, condition.text
    if kind == "path" and len(text) == 1 and isinstance(slot := text[0], Slot):
        value = compile_value(slot, seed)
        if slot.kind == "seq" and slot.form == "raw":
            return lambda speaker: str(speaker.seq)
        # {{seq text}} is compared as a text, as it is sent.
        as_text = slot.form == "raw" and slot.kind in ("seq16", "client", "id")
        return (lambda speaker: str(value(speaker))) if as_text else value
    render = compile_parts(text, seed)
    match kind:
        case "path":
            return lambda speaker: render(speaker).decode()
        case "regex":
            return lambda speaker: _regex(render(speaker))
        case "hex":
            return lambda speaker: _from_hex(render(speaker))
    return render


def _value(condition: ConditionSpec) -> Any:
    match condition.kind:
        case "path" | "absent":
            return condition.value
        case "regex":
            return re.compile(str(condition.value).encode())
        case "hex":
            return bytes.fromhex(str(condition.value))
    return str(condition.value).encode()


def check_of(condition: ConditionSpec, reader: ReplyMatcher) -> Match:
    """Return the check of a condition on any message, with its value as what is bound."""
    match condition.kind:
        case "contains":
            return lambda _document, payload, bound: bound in payload
        case "equals":
            return lambda _document, payload, bound: payload == bound
        case "prefix" | "hex":
            return lambda _document, payload, bound: payload.startswith(bound)
        case "regex":
            return lambda _document, payload, bound: bound.search(payload) is not None
    path = condition.path
    if condition.kind == "absent":
        return lambda document, _payload, _bound: reader.value(document, path) in (MISSING, None)
    if condition.value == ANY:
        return lambda document, _payload, _bound: reader.value(document, path) is not MISSING

    def check(document: Any, _payload: bytes, bound: Bound) -> bool:
        found = reader.value(document, path)
        return bool(found == bound) and isinstance(found, bool) == isinstance(bound, bool)

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


# -- replies to earlier messages ---------------------------------------------------------------------------------------


def _is_keyed(condition: ConditionSpec) -> bool:
    """Return whether the condition differs from message to message of one client."""
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
    rest = Matcher(MatcherSpec([others]), reader, seed) if others else None
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
        return rest is None or rest.matches(document, payload, rest.bind(speaker))

    return is_earlier
