"""The roles as a worker gets them: files read, environment and feed resolved, nothing left to parse."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import msgspec

from wstui.load.rng import spread


class Slot(msgspec.Struct, frozen=True, array_like=True):
    """A place in a message that differs from client to client, or from time to time.

    `kind` is "client", "seq", "id", "pad", "feed", "stamp", "variable", "message", "timestamp ms" (s, us, ns, iso),
    "random int" (float, hex, text, choice, uuid), "base64" or "hmac sha256" (of `parts`, with the key in `choices`).
    `low` and `high` bound a random number; `low` is the length of a random text, the column of a feed or the number of
    a variable. `form` is "raw", "quoted" (inside a JSON string), "json" (a JSON value by itself) or "url" (escaped).
    "packed" packs the bytes of `parts` as `form` says, see a dialect's `Wrap`; `choices` has the name of what they are.
    Draws of the same `lane` for the same message are the same.
    """

    kind: str
    low: int | float = 0
    high: int | float = 0
    choices: list[str] = []
    path: list[str] = []
    form: str = "raw"
    lane: int = 0
    parts: list[bytes | Slot] = []


class TextSpec(msgspec.Struct, frozen=True, array_like=True):
    """A text of parts; shorter ones are filled up to `size` with `padding`, at the pad or at the end.

    `more` are the frames that follow it.
    """

    parts: list[bytes | Slot]
    size: int = 0
    padding: bytes = b" "
    binary: bool = False
    more: list[TextSpec] = []


class ConditionSpec(msgspec.Struct, frozen=True, array_like=True):
    """One condition of a matcher: "path", "contains", "equals", "prefix", "regex", "hex" or "absent".

    `value` is compared unless `text` makes a new one for each message; "*" at a path is any value.
    """

    kind: str
    path: list[str] = []
    value: str | int | float | bool = ""
    text: list[bytes | Slot] = []


class MatcherSpec(msgspec.Struct, frozen=True, array_like=True):
    """Any of several lists of conditions; `words` name it in messages."""

    alternatives: list[list[ConditionSpec]]
    words: str = ""


class DelaySpec(msgspec.Struct, frozen=True, array_like=True):
    """Nanoseconds from `low` to `high`, evenly drawn; with `mean` exponentially drawn around it.

    With the number of a `variable` it is its value, in units of `low` nanoseconds.
    """

    low: int = 0
    high: int = 0
    mean: int = 0
    variable: int = -1


class CaptureSpec(msgspec.Struct, frozen=True, array_like=True):
    """A variable from a message or an HTTP answer: by path, the first group of a regular expression, or the value of a
    header or a cookie.
    """

    variable: int
    path: list[str] = []
    regex: str = ""
    words: str = ""
    header: str = ""
    cookie: str = ""


class ChoiceSpec(msgspec.Struct, frozen=True):
    """One way that may be taken."""

    weight: float
    steps: list[StepSpec]


class MeetSpec(msgspec.Struct, frozen=True):
    """A rendezvous of `clients`; 0: of all that are planned."""

    name: list[bytes | Slot]
    clients: int
    within_ns: int


class UrlSpec(msgspec.Struct, frozen=True, array_like=True):
    """Where a request goes: `address` is a ws:// or wss:// URL up to its path; `resource` its path and query, escaped,
    with the places that differ from client to client.
    """

    address: str
    resource: list[bytes | Slot]
    proxy: str = ""
    connect_to: str = ""


class HttpSpec(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP request. Without `statuses` any below 400 is right; `label` names it in messages, without its query."""

    number: int
    name: str = ""
    label: str = ""
    method: str
    url: UrlSpec
    headers: list[tuple[str, list[bytes | Slot]]] = []
    body: list[bytes | Slot] = []
    within_ns: int
    statuses: list[int] = []
    expect: MatcherSpec | None = None
    capture: list[CaptureSpec] = []


class StepSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step: a message (`say`, `expect`, or both), `think`, `steps` to repeat, `choose`, `meet` or `close`.

    `number` tells it from all other steps of the scenario.
    """

    number: int = 0
    name: str = ""
    say: TextSpec | None = None
    expect: MatcherSpec | None = None
    refuse: MatcherSpec | None = None
    reason: list[list[str]] = []
    within_ns: int = 0
    capture: list[CaptureSpec] = []
    http: HttpSpec | None = None
    think: DelaySpec | None = None
    repeat: int = 0
    steps: list[StepSpec] = []
    choose: list[ChoiceSpec] = []
    meet: MeetSpec | None = None
    close: bool = False


class HeartbeatSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A message that a ready client sends by itself. A reply within `within_ns` is expected if `expect` is given."""

    number: int
    name: str = ""
    every: DelaySpec
    say: TextSpec
    expect: MatcherSpec | None = None
    within_ns: int = 0


class AnswerSpec(msgspec.Struct, frozen=True):
    """Messages that a client answers at once."""

    on: MatcherSpec
    say: TextSpec


class DeliverySpec(msgspec.Struct, frozen=True):
    """Messages that carry a stamp: "auto", s, ms, us, ns since 1970, "iso", or "stamp", this host's monotonic clock."""

    number: int
    name: str
    of: MatcherSpec
    path: list[str]
    unit: str


class SequenceSpec(msgspec.Struct, frozen=True):
    """Numbered messages; what is at `per` has numbers of its own."""

    of: MatcherSpec
    path: list[str]
    per: list[str]


class StreamSpec(msgspec.Struct, frozen=True):
    """Answers in parts; with a path to their audio, which plays at `rate` bytes a second."""

    name: str
    of: MatcherSpec
    ends: MatcherSpec
    begins: MatcherSpec | None
    path: list[str]
    rate: int

    @property
    def parts(self) -> tuple[str, ...]:
        """Return what follows its name in the names of its rows."""
        return ("first", "gap", "underrun") if self.path else ("first", "gap")


class WatchdogSpec(msgspec.Struct, frozen=True):
    """Messages that a server sends again and again, within `within_ns`, or the milliseconds in a variable."""

    on: MatcherSpec | None
    within_ns: int = 0
    variable: int = -1


class ErrorSpec(msgspec.Struct, frozen=True):
    """Messages by which a server reports an error, or says goodbye."""

    on: MatcherSpec
    reason: list[list[str]] = []
    closes: bool = False


class RoleSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of client. Exactly `clients` of them if that is not 0, else a share by `weight`."""

    name: str
    weight: float = 1.0
    clients: int = 0
    variables: list[str] = []
    open: list[StepSpec] = []
    loop: list[StepSpec] = []
    leave: list[StepSpec] = []
    heartbeats: list[HeartbeatSpec] = []
    answers: list[AnswerSpec] = []
    delivery: list[DeliverySpec] = []
    sequence: list[SequenceSpec] = []
    streams: list[StreamSpec] = []
    watchdogs: list[WatchdogSpec] = []
    errors: list[ErrorSpec] = []
    closes_on_failure: bool = False
    protocol: str = "json"
    options: dict[str, Any] = {}
    script: str = ""  # the name of the script whose function of the role's name is the conversation
    steps: list[str] = []  # those that the script names
    connects: bool = True


class RolesSpec(msgspec.Struct, frozen=True):
    """All roles, the rows of the feed with only the columns in use, and the text of each script by its name."""

    roles: list[RoleSpec] = []
    rows: list[list[str]] = []
    each: str = "client"
    columns: list[str] = []  # their names
    scripts: dict[str, str] = {}


Value = Any
"""What a variable holds: whatever JSON can."""


class RoleShares:
    """The first clients have the roles with a fixed number, the rest is dealt by weight."""

    def __init__(self, clients: Sequence[int], weights: Sequence[float]) -> None:
        """`clients` are the fixed numbers, 0 where there is a weight; `weights` are 0 where there is a number."""
        self._fixed = list(accumulate(clients))
        total = sum(weights)
        self._bounds = [round(end / total * 2**64) for end in accumulate(weights)] if total else []

    def index_of(self, number: int) -> int:
        """Return the index of a client's role."""
        fixed = self._fixed[-1]
        if number < fixed or not self._bounds:
            return bisect_right(self._fixed, number % fixed)
        return min(bisect_right(self._bounds, spread(number, 0)), len(self._fixed) - 1)
