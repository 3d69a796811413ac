"""What a protocol on top of WebSocket adds to a scenario.

A dialect mostly lowers: on the operator's side it turns its own step keys and options into the steps and rules that a
scenario file could hold as well. Only a protocol whose frames are not one JSON document each needs code in a worker: a
`decoder`. To write one more, add a file to `wstui/protocols` with a subclass of `Dialect`, a line to `known_dialects`,
a preset and a page of the manual:

    option_keys, step_keys   msgspec structs: the keys of [target.options] and of a step, each with its meaning
    address         the URL that clients use, subprotocols what they offer, origin their Origin header, unless the
                    scenario says so itself
    login           HTTP requests before each connection, as in [[login]], after those of the scenario
    opening         steps before those of the role's `open`; `refuse` with `reason` names the server's own word
    step            the table that stands for a step (answer, heartbeat) with keys of the dialect
    rules           `answer`, `heartbeats`, `watchdogs`, `errors`, `streams` that every client has
    leaving         steps after those of the role's `leave`
    decoder         a pure function from a frame to messages; what it has to keep for a client it gets back
    takes_files     whether a step's `file` may stand beside its keys: `step` is given its content
    closes          close codes with their plain meaning, close_ranges what others of a range mean
    begins_with     the loop of a new scenario, where the steps of the shipped preset do not fit these options
    bare, said      the inverse of `address`, `opening` and `step`, for recorded sessions

Tables are as in a scenario file, with one key more: `frames`, a list of `Frame`, for what `json` and `send` can't say.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as made
from typing import Any, ClassVar, NamedTuple

import msgspec

from wstui.scenario.errors import BadValue, Key, nearest, quote
from wstui.scenario.units import format_duration, parse_duration

Table = dict[str, Any]
"""A table as a scenario file has it."""
Decode = Callable[[Any, bool, bytes], tuple[Sequence[tuple[Any, bytes]], Any]]
"""From what is kept of earlier frames (None at first), whether the frame is binary, and its payload: the messages in
it, each as a document and as bytes, and what to keep. Raises `Malformed`."""

MOST_KEPT = 16 << 20
"""Bytes of an unfinished message; a client keeps no more."""


class Malformed(Exception):
    """A frame that the protocol does not allow; the text says why."""


@dataclass(frozen=True, slots=True)
class Json:
    """A value as JSON; a string that is one placeholder keeps the type of its value."""

    value: Any


@dataclass(frozen=True, slots=True)
class Wrap:
    """Pieces whose bytes are packed when they are sent.

    `how` is "text" (inside a JSON string), "header" (escaped as in STOMP), "line" (one that has no escapes), "body" (as
    it is, up to a NUL), "namespace" (of Socket.IO), "utf16" or "varint" (the length first, in two bytes or in groups of
    7 bits), "size8" (only the length, in a byte), "number16" (a decimal number in two bytes) or "msgpack" (JSON turned
    into MessagePack). What can't be packed is never sent: the step fails, and names `what` it is.
    """

    how: str
    pieces: Sequence[Piece]
    what: str = "the message"


Piece = str | bytes | Json | Wrap
"""A part of a frame; a text may hold placeholders."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What goes out as one WebSocket message."""

    pieces: Sequence[Piece]
    binary: bool = False


def text(*pieces: Piece) -> list[Frame]:
    return [Frame(pieces)]


def binary(*pieces: Piece) -> list[Frame]:
    return [Frame(pieces, True)]


def with_path(url: str, path: str) -> str:
    """Return a URL with this path if it has none."""
    before, mark, query = url.partition("?")
    return f"{before.rstrip('/')}{path}{mark}{query}" if re.fullmatch(r"\w+://[^/]*/?", before) else url


def with_query(url: str, **values: str) -> str:
    """Return a URL with these parameters, except those that it has."""
    missing = [f"{name}={value}" for name, value in values.items() if not re.search(rf"[?&]{name}=", url)]
    return url + ("&" if "?" in url else "?") + "&".join(missing) if missing else url


class Seconds(float):
    """A duration, written with its unit."""


def without_query(url: str, *names: str) -> str:
    """Return a URL without these parameters."""
    before, mark, query = url.partition("?")
    kept = "&".join(part for part in query.split("&") if part.partition("=")[0] not in names)
    return f"{before}{mark}{kept}" if kept else before


