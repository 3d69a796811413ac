"""Recorded messages as documents, sorted into kinds: a login, a chat line, a heartbeat."""

from __future__ import annotations

import contextlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from wstui.recording.session import RecordedConnection, RecordedMessage

Path = tuple[str, ...]
Scalar = str | int | float | bool | None
MOST_FIELDS = 400
_DEEPEST = 16
_KIND_KEYS = ("type", "event", "action", "op", "cmd", "command", "method", "kind", "messageType", "e", "t")
_INSIDE = ("data", "payload", "message", "body", "params")
_WORD = re.compile(r"(?=.*[A-Za-z])[A-Za-z_$][\w:./$ -]{0,60}")
_RANDOM = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-fA-F]{12,}")
_TOKEN = re.compile(r"[\w.+@-]+")
_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Spoken:
    """How a step of the protocol is answered.

    `expect` is what it waits for by itself, with the id of this message; `at` the path below which a reply's content
    is looked for, and None if a step can't look at it. Only a `free` step may wait for any message instead.
    """

    expect: list[dict[str, Any]]
    at: str | None
    free: bool
    waits: str = ""
    """The key of the step that waits for the reply, if it does not have to."""


@dataclass(slots=True, eq=False)
class ObservedMessage:
    """One message: its document if it is JSON, and its values by path. Of other text, the words are the values."""

    client: int
    at: float
    sent: bool
    data: str | bytes
    form: Literal["json", "text", "binary"]
    document: Any = None
    fields: dict[Path, Scalar] = field(default_factory=dict)
    kind: str = ""
    marks: tuple[Path, ...] = ()
    """The paths whose values tell its kind."""
    spoken: Spoken | None = None
    """Of what was sent, when `document` is a step in the terms of a protocol."""
    answer: ObservedMessage | None = None
    """Its reply, when the protocol says which one that is."""

    @property
    def label(self) -> str:
        """A name for it: the words of its kind."""
        return "-".join(re.findall(r"[A-Za-z0-9_]+", self.kind))[:40].strip("-_") or "message"


def words_of(text: str) -> list[tuple[int, int]]:
    return [match.span() for match in _TOKEN.finditer(text)][:MOST_FIELDS]


def read_messages(connections: Sequence[RecordedConnection], *, as_json: bool = True) -> list[list[ObservedMessage]]:
    """Return the messages of each connection in their order, with their kinds; JSON as documents, or as text too."""
    clients = [
        [
            plain_message(number, frame, as_json=as_json)
            for frame in sorted(connection.frames, key=lambda frame: frame.at)
            if frame.data or not frame.sent  # no step sends an empty message
        ]
        for number, connection in enumerate(connections)
    ]
    for sent in (True, False):
        sort_into_kinds([message for client in clients for message in client if message.sent is sent])
    return clients


def plain_message(client: int, frame: RecordedMessage, *, as_json: bool = True) -> ObservedMessage:
    """Return a frame as the document or the text that it holds."""
    made = ObservedMessage(client, frame.at, frame.sent, frame.data, "binary")
    if isinstance(frame.data, str):
        made.form = "text"
        if as_json and frame.data.lstrip()[:1] in ("{", "["):
            try:
                made.document = _decode(frame.data)
                made.form = "json"
            except (msgspec.DecodeError, ValueError, RecursionError):
                pass
        if made.form == "json":
            made.fields = dict(flat(made.document, (), inside=not frame.sent))
        else:
            made.fields = {(str(n),): frame.data[a:b] for n, (a, b) in enumerate(words_of(frame.data))}
    return made


def flat(value: Any, path: Path, *, inside: bool) -> Iterator[tuple[Path, Scalar]]:
    """The values of a document by path. JSON inside a string is entered, if asked for, as matchers do."""
    found = 0
    stack = [(path, value)]
    while stack and found < MOST_FIELDS:
        path, value = stack.pop()
        if inside and isinstance(value, str) and value[:1] in ("{", "["):
            with contextlib.suppress(msgspec.DecodeError, ValueError, RecursionError):
                value = _decode(value)
        if isinstance(value, dict | list) and len(path) < _DEEPEST:
            items = value.items() if isinstance(value, dict) else enumerate(value)
            stack += [((*path, str(key)), inner) for key, inner in items][::-1][-MOST_FIELDS:]
        elif not isinstance(value, dict | list):
            found += 1
            yield path, value


def sort_into_kinds(messages: Sequence[ObservedMessage], keys: Sequence[str] = ()) -> None:
    """Set the kind of messages of one direction, by the values that tell them apart and take few values.

    `keys` are dotted paths to such values that are known beforehand.
    """
    values: defaultdict[Path, Counter[Scalar]] = defaultdict(Counter)
    marks = {id(message): list(_possible_marks(message, keys)) for message in messages if message.form == "json"}
    for message in messages:
        for path in marks.get(id(message), ()):
            values[path][message.fields[path]] += 1
    few = {path for path, found in values.items() if len(found) <= max(12, found.total() // 4)}
    for message in messages:
        if message.form == "json":
            message.marks = tuple(path for path in marks[id(message)] if path in few)
            if isinstance(message.document, list):  # a number that is a type, and the last name before the arguments
                names = [path for path in message.marks if isinstance(message.fields[path], str)]
                message.marks = tuple(p for p in message.marks if p not in names[:-1])
            shown = [str(message.fields[path]) for path in message.marks]
            message.kind = " ".join(shown) or _shape(message.document)
    for form in ("text", "binary"):
        alike = [message for message in messages if message.form == form]
        for message in alike:
            message.kind = _first(message.data)
        if len({message.kind for message in alike}) > max(3, len(alike) // 2):
            for message in alike:
                message.kind = form


def _possible_marks(message: ObservedMessage, keys: Sequence[str]) -> Iterator[Path]:
    document = message.document
    if isinstance(document, list):
        for index, value in enumerate(document[:5]):
            is_type = index == 0 and type(value) is int and 0 <= value < 100
            if is_type or (isinstance(value, str) and _WORD.fullmatch(value) and not _RANDOM.fullmatch(value)):
                yield (str(index),)
        return
    known: list[Path] = [tuple(key.split(".")) for key in keys]
    paths = (
        known
        + [(key,) for key in _KIND_KEYS if (key,) not in known]
        + [(outer, key) for outer in _INSIDE for key in _KIND_KEYS[:-2]]
    )
    for path in paths:
        value = message.fields.get(path)
        is_number = type(value) is int and path[-1] in ("op", "type", "cmd", "t") and 0 <= value < 1000
        if "." not in path[-1] and (is_number or (isinstance(value, str) and _WORD.fullmatch(value))):
            yield path


def _shape(document: Any) -> str:
    return ",".join(sorted(document)[:8]) if isinstance(document, dict) else f"list of {len(document)}"


def _first(data: str | bytes) -> str:
    if isinstance(data, bytes):
        return data[:1].hex()
    word = next(iter(_TOKEN.findall(data[:200])), data[:8])
    return re.sub(r"\d+", "0", word)[:40]
