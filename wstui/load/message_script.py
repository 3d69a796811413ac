"""A kind of message as a worker gets it: files read, environment and feed resolved, nothing left to parse."""

from __future__ import annotations

import msgspec


class Slot(msgspec.Struct, frozen=True, array_like=True):
    """A place in a payload that differs from message to message.

    `kind` is "client", "seq", "id", "key", "pad", "feed", "timestamp ms" (s, us, ns, iso) or "random int" (float, hex,
    text, choice, uuid). `low` and `high` bound a random number, `low` is the length of a random text or the column
    of a feed; `choices` are what a choice is among.
    """

    kind: str
    low: int | float = 0
    high: int | float = 0
    choices: list[bytes] = []


class Expected(msgspec.Struct, frozen=True, array_like=True):
    """What a reply must hold: `contains` unless empty; else something at `path`, equal to `equals` unless None."""

    contains: bytes = b""
    path: list[str] = []
    equals: str | int | float | bool | None = None


class MessageScript(msgspec.Struct, frozen=True):
    """One kind of message. `parts` make its payload, `key` what the reply is recognized by.

    `reply` is "echo", "field", "order" or "none"; `path` leads to the reply's key, or marks replies in order.
    Payloads shorter than `size` are filled up with `padding`, a single byte.
    """

    name: str
    weight: float
    parts: list[bytes | Slot]
    key: list[bytes | Slot]
    binary: bool = False
    size: int = 0
    padding: bytes = b" "
    reply: str = "echo"
    path: list[str] = []
    expected: list[Expected] = []


class Script(msgspec.Struct, frozen=True):
    """All that clients may say. `rows` are those of the feed, with only the columns in use.

    `each` is "client" (client n has row n, from the first again after the last) or "message" (every message takes
    the worker's next row).
    """

    phrases: list[MessageScript] = []
    rows: list[list[bytes]] = []
    each: str = "client"