class Verbatim(str):
    """A text of a `RecordedStep` table that stands in the scenario as it is: a placeholder."""

    __slots__ = ()


class RecordedStep(NamedTuple):
    """What one message of a recorded client says: keys of a step, or options if it belongs to the opening.

    No keys mean that every client of the protocol sends it by itself. `own` is its id, which its reply repeats.
    `waits` is the key that waits for the reply: without one in the recording, the step is said without it.
    """

    table: Table
    own: Any = None
    opens: bool = False
    waits: str = ""


@dataclass(slots=True)
class RecordedState:
    """What one recorded client has received so far, and what the dialect keeps about it."""

    received: list[Any] = made(default_factory=list)
    kept: dict[Any, Any] = made(default_factory=dict)


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """No keys."""


class Dialect:
    """One protocol, with the options that a scenario gives it."""

    name: ClassVar[str] = ""
    title: ClassVar[str] = ""
    option_keys: ClassVar[type[msgspec.Struct]] = Nothing
    step_keys: ClassVar[type[msgspec.Struct]] = Nothing
    kinds: ClassVar[Sequence[str]] = ("type",)  # which keys of a message tell its kind, the first that it has
    closes: ClassVar[Mapping[int, str]] = {}
    close_ranges: ClassVar[Mapping[range, str]] = {}
    takes_files: ClassVar[bool] = False
    tables: ClassVar[bool] = True  # each document of its decoder is a dict or None

    def __init__(self, options: Any) -> None:
        self.options = options

    @classmethod
    def close_codes(cls) -> dict[int, str]:
        """Return each close code that means something."""
        return {code: meaning for codes, meaning in cls.close_ranges.items() for code in codes} | dict(cls.closes)

    def address(self, url: str) -> str:
        return url

    def subprotocols(self) -> list[str]:
        return []

    def origin(self, url: str) -> str:
        return ""

    def login(self, url: str, headers: Mapping[str, str]) -> list[Table]:
        return []

    def opening(self) -> list[Table]:
        return []

    def step(self, keys: Any, given: Table) -> Table:
        """Return the table that takes the place of `given`, what a step has beside the keys of the dialect."""
        raise NotImplementedError

    def rules(self) -> dict[str, list[Table]]:
        return {}

    def leaving(self) -> list[Table]:
        return []

    def decoder(self) -> Decode | None:
        return None

    def begins_with(self) -> list[Table]:
        return []

    def bare(self, url: str) -> str:
        return url

    def recorded(self, frame: str | bytes, state: RecordedState) -> list[RecordedStep]:
        """Return what a frame of a recorded client says. Raises Malformed (or ValueError) for what no step can say."""
        raise Malformed("no step says it")


class BadKey(BadValue):
    """A value of a dialect's table that cannot be used, at `key` of it."""

    def __init__(self, key: Key, message: str, nearest: str = "") -> None:
        super().__init__(message, nearest)
        self.key = key


def check_json(value: Any) -> Any:
    """Refuse what TOML can hold and JSON can't."""
    if isinstance(value, dict):
        for inner in value.values():
            check_json(inner)
    elif isinstance(value, list):
        for inner in value:
            check_json(inner)
    elif isinstance(value, float) and not abs(value) < 1e308:
        raise BadValue("holds a number that JSON can't: inf or nan")
    elif value is not None and not isinstance(value, str | int | float):
        raise BadValue(f"holds {quote(str(value), 40)}, which JSON can't: write it as a text")
    return value


# -- the keys of a dialect ---------------------------------------------------------------------------------------------

_WORDS = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "a table",
    "array": "a list",
    "null": "nothing",
}
_EXPECTED = re.compile(r"Expected `([^`]+)`(?:, got `[^`]+`)?(.*)")


OF_OTHER_TOOLS = {
    "wait": "think", "sleep": "think", "pause": "think", "delay": "think", "timeout": "within",
    "message": "send", "text": "send", "payload": "send", "data": "json",
    "receive": "expect", "match": "expect", "wait_for": "expect", "extract": "capture", "save": "capture",
    "times": "repeat", "barrier": "meet", "rendezvous": "meet", "request": "http",
}  # fmt: skip
"""What other load testers call the keys of a step."""


