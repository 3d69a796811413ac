"""The table [messages]: what clients send, how often, and how long they wait."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from wstui.scenario.types import Count, Duration, Line, Part, Size, TomlTable, Wait, Whole


class Messages(TomlTable):
    """What each client sends, how often, and how long it waits for the reply."""

    exchange: Literal["odin", "echo", "ping", "listen", "roles"] = Field(
        default="odin",
        description="what clients send: odin, echo, ping (WebSocket pings) or listen (nothing); [[roles]] replace it",
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
    feed: str = Field(
        default="", description="CSV file with a header line, for {{feed.column}}; relative to the preset"
    )
    feed_per: Literal["client", "message"] = Field(
        default="client", description="client: client n uses row n; message: each round takes the next row"
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
        """Return whether clients never wait for a reply."""
        return self.exchange == "listen"
