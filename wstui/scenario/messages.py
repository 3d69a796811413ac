"""The table [messages]: what clients send, how often, and what replies must contain."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from wstui.scenario.errors import BadValue
from wstui.scenario.types import Count, Duration, Factor, Line, Part, Size, TomlTable, Wait, Whole

MOST_BYTES = 1 << 20


def _scalar(value: Any) -> Any:
    if value is not None and not isinstance(value, str | int | float | bool):
        raise BadValue("must be a text, a number, true or false")
    return value


class Expectation(TomlTable):
    """What a reply must hold: `contains`, or `field` (with `equals`, or only that the field exists)."""

    contains: str = Field(default="", description="text that the reply must contain")
    field: str = Field(default="", description="path into the JSON of the reply: data.items.0.status")
    equals: Annotated[str | int | float | bool | None, BeforeValidator(_scalar)] = Field(
        default=None, description="value that the field must have; unset: any"
    )


class Template(TomlTable):
    """One kind of message. `payload` and `key` may hold placeholders, see `wstui.scenario.placeholder`."""

    name: Annotated[Line, Field(min_length=1)] = Field(description="name of this kind of message in reports")
    weight: Annotated[Factor, Field(gt=0, le=1_000_000)] = Field(
        default=1.0, description="its share among the templates; to send none, leave the template out"
    )
    payload: str = Field(
        default="", description="with {{client}}, {{seq}}, {{random int 1 9}}, {{env NAME}}, {{feed.column}}"
    )
    file: str = Field(default="", description="file that holds the payload instead, relative to the preset")
    encoding: Literal["plain", "base64", "hex"] = Field(
        default="plain", description="how the text between the placeholders is encoded"
    )
    binary: bool = Field(
        default=False, description="send a binary frame; a plain file is then sent as it is, without placeholders"
    )
    size: Annotated[Size, Field(le=MOST_BYTES)] = Field(
        default=0,
        title="bytes each",
        description="pad to this size, at {{pad}} or at the end: blanks in text, zeros in binary",
    )
    reply: Literal["echo", "field", "order", "none"] = Field(
        default="echo",
        description="what answers it: echo (the same again), field (a message with its key), order (the next message), "
        "none",
    )
    reply_field: str = Field(default="", description="path to the key in the JSON of a reply: data.id")
    key: str = Field(
        default="", description="key that the reply carries, {{id}} by default; {{key}} puts it into the payload"
    )
    expect: list[Expectation] = Field(default_factory=list, description="what its replies must hold")


class Messages(TomlTable):
    """What each client sends, how often, and how long it waits for the reply."""

    exchange: Literal["odin", "echo", "ping", "listen", "template", "roles"] = Field(
        default="odin",
        description="what clients send: odin, echo, ping (WebSocket pings), listen (nothing), own templates, or roles",
    )
    every: Duration = Field(
        default=5.0, description="interval between two messages of a client; 0s: the next as soon as the reply is there"
    )
    arrivals: Literal["fixed", "jitter", "poisson"] = Field(
        default="fixed",
        description="spacing of a client's messages: even, jittered, or as independent events (Poisson)",
    )
    jitter: Part = Field(default=0.5, description="how much of the interval a message may be early or late")
    timeout: Wait = Field(
        default=10.0, description="how long a client waits for a reply; a missing one counts with this time"
    )
    size: Size = Field(default=64, title="bytes each", description="size of each message")
    text: bool = Field(default=True, title="text frames", description="send text frames, or binary ones")
    templates: list[Template] = Field(
        default_factory=list, description="kinds of message, sent in proportion to their weight"
    )
    feed: str = Field(
        default="", description="CSV file with a header line, for {{feed.column}}; relative to the preset"
    )
    feed_per: Literal["client", "message"] = Field(
        default="client", description="client: client n uses row n; message: each message takes the next row"
    )
    seed: Annotated[Whole, Field(ge=0, lt=1 << 63)] = Field(
        default=0, description="the same seed repeats the same random values, gaps and delays"
    )
    subscribe: list[Annotated[Line, Field(min_length=1)]] = Field(
        default_factory=list,
        description="clients leave “all” and subscribe to some of these tokens (Odin protocol); empty: they stay",
    )
    subscribe_each: Count = Field(
        default=0, title="tokens each", description="tokens for each client, in turn; 0: all of them"
    )
    slow_readers: Part = Field(default=0.0, description="share of the clients that stop reading once they are ready")
    fanout: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="follow broadcasts to every client: loss, duplicates, spread; auto: if the exchange expects some",
    )
    fanout_window: Wait = Field(default=5.0, description="how long a broadcast is followed after its first receipt")

    @property
    def is_one_way(self) -> bool:
        """Whether clients never wait for a reply."""
        if self.exchange == "template":
            return all(template.reply == "none" for template in self.templates)
        return self.exchange == "listen"
