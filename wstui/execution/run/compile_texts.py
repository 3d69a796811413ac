"""Compiles the texts of roles and requests: placeholders become places, files and the environment are read."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from wstui.load.role_spec import CaptureSpec, ConditionSpec, DelaySpec, MatcherSpec, Slot, TextSpec
from wstui.scenario.conversation.conditions import OF_ANSWER, Condition, alternatives_of, parse_path
from wstui.scenario.conversation.delay import parse_delay
from wstui.scenario.conversation.pack import PIECEWISE, Unframed, packer
from wstui.scenario.conversation.payload import (
    Form,
    Packed,
    Part,
    PlacedPlaceholder,
    frame_parts,
    is_binary,
    is_number,
    joined,
    payload_of,
    text_places,
)
from wstui.scenario.conversation.role import Message
from wstui.scenario.errors import BadValue
from wstui.scenario.message_files import Feed
from wstui.scenario.model import Scenario
from wstui.scenario.placeholder import Placeholder
from wstui.scenario.url import quote_all

NS = 1_000_000_000
_WORDS = 80


class Columns:
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
        return [] if self._feed is None else list(self._feed.columns)

    def rows(self) -> list[list[str]]:
        """The rows with these columns only."""
        if self._feed is None or not self._used:
            return []
        return [[row[column] for column in self._used] for row in self._feed.rows]


class TextCompiler:
    """Compiles texts one after the other; `variables` are those of the clients that they are for."""

    def __init__(self, scenario: Scenario, columns: Columns, variables: Sequence[str] = ()) -> None:
        self._file = scenario.origin.file
        self.timeout_ns = round(scenario.messages.timeout * NS)
        self._columns = columns
        self.variables = list(variables)
        self._number = 0
        self._lanes: dict[Placeholder, int] = {}
        self._drawn: dict[Placeholder, int] = {}

    def begin(self) -> int:
        """Begin a message. Its payload and the expected reply share what is drawn at random."""
        self._number += 1
        self._lanes = {}
        return self._number

    def within(self, within: float | None) -> int:
        """A time limit in nanoseconds."""
        return self.timeout_ns if within is None else round(within * NS)

    def delay(self, text: str) -> DelaySpec:
        """Return how long something takes."""
        delay = parse_delay(text)
        variable = self.variables.index(delay.variable) if delay.variable else -1
        return DelaySpec(round(delay.low * NS), round(delay.high * NS), round(delay.mean * NS), variable)

    def capture(self, name: str, source: str) -> CaptureSpec:
        """A variable and where it comes from."""
        variable = self.variables.index(name)
        if source.startswith("regex:"):
            return CaptureSpec(variable, regex=source.removeprefix("regex:"), words=f"{name} by {source}")
        kind, _, of_answer = source.partition(":")
        if f"{kind}:" in OF_ANSWER:
            header, cookie = (of_answer, "") if kind == "header" else ("", of_answer)
            return CaptureSpec(variable, words=f"{name} from {source}", header=header, cookie=cookie)
        return CaptureSpec(variable, [*parse_path(source)], words=f"{name} at {source}")

    def message(self, message: Message) -> TextSpec:
        if message._frames:
            self._drawn = {}
            first, *more = [
                TextSpec(self.packed(frame_parts(frame, self.variables)), binary=frame.binary)
                for frame in message._frames
            ]
            self._drawn = {}
            return msgspec.structs.replace(first, more=more)
        parts = payload_of(message, self._file, self.variables)
        quoted = any(
            isinstance(p, PlacedPlaceholder) and p.placeholder.name == "pad" and p.form == "quoted" for p in parts
        )
        binary = is_binary(message)
        self._drawn = {}
        made = self.packed(parts)
        self._drawn = {}
        return TextSpec(made, message.size, b"\0" if binary else b"x" if quoted else b" ", binary)

    def packed(self, parts: Sequence[Part]) -> list[bytes | Slot]:
        """The parts of a message with their places."""
        made: list[bytes | Slot] = []
        for part in parts:
            match part:
                case Packed(how, inner, what):
                    made.append(_packed(how, self.packed(inner), what))
                case PlacedPlaceholder(placeholder, form):
                    made.append(self.slot(placeholder, form))
                case _:
                    made.append(part)
        return joined(made)

    def text(self, text: str) -> list[bytes | Slot]:
        parts = text_places(text, self.variables)
        return joined([self.slot(p, "raw") if isinstance(p, Placeholder) else p.encode() for p in parts])

    def escaped(self, text: str, escape: Callable[[str], str]) -> list[bytes | Slot]:
        """A part of a URL or a form: `escape` is for what is written, and what a client puts in is all escaped."""
        parts = text_places(text, self.variables)
        return joined([self.slot(p, "url") if isinstance(p, Placeholder) else escape(p).encode() for p in parts])

    def matcher(self, matcher: Any) -> MatcherSpec:
        """Return the compiled conditions of a message."""
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
        parts = text_places(value, self.variables)
        if len(parts) == 1 and isinstance(alone := parts[0], Placeholder) and condition.kind == "path":
            form: Form = "json" if not alone.as_text and (is_number(alone) or alone.name == "variable") else "raw"
            return ConditionSpec("path", path, "", [self.slot(alone, form)])
        made = self.text(value)
        if len(made) == 1 and isinstance(made[0], bytes):  # "{{{{" only
            return ConditionSpec(condition.kind, path, made[0].decode())
        return ConditionSpec(condition.kind, path, "", made)

    def slot(self, placeholder: Placeholder, form: Form) -> bytes | Slot:
        """A place, or its value if that is known already."""
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
            case ["base64" | "hmac", *digest]:
                parts = joined(
                    [self.slot(p, "raw") if isinstance(p, Placeholder) else p.encode() for p in placeholder.inner]
                )
                key = [os.environ.get(digest[1], "")] if digest else []
                return Slot(" ".join([name, *digest[:1]]), choices=key, form=form, parts=parts)
            case ["variable", variable]:
                return Slot("variable", self.variables.index(variable), form=form)
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


_DIGITS = (
    "client", "seq", "seq16", "id", "stamp", "random int", "random float",
    "timestamp s", "timestamp ms", "timestamp us", "timestamp ns",
)  # fmt: skip
_NEVER_ESCAPED = ("random text", "random hex", "random uuid")


def _packed(how: str, parts: list[bytes | Slot], what: str) -> bytes | Slot:
    """Pack what a variable of the environment made constant; letters and digits need no escapes."""
    constant = [part for part in parts if isinstance(part, bytes)]
    if len(constant) == len(parts):
        with contextlib.suppress(Unframed):  # told when it should be sent
            return packer(how, what)(b"".join(constant))
    elif how in PIECEWISE:
        part = parts[0]
        if isinstance(part, Slot) and (part.kind in _DIGITS or (part.kind in _NEVER_ESCAPED and part.form != "json")):
            return part
    return Slot("packed", form=how, choices=[what], parts=parts)


def _in_place(text: str, form: Form) -> bytes:
    encoded = msgspec.json.encode(text)
    if form == "url":
        return quote_all(text).encode()
    return text.encode() if form == "raw" else encoded[1:-1] if form == "quoted" else encoded
