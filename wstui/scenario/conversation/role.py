"""Roles: the kinds of client of a scenario, each with its steps and rules."""

from __future__ import annotations

import warnings
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, PrivateAttr, ValidationInfo

from wstui.scenario.conversation.delay import EXAMPLES, parse_delay
from wstui.scenario.conversation.dialect import Frame, check_json
from wstui.scenario.conversation.http import HttpRequest
from wstui.scenario.conversation.role_types import (
    Matcher,
    Name,
    OptionalMatcher,
    OptionalPath,
    Path,
    Paths,
    Variable,
    Weight,
)
from wstui.scenario.errors import BadValue
from wstui.scenario.message_files import MOST_BYTES
from wstui.scenario.types import (
    FROM_FILE,
    Count,
    HeaderName,
    HeaderText,
    Line,
    Size,
    Subprotocol,
    TomlTable,
    Wait,
    Whole,
)
from wstui.scenario.units import LONGEST_S, format_duration
from wstui.scenario.url import check_role_url

MOST_REPEATS = 1_000_000


def _delay_from_number(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise BadValue(f"is not a delay: {EXAMPLES}")
    if isinstance(value, str):
        return value
    if value < 0:
        raise BadValue(f"is negative: {EXAMPLES}")
    if info.context == FROM_FILE or not value <= LONGEST_S:
        raise BadValue(f"is a number without a unit: {EXAMPLES}")
    return format_duration(float(value))


def _checked_delay(text: str) -> str:
    parse_delay(text)
    return text.strip()


DelayText = Annotated[str, BeforeValidator(_delay_from_number), AfterValidator(_checked_delay)]
"""A delay as a text: "2s", "1s..4s", "exponential 3s", or a variable: "{{interval}}" (seconds), "{{interval}}ms"."""


class Meet(TomlTable):
    """A rendezvous: clients wait for each other."""

    name: Line = Field(min_length=1, description="clients that name the same wait for each other; may hold {{…}}")
    clients: Annotated[Whole, Field(ge=0)] = Field(
        default=0, description="so many go on together; 0: all that are planned at this moment"
    )
    within: Wait | None = Field(default=None, description="how long a client waits; unset: messages.timeout")


def _listed(value: Any) -> Any:
    """One table stands for a list of one."""
    return [value] if isinstance(value, dict | TomlTable) else value


def _meet(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


with warnings.catch_warnings():
    warnings.simplefilter("ignore", UserWarning)  # `json` is a deprecated method of pydantic's models

    class Message(TomlTable):
        """What is sent: one of these, or nothing. Other keys are those of the target's protocol."""

        model_config = ConfigDict(extra="allow")

        send: str = Field(default="", description="a text frame; may hold placeholders")
        json: Annotated[Any, BeforeValidator(check_json)] = Field(
            default=None, description="a text frame with this as JSON; a string that is one placeholder keeps its type"
        )
        hex: str = Field(default="", description="a binary frame, in hexadecimal: 00ff7f")
        base64: str = Field(default="", description="a binary frame, in base64")
        file: str = Field(default="", description="the content of a file, relative to the preset")
        binary: bool = Field(default=False, description="send, json, file: a binary frame; a file is sent as it is")
        size: Annotated[Size, Field(le=MOST_BYTES)] = Field(
            default=0, title="bytes", description="pad to this size, at {{pad}} or at the end"
        )

        _frames: list[Frame] = PrivateAttr(default_factory=list)  # of a protocol

        @property
        def sources(self) -> list[str]:
            """The keys that say what is sent: one, unless the scenario is wrong."""
            named = ["frames"] if self._frames else []
            named += [name for name in ("send", "hex", "base64", "file") if getattr(self, name)]
            return named + ["json"] * ("json" in self.model_fields_set and self.json is not None)


class Choice(TomlTable):
    """One of the ways that `choose` may take."""

    weight: Weight = Field(default=1.0, description="its share among the choices; 0: never")
    steps: list[Step] = Field(default_factory=list, description="the steps of this way; none: nothing happens")


class Step(Message):
    """One step of a client: it sends and waits, thinks, repeats, chooses, meets others, or closes."""

    name: Annotated[Name, Field(max_length=60)] = Field(
        default="", description="its row in the figures, and its name in thresholds: step.NAME.p99"
    )
    expect: OptionalMatcher = Field(default=None, description='wait for a message: { type = "said", seq = "{{seq}}" }')
    refuse: OptionalMatcher = Field(
        default=None, description="a message that means no; in open it ends the attempt as refused"
    )
    reason: Paths = Field(default_factory=list, description="paths in a refusal to the server's reason: error.message")
    within: Wait | None = Field(default=None, description="how long to wait for it; unset: messages.timeout")
    capture: dict[Variable, Line] = Field(
        default_factory=dict, description='variables from the expected message: { id = "user.id" }, or "regex:…"'
    )
    http: HttpRequest | None = Field(default=None, description='make an HTTP request: { post = "https://…", json = … }')
    think: DelayText | None = Field(default=None, description="wait: 2s, 1s..4s, or exponential 3s")
    repeat: Annotated[Whole, Field(ge=1, le=MOST_REPEATS)] | None = Field(
        default=None, description="do the steps so many times"
    )
    steps: list[Step] = Field(default_factory=list, description="the steps that repeat")
    choose: list[Choice] = Field(default_factory=list, description="take one of these ways, drawn by weight")
    meet: Annotated[Meet | None, BeforeValidator(_meet)] = Field(
        default=None, description='wait for other clients: "all ready", or { name = …, clients = … }'
    )
    close: bool = Field(default=False, description="close the connection, for good")


class Heartbeat(Message):
    """A message that a ready client sends by itself. It is not in the figures of the load; missed replies count."""

    name: Annotated[Name, Field(max_length=60)] = Field(default="", description="its row in the figures")
    every: DelayText = Field(description="interval: 25s, 20s..30s")
    expect: OptionalMatcher = Field(default=None, description="its reply; unset: none is expected")
    within: Wait | None = Field(default=None, description="a reply that takes longer is missed; unset: `every`")


class Answer(Message):
    """What a client answers by itself, at any time."""

    on: Matcher = Field(description='messages to answer: { type = "ping" }')


class DeliveryRule(TomlTable):
    """Measures the time from a stamp inside a message to its receipt."""

    name: Name = Field(default="delivery", description="its row in the figures")
    of: Matcher = Field(description='messages that carry a stamp: { type = "message" }')
    stamp: Path = Field(description="path to the stamp: data.sent_at")
    unit: Literal["auto", "s", "ms", "us", "ns", "iso", "stamp"] = Field(
        default="auto",
        description="unit of the stamp since 1970, iso, or stamp for our own {{stamp}}; auto: by its size",
    )


class Sequence(TomlTable):
    """Counts gaps, repeats and disorder in numbered messages, by client."""

    of: Matcher = Field(description="messages that are numbered")
    number: Path = Field(description="path to the number: data.seq")
    per: OptionalPath = Field(default="", description="path to what has numbers of its own: data.room")


class Stream(TomlTable):
    """Measures answers that come in parts: rows NAME-first, NAME-gap and, of audio, NAME-underrun.

    `first` counts from the client's last message, or `begins`, to the first part; `gap` from part to part; an underrun
    is how long a player would have had nothing to play.
    """

    name: Name = Field(default="answer", description="its rows in the figures: stream.NAME-first.p99, …")
    of: Matcher = Field(description='the parts: { type = "response.output_audio.delta" }')
    ends: Matcher = Field(description='a message after the last part: { type = "response.done" }')
    begins: OptionalMatcher = Field(default=None, description="a message from which on the first part is waited for")
    audio: Path | Literal[""] = Field(default="", description="path to audio in a part, in base64: delta")
    rate: Annotated[Whole, Field(ge=1)] = Field(default=48000, description="bytes of audio that play in a second")


class Watchdog(TomlTable):
    """A message that the server sends again and again. When it stays away, the connection counts as dropped."""

    on: OptionalMatcher = Field(default=None, description='the message: { type = "ping" }; unset: any')
    within: Wait | None = Field(default=None, description="longest time between two of them: 45s")
    variable: Line = Field(default="", description="captured variable with that time in ms, instead of within")


class ErrorRule(TomlTable):
    """Messages by which the server reports an error at any time; each counts as a failure."""

    on: Matcher = Field(description='messages that report an error: { type = "error" }')
    reason: Paths = Field(default_factory=list, description="paths to the server's reason: error.message")
    closes: bool = Field(default=False, description="it is the server's goodbye: the connection counts as dropped")


class Role(TomlTable):
    """A kind of client. It is ready when the last step of `open` is done, and then begins a round of `loop` each
    `messages.every`.
    """

    name: Annotated[Name, Field(min_length=1, max_length=60)] = Field(description="its name in the figures")
    weight: Weight | None = Field(default=None, description="its share of the clients; unset: 1, unless clients is set")
    clients: Count | None = Field(default=None, description="exactly so many clients, the first ones")
    url: Annotated[str, AfterValidator(check_role_url)] = Field(
        default="", description="a URL of its own instead of target.url"
    )
    headers: dict[HeaderName, HeaderText] = Field(
        default_factory=dict, description="further headers of the upgrade; they replace those of the target"
    )
    subprotocols: list[Subprotocol] = Field(default_factory=list, description="offered instead of the target's")
    cert_file: str = Field(default="", description="wss: certificate instead of the target's")
    key_file: str = Field(default="", description="wss: its key, if it is not in the same file")
    connect: bool = Field(default=True, description="false: its clients never connect, they only make HTTP requests")
    open: list[Step] = Field(default_factory=list, description="steps until the client is ready")
    loop: list[Step] = Field(default_factory=list, description="steps of each round; none: it only listens")
    leave: list[Step] = Field(default_factory=list, description="steps before it closes")
    heartbeats: list[Heartbeat] = Field(default_factory=list, description="messages sent at an interval")
    answer: list[Answer] = Field(default_factory=list, description="messages answered at once")
    delivery: Annotated[list[DeliveryRule], BeforeValidator(_listed)] = Field(
        default_factory=list, description="stamps inside messages"
    )
    sequence: Annotated[list[Sequence], BeforeValidator(_listed)] = Field(
        default_factory=list, description="numbers inside messages"
    )
    streams: list[Stream] = Field(default_factory=list, description="answers that come in parts")
    watchdogs: list[Watchdog] = Field(default_factory=list, description="messages that the server has to send")
    errors: list[ErrorRule] = Field(default_factory=list, description="messages that report an error")
    script: str = Field(
        default="", description="a Python file whose function of this name takes the place of open, loop and leave"
    )
    on_failure: Literal["continue", "close"] = Field(
        default="continue", description="after a step of the loop fails: go on with the next round, or close"
    )

    @property
    def share(self) -> float:
        """Return its weight among the clients that have no role by number: 0 if it has a number of its own."""
        return 0.0 if self.clients is not None else 1.0 if self.weight is None else self.weight
