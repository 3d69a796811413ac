"""Messages in the terms of the protocol that a recorded session speaks: its steps, its options, its replies."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from wstui.protocols.guess import ProtocolGuess, guess
from wstui.recording.inference.message import ObservedMessage, Path, Spoken, flat, plain_message, sort_into_kinds
from wstui.recording.session import RecordedConnection, RecordedMessage, value_of
from wstui.scenario.conversation.dialect import (
    BadKey,
    Dialect,
    Malformed,
    RecordedState,
    RecordedStep,
    Table,
    Verbatim,
    alternatives,
    read,
)
from wstui.scenario.conversation.known_dialects import dialect

_OWN = re.compile(r"\{\{seq(16)?( text)?\}\}")
_BY_ITSELF = re.compile(r"(?i)(.*:)?(ping|pong|heartbeat|pubrec|pubrel)")
_FARTHEST = 2000
_CONTENT = ("text", "audio")
"""Keys whose values are what is said, and not what kind of message it is."""
PLAIN = ("json", "raw")
"""Protocols whose frames have no terms of their own."""
HAS_SPOKEN = (Malformed, BadKey, ValueError, LookupError, TypeError, AttributeError)
"""What readers raise for frames that clients of their protocol do not send."""
OPTIONS = "(options)"


@dataclass(slots=True)
class ProtocolMessages:
    """The protocol of some connections, and their messages; `options` has those of each client as a message."""

    guess: ProtocolGuess
    dialect: Dialect
    clients: list[list[ObservedMessage]] = field(default_factory=list)
    options: list[ObservedMessage] = field(default_factory=list)

    @property
    def protocol(self) -> str:
        return self.guess.protocol

    def offers(self, subprotocols: Sequence[str]) -> bool:
        """Return whether clients of the protocol offer these by themselves."""
        own = self.dialect.subprotocols()
        return all(name in own or ((g := guess("", name)) and g.protocol == self.protocol) for name in subprotocols)


def listen(connections: Sequence[RecordedConnection], protocol: str = "") -> ProtocolMessages | None:
    """Return the messages in the terms of the protocol, which is recognised unless it is given.

    None if it has no terms, or some frame does not fit it.
    """
    longest = max(connections, key=lambda connection: len(connection.frames))
    agreed = value_of(longest.answer, "sec-websocket-protocol")
    frames = sorted(longest.frames, key=lambda frame: frame.at)
    found = guess(longest.url, agreed, ((frame.sent, frame.data) for frame in frames))
    if protocol and (found is None or found.protocol != protocol):
        found = ProtocolGuess(protocol, "")
    if found is None or found.protocol in PLAIN:
        return None
    try:
        speech = ProtocolMessages(found, dialect(found.protocol, found.options))
        for number, connection in enumerate(connections):
            listener = _Listener(number, speech.dialect, found.options)
            for frame in sorted(connection.frames, key=lambda frame: frame.at):
                listener.take(frame)
            speech.clients.append(listener.answered())
            if listener.options:
                at = connection.at or (frames[0].at if frames else 0.0)
                said = _message(number, at, True, "", listener.options, kind=OPTIONS)
                said.spoken = Spoken([], None, False)
                speech.options.append(said)
    except (Malformed, BadKey, ValueError):
        return None
    sort_into_kinds([m for client in speech.clients for m in client if m.sent and m.spoken is None])
    sort_into_kinds([m for client in speech.clients for m in client if not m.sent], speech.dialect.kinds)
    for message in (message for client in speech.clients for message in client):
        if message.answer is not None:
            message.answer.kind = f"{message.answer.kind} to {message.kind}"
    return speech


class _Listener:
    """Reads the frames of one client."""

    def __init__(self, client: int, speaks: Dialect, given: Mapping[str, Any]) -> None:
        self._client, self._dialect, self._given = client, speaks, dict(given)
        self._decode, self._kept = speaks.decoder(), None
        self._heard = RecordedState()
        self._messages: list[ObservedMessage] = []
        self.options: Table = {}
        self._own: list[Any] = []
        """The ids of what the protocol sends by itself, whose replies are left out."""

    def take(self, frame: RecordedMessage) -> None:
        if not frame.sent:
            self._receive(frame)
            return
        before = copy.copy(self._heard.kept)
        try:
            said = self._dialect.recorded(frame.data, self._heard)
            made = [self._said(one, frame) for one in said]
        except HAS_SPOKEN:
            self._heard.kept = before
            if frame.data:
                self._messages.append(plain_message(self._client, frame))
            return
        self._messages += [message for message in made if message is not None]

    def _said(self, said: RecordedStep, frame: RecordedMessage) -> ObservedMessage | None:
        if said.opens or not said.table:
            if said.own is not None:
                self._own.append(said.own)
            if said.opens:
                keys = self._dialect.option_keys
                self.options |= _told(keys, said.table)
                self._dialect = type(self._dialect)(read(keys, self._given | self.options))
            return None
        table = _told(self._dialect.step_keys, said.table)
        if not table:
            raise Malformed("a message that says nothing")
        made = _message(self._client, frame.at, True, frame.data, table)
        made.spoken = replace(self._spoken(table, said.own), waits=said.waits)
        command = next(iter(table))
        name = _name(table[command])
        made.kind = f"{command} {re.sub('[0-9]+', '0', name)}" if command != "query" else f"query {name}"
        if command in _CONTENT or table[command] is True:
            made.kind = command
        elif isinstance(table[command], str) and not re.search(r"\d", table[command]):
            made.marks = ((command,),)
        return made

    def _spoken(self, table: Table, own: Any) -> Spoken:
        keys = self._dialect.step_keys
        lowered = self._dialect.step(read(keys, table), {})
        expect = _with_id(lowered.get("expect"), own)
        probe = {"?": "?"}
        try:
            lowered = self._dialect.step(read(keys, table), {"expect": probe, "capture": probe})
        except BadKey:
            return Spoken(expect, None, False)
        at = str(lowered.get("capture", probe).get("?", "?")).removesuffix("?").rstrip(".")
        return Spoken(expect, at, not expect and lowered.get("expect") == probe)

    def _receive(self, frame: RecordedMessage) -> None:
        payload = frame.data.encode() if isinstance(frame.data, str) else frame.data
        if self._decode is None:
            documents: Sequence[tuple[Any, bytes]] = [(msgspec.json.decode(payload), payload)] if payload else []
        else:
            documents, self._kept = self._decode(self._kept, isinstance(frame.data, bytes), payload)
        for document, raw in documents:
            if not isinstance(document, dict | list):
                self._messages.append(plain_message(self._client, replace(frame, data=_text(raw))))
                continue
            if isinstance(document, dict):
                self._heard.received.append(document)
            made = _message(self._client, frame.at, False, _text(raw), document)
            kinds = (made.fields.get((key,)) for key in (*self._dialect.kinds, "type"))
            if not any(isinstance(kind, str) and _BY_ITSELF.fullmatch(kind) for kind in kinds):
                self._messages.append(made)

    def answered(self) -> list[ObservedMessage]:
        """Return the messages without replies to what the protocol sends; of each other one the reply is known."""
        used: set[int] = set()
        received = [message for message in self._messages if not message.sent]
        opening = [step["expect"] for step in self._dialect.opening() if "expect" in step]
        beats = self._dialect.rules().get("heartbeats", [])
        for own in [None, *self._own]:
            for expected in list(opening):
                if (reply := self._first(0, _with_id(expected, own), used)) is not None:
                    used.add(id(reply))
                    opening.remove(expected)
            wanted = [one for beat in beats for one in _with_id(beat.get("expect"), own)]
            used |= {id(m) for m in received if any(_matches(one, m) for one in wanted)}
        messages = [message for message in self._messages if id(message) not in used]
        self._messages = messages
        for index, message in enumerate(messages):
            if message.spoken is not None and message.spoken.expect:
                message.answer = self._first(index + 1, message.spoken.expect, used)
                used.add(id(message.answer))
        self._leave_waits()
        return messages

    def _leave_waits(self) -> None:
        """Steps wait for no reply if it never came in the recording."""
        spoken = [m for m in self._messages if m.spoken is not None and m.spoken.waits]
        answered = {message.kind for message in spoken if message.answer is not None}
        for message in spoken:
            if message.spoken is not None and message.kind not in answered:
                del message.document[message.spoken.waits]
                message.fields = dict(flat(message.document, (), inside=False))
                message.spoken = self._spoken(message.document, None)

    def _first(self, start: int, wanted: Sequence[Table], used: set[int]) -> ObservedMessage | None:
        near = (m for m in self._messages[start : start + _FARTHEST] if not m.sent and id(m) not in used)
        return next((m for m in near if any(_matches(one, m) for one in wanted)), None)


def _message(client: int, at: float, sent: bool, data: str | bytes, document: Any, kind: str = "") -> ObservedMessage:
    made = ObservedMessage(client, at, sent, data, "json", document, kind=kind)
    made.fields = {
        path: value for path, value in flat(document, (), inside=not sent) if not isinstance(value, Verbatim)
    }
    return made


def _text(raw: bytes) -> str | bytes:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def _name(value: Any) -> str:
    """A name for what a step says: an event, a method, a topic; of GraphQL the operation, or its first field."""
    if isinstance(value, dict):
        return " ".join(str(inner) for inner in value.values() if isinstance(inner, str | int))
    if isinstance(value, list):
        return " ".join(map(str, value))
    if isinstance(value, str) and "{" in value and (found := re.match(r"\s*\w*\s*(\w*)[^{]*\{\s*(\w+)", value)):
        return str(found[1] or found[2])
    return str(value)


def _told(kind: type[msgspec.Struct], table: Table) -> Table:
    """Return keys without those that say the default, and without what TOML can't hold. Raises Malformed."""
    defaults = {each.name: each.default for each in msgspec.structs.fields(kind)}
    empty: tuple[Any, ...] = (None, "", [], {})
    kept = {
        name: _without_none(value)
        for name, value in table.items()
        if name in defaults
        and value != defaults[name]
        and (value not in empty or defaults[name] not in (*empty, msgspec.NODEFAULT))
    }
    read(kind, kept)
    return kept


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None and key}
    if isinstance(value, list):
        if None in value:
            raise Malformed("null in a list")
        return [_without_none(inner) for inner in value]
    if isinstance(value, int) and abs(value) >= 1 << 63:
        raise Malformed("a number that TOML can't hold")
    return value


def _with_id(matcher: Any, own: Any) -> list[Table]:
    """Return the alternatives of a matcher for the reply to one message; without its id, those that need none."""
    made = []
    for one in alternatives(matcher):
        places = [path for path, value in one.items() if isinstance(value, str) and _OWN.fullmatch(value)]
        if own is not None or not places:
            made.append(one | dict.fromkeys(places, own))
    return made


def _matches(matcher: Mapping[str, Any], message: ObservedMessage) -> bool:
    for key, value in matcher.items():
        path: Path = tuple((value if key == "absent" else key).split("."))
        held = any(found[: len(path)] == path for found in message.fields)
        if key == "absent":
            if held:
                return False
        elif not held or (value != "*" and str(message.fields.get(path)) != str(value)):
            return False
    return True
