"""Templates as workers get them: files read, environment and encodings resolved, feed cut to what is used."""

from __future__ import annotations

import os
from collections.abc import Sequence

import msgspec

from wstui.load.protocol import Expected, MessageScript, Script, Slot
from wstui.scenario.errors import BadValue, Problem, ScenarioError
from wstui.scenario.messages import Template
from wstui.scenario.model import Scenario
from wstui.scenario.payload import Feed, Part, feed_of, inside_quotes, key_of, payload_of
from wstui.scenario.placeholder import Placeholder


def script_of(scenario: Scenario, worker: int = 0, workers: int = 1) -> Script:
    """What the clients of worker number `worker` of `workers` say. Raises ScenarioError when a file cannot be used."""
    messages = scenario.messages
    if messages.exchange != "template":
        return Script()
    file = scenario.origin.file
    try:
        columns = _Columns(feed_of(messages.feed, file) if messages.feed else None)
        phrases = [_phrase(template, payload_of(template, file), columns) for template in messages.templates]
    except BadValue as error:  # it was sound when it was checked
        raise ScenarioError(Problem(file, "messages", error.message, nearest=error.nearest)) from None
    rows = columns.rows()
    if messages.feed_per == "message" and len(rows) >= workers:
        # Each worker has rows of its own: none is used twice before a worker has been through all of its rows.
        rows = rows[worker::workers]
    return Script(phrases, rows, messages.feed_per)


class _Columns:
    """The columns of the feed that placeholders ask for, each once as it is and once as JSON strings hold it."""

    def __init__(self, feed: Feed | None) -> None:
        self._feed = feed
        self._used: dict[tuple[int, bool], int] = {}

    def slot(self, placeholder: Placeholder, quoted: bool) -> Slot:
        """The place of a feed's value."""
        if self._feed is None:
            raise BadValue("is missing: a payload has {{feed.column}}")
        place = (self._feed.index(placeholder), quoted)
        return Slot("feed", self._used.setdefault(place, len(self._used)))

    def rows(self) -> list[list[bytes]]:
        """The rows with these columns only."""
        if self._feed is None or not self._used:
            return []
        return [[_in_place(row[column], quoted) for column, quoted in self._used] for row in self._feed.rows]


def _phrase(template: Template, payload: Sequence[Part], columns: _Columns) -> MessageScript:
    quoted = inside_quotes(payload)
    key = key_of(template, payload)
    parts = [
        _part(part, inside, columns) if isinstance(part, Placeholder) else part
        for part, inside in zip(payload, quoted, strict=True)
    ]
    pad_is_quoted = any(inside for part, inside in zip(payload, quoted, strict=True) if part == Placeholder("pad"))
    return MessageScript(
        name=template.name,
        weight=template.weight,
        parts=_joined(parts),
        key=_joined([_part(p, False, columns) if isinstance(p, Placeholder) else p for p in key]),
        binary=template.binary,
        size=template.size,
        padding=b"\0" if template.binary else b"x" if pad_is_quoted else b" ",
        reply=template.reply,
        path=_path(template.reply_field),
        expected=[Expected(e.contains.encode(), _path(e.field), e.equals) for e in template.expect],
    )


def _part(placeholder: Placeholder, quoted: bool, columns: _Columns) -> bytes | Slot:
    name, arguments = placeholder.name, placeholder.arguments
    match name, *arguments:
        case ["feed", _]:
            return columns.slot(placeholder, quoted)
        case ["env", variable, *default]:
            return _in_place(os.environ.get(variable) or (default[0] if default else ""), quoted)
        case ["timestamp", unit]:
            return Slot(f"timestamp {unit}")
        case ["random", "int", low, high]:
            return Slot("random int", int(low), int(high))
        case ["random", "float", low, high]:
            return Slot("random float", float(low), float(high))
        case ["random", "choice", *words]:
            return Slot("random choice", choices=[_in_place(word, quoted) for word in words])
        case ["random", kind, *length]:
            return Slot(f"random {kind}", int(length[0]) if length else 0)
    return Slot(name)


def _in_place(text: str, quoted: bool) -> bytes:
    """A value as it goes into the payload: inside a JSON string its quotes and line breaks are escaped."""
    return msgspec.json.encode(text)[1:-1] if quoted else text.encode()


def _joined(parts: Sequence[bytes | Slot]) -> list[bytes | Slot]:
    """The parts with neighbouring bytes as one."""
    joined: list[bytes | Slot] = []
    for part in parts:
        if isinstance(part, bytes) and joined and isinstance(joined[-1], bytes):
            joined[-1] += part
        else:
            joined.append(part)
    return joined


def _path(dotted: str) -> list[str]:
    return dotted.split(".") if dotted else []