def read(kind: type[msgspec.Struct], table: Mapping[str, Any], others: Iterable[str] = ()) -> Any:
    """Return a table as this struct, which may stand beside other keys. Raises BadKey."""
    for key in table:
        if key not in kind.__struct_fields__:
            known = [*kind.__struct_fields__, *others]
            there = f": there are {', '.join(known)}" if known else ": this protocol has no options"
            same = OF_OTHER_TOOLS.get(key, "")
            raise BadKey((key,), f"is not a key here{there}", same if same in known else nearest(key, known))
    try:
        return msgspec.convert(dict(table), kind, dec_hook=_convert)
    except msgspec.ValidationError as error:
        if isinstance(error.__cause__, BadKey):
            raise error.__cause__ from None
        message, _, place = str(error).partition(" - at `$.")
        path: Key = tuple(int(p) if p.isdigit() else p for p in re.split(r"\.|\[|\]\.?", place.rstrip("`")) if p)
        if isinstance(error.__cause__, BadValue):
            raise BadKey(path, error.__cause__.message, error.__cause__.nearest) from None
        if missing := re.search(r"missing required field `(\w+)`", message):
            raise BadKey((missing[1],), "is missing") from None
        if match := _EXPECTED.match(message):
            kinds = " or ".join(_WORDS.get(part.strip(), part.strip()) for part in match[1].split("|"))
            raise BadKey(path, f"takes {kinds}{match[2]}") from None
        raise BadKey(path, f"takes {_choices(kind, path)}" if "enum" in message else message) from None


def _convert(kind: type, value: Any) -> Any:
    if kind is Seconds:
        if not isinstance(value, str):
            raise BadValue('takes a duration with its unit: write "30s"')
        return Seconds(parse_duration(value))
    raise NotImplementedError


def _choices(kind: type[msgspec.Struct], key: Key) -> str:
    hint = typing.get_type_hints(kind).get(str(key[0])) if key else None
    found = list(typing.get_args(hint))
    return " or ".join(f'"{choice}"' if isinstance(choice, str) else str(choice) for choice in found) or "another value"


def described(kind: type[msgspec.Struct]) -> list[tuple[str, str, str]]:
    """Return each key of a struct with its default and its meaning, for the manual."""
    hints = typing.get_type_hints(kind, include_extras=True)
    rows = []
    for field in msgspec.structs.fields(kind):
        meanings = [part.description for part in typing.get_args(hints[field.name]) if isinstance(part, msgspec.Meta)]
        default = "" if field.default in (msgspec.NODEFAULT, None, "", False) else field.default
        shown = format_duration(default) if isinstance(default, Seconds) else str(default)
        rows.append((field.name, shown, meanings[0] if meanings and meanings[0] else ""))
    return rows


# -- matchers ----------------------------------------------------------------------------------------------------------

OF_TEXT = ("contains", "equals", "prefix", "regex", "hex", "absent")
"""The keys of a matcher that are not paths."""


def alternatives(matcher: Any) -> list[Table]:
    """Return a matcher as the list of its alternatives; none when there is no matcher."""
    return [] if matcher is None else matcher if isinstance(matcher, list) else [matcher]


def under(path: str, matcher: Table) -> Table:
    """Return one alternative of a matcher for what is found at `path` of a message; "" is the message itself."""
    if not path:
        return matcher
    return {
        key if key in OF_TEXT else f"{path}.{key.removeprefix('$.')}": f"{path}.{value}" if key == "absent" else value
        for key, value in matcher.items()
    }


def reply(given: Table, to: Table, at: str, *errors: Table, reason: Sequence[str] = ()) -> Table:
    """Return a step's table with a reply of its own: messages that match `to`, with their content at path `at`.

    What the step expects, refuses and captures is looked for in that content. An answer that is one of the `errors`
    or not as expected fails the step, and `reason` are the paths to the server's word.
    """
    table = dict(given)
    wanted = [to | under(at, one) for one in alternatives(given.get("expect"))]
    refused = [to | under(at, one) for one in alternatives(given.get("refuse"))]
    table["expect"] = wanted or [to]
    table["refuse"] = [*errors, *refused, *([to] if wanted else [])] or None
    table["capture"] = {
        name: path if path.startswith("regex:") or not at else f"{at}.{path}"
        for name, path in given.get("capture", {}).items()
    }
    if reason:
        table["reason"] = list(reason)
    return table
