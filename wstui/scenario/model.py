"""The scenario: what to load, with how many clients, for how long, with which messages, within which limits.

Durations are seconds as float in Python and a text such as "250ms", "10s", "2m" or "1h" in TOML; sizes are bytes as
int, "64" or "1MiB" in TOML. Python code may give either form; files must write the unit.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from wstui.scenario.breakpoint import Breakpoint
from wstui.scenario.conversation.http import HttpLimits, Login
from wstui.scenario.conversation.role import Role
from wstui.scenario.env_refs import Origin
from wstui.scenario.errors import BadValue, quote
from wstui.scenario.hosts import MOST_WORKERS, check_host, check_scheduler, split_hosts
from wstui.scenario.load_profile import Stage, connects_per_s, peak
from wstui.scenario.source_addresses import source_addresses
from wstui.scenario.target import Auth, Target
from wstui.scenario.threshold import Limit, parse_limit, parse_metric
from wstui.scenario.types import Count, Duration, Line, Part, Size, SourceAddress, TomlTable, Wait, Whole


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


__all__ = [
    "Auth",
    "Breakpoint",
    "Demo",
    "Fleet",
    "Load",
    "Messages",
    "Scenario",
    "Stage",
    "Suite",
    "Target",
    "Threshold",
]


def _metric(value: str) -> str:
    return parse_metric(value.strip()).name


class Load(TomlTable):
    """The short form of the stages: a ramp, a hold and, if given, a cooldown down to no clients."""

    clients: Count = Field(description="clients that the ramp reaches and the hold keeps")
    ramp: Duration = Field(description="duration of the stage ramp")
    hold: Duration = Field(description="duration of the stage hold")
    cooldown: Duration | None = Field(default=None, description="duration of the stage cooldown; unset: none")


class Threshold(TomlTable):
    """A limit on a metric: "< 20ms", ">= 99%", ">= 1000/s"."""

    metric: Annotated[str, AfterValidator(_metric)] = Field(
        description="response.p99, connect.success, failures.rate, fanout.completeness, …"
    )
    limit: str = Field(description="with its unit: < 20ms, >= 99%, >= 1000/s")
    stage: str = Field(default="", description="judge only this stage; empty: all but cooldowns")
    after: Duration = Field(default=0.0, description="leave out this much of the beginning")
    abort_on_fail: bool = Field(default=False, title="abort", description="end the run when the threshold is broken")

    @field_validator("limit")
    @classmethod
    def _limit_suits_metric(cls, limit: str, info: ValidationInfo) -> str:
        parse_limit(limit, info.data.get("metric", ""))
        return limit.strip()

    @property
    def bound(self) -> Limit:
        """The limit in the unit of its metric, ready to judge figures."""
        return parse_limit(self.limit, self.metric)


class Fleet(TomlTable):
    """Where the load is made."""

    workers: Annotated[Whole, Field(ge=0, le=MOST_WORKERS)] = Field(
        default=0, description="load processes on each host; 0: one for each spare core"
    )
    local_addresses: list[SourceAddress] = Field(
        default_factory=list,
        description="source addresses, each with its own ports: 10.0.0.2, 10.0.0.3-10.0.0.9, 10.0.1.0/28, eth0:*",
    )
    hosts: Annotated[list[Annotated[str, AfterValidator(check_host)]], BeforeValidator(split_hosts)] = Field(
        default_factory=list,
        description="hosts that make the load: host1, host2:4 (workers), user@host3, docker:NAME, exec:COMMAND, "
        "k8s:SPACE/SELECTOR",
    )
    ssh_config: str = Field(
        default="", description="hosts: ssh configuration instead of your own, relative to the preset"
    )
    python: Line = Field(
        default="", description="hosts: the Python that has wstui there; empty: that of the command wstui"
    )
    scheduler: Annotated[str, AfterValidator(check_scheduler)] = Field(
        default="", description="use the workers of this Dask cluster instead: tls://HOST:PORT"
    )
    on_loss: Literal["keep", "redistribute"] = Field(
        default="keep", description="load of lost workers: keep (it stays lost) or redistribute (to those left)"
    )

    @property
    def sources(self) -> list[str]:
        """The single source addresses, with those of this machine's interfaces."""
        return source_addresses(self.local_addresses)

    @property
    def is_remote(self) -> bool:
        """Return whether other machines than this one make the load."""
        return bool(self.hosts or self.scheduler)


DEMO_OPTIONS: dict[str, list[str]] = {
    "server": [
        "--auth",
        "--compression",
        "--connect-rate",
        "--connect-rate-per-address",
        "--dead-peer",
        "--drain",
        "--fault",
        "--fault-seed",
        "--heartbeat",
        "--max-connections",
        "--max-message",
        "--message-rate",
        "--message-rate-per-address",
        "--message-rate-per-client",
        "--send-queue",
        "--slow-consumer",
    ],
    "publisher": ["--rate", "--seed", "--size", "--speed", "--tokens"],
}
"""The options that a preset may set for `wstui demo`: none reads a file or reaches another machine."""


def _demo_options(options: list[str], info: ValidationInfo) -> list[str]:
    known = DEMO_OPTIONS[str(info.field_name)]
    for option in options:
        name = option.partition("=")[0]
        if name.startswith("-") and name not in known:
            raise BadValue(f"has {quote(name)}, and a preset may only say {', '.join(known)}")
    return options


class Demo(TomlTable):
    """The options of `wstui server` and `wstui publisher` that `wstui demo` starts its target with."""

    server: Annotated[list[Line], AfterValidator(_demo_options)] = Field(
        default_factory=list, description="options of wstui server for wstui demo, one each"
    )
    publisher: Annotated[list[Line], AfterValidator(_demo_options)] = Field(
        default_factory=list, description="options of wstui publisher for wstui demo, one each"
    )


def _with_default(table: Any, key: str, value: str) -> Any:
    """A table, given as data or as a model, with a default of its own for one key."""
    if isinstance(table, TomlTable):
        return table if key in table.model_fields_set else table.model_copy(update={key: value})
    return {key: value, **table} if isinstance(table, dict) else {key: value} if table is None else table


class Scenario(TomlTable):
    """A whole scenario file. Two scenarios are equal when they ask for the same, wherever they came from."""

    # The defaults use model_construct: to validate an empty table, pydantic would first build a validator for it alone.
    name: Line = Field(default="scenario", description="name in lists and reports; saving names it after its file")
    description: str = Field(default="", description="a sentence for the list of presets")
    target: Target = Field(default=Target.model_construct(), description="the server under load")
    auth: Auth = Field(default=Auth.model_construct(), description="how clients authenticate")
    login: list[Login] = Field(default_factory=list, description="HTTP requests of each client before it connects")
    http: HttpLimits = Field(default=HttpLimits.model_construct(), description="limits of HTTP requests")
    stages: list[Stage] = Field(default_factory=list, description="the load over time, one stage after the other")
    messages: Messages = Field(
        default=Messages.model_construct(), description="what clients send, how often, and what answers it"
    )
    roles: list[Role] = Field(default_factory=list, description="kinds of client with steps of their own")
    thresholds: list[Threshold] = Field(default_factory=list, description="limits that decide the verdict")
    fleet: Fleet = Field(default=Fleet.model_construct(), description="where the load is made")
    demo: Demo = Field(default=Demo.model_construct(), description="options of the target that wstui demo starts")
    breakpoint: Breakpoint | None = Field(
        default=None, description="search for the largest load that keeps the thresholds, instead of stages"
    )

    _origin: Origin = PrivateAttr(default_factory=Origin)

    @model_validator(mode="before")
    @classmethod
    def _roles_take_the_place_of_an_exchange(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not data.get("roles"):
            return data
        return data | {
            name: _with_default(data.get(name), key, value)
            for name, key, value in (("messages", "exchange", "roles"), ("target", "ready", "open"))
        }

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.__dict__ == self.__dict__

    @property
    def listens(self) -> bool:
        """Return whether clients send nothing once they are ready."""
        if self.roles:
            return not any(role.loop or role.script for role in self.roles)
        return self.messages.exchange == "listen"

    @property
    def duration_s(self) -> float:
        """Planned seconds of all stages; of a search for the limit, what it takes at most."""
        if self.breakpoint is not None:
            return self.breakpoint.longest_s
        return sum(stage.over for stage in self.stages)

    @property
    def shortest_every(self) -> float:
        """The shortest interval between the sends of a client that any stage asks for; 0: a closed loop."""
        return min([self.messages.every, *(stage.every for stage in self.stages if stage.every is not None)])

    @property
    def peak_clients(self) -> int:
        """The largest number of clients that any stage, or the search for the limit, asks for."""
        if self.breakpoint is not None:
            return self.breakpoint.peak_clients
        return peak(self.stages)

    @property
    def connects_per_s(self) -> float:
        """The most connects a second that the scenario asks for; infinite if clients come all at once."""
        return connects_per_s(self.stages) if self.breakpoint is None else self.breakpoint.connects_per_s

    @property
    def messages_per_s(self) -> float | None:
        """The most messages a second that all clients send together; None: unknown, as in a closed loop."""
        if self.listens:
            return 0.0
        if self.breakpoint is not None and self.breakpoint.of == "messages":
            return float(self.breakpoint.largest)
        return self.peak_clients / self.shortest_every if self.shortest_every > 0 else None

    @property
    def origin(self) -> Origin:
        """The file it was read from, and the references in it."""
        return self._origin


class Suite(TomlTable):
    """Presets that run one after the other, with a pause between them, and one combined verdict."""

    name: Line = Field(default="suite", description="name in lists and reports; saving names it after its file")
    description: str = Field(default="", description="a sentence for the list of presets")
    suite: list[Annotated[Line, Field(min_length=1)]] = Field(
        min_length=1, title="presets", description="presets to run one after the other, by name, separated by commas"
    )
    cooldown: Duration = Field(default=30.0, description="pause between two of them")

    _origin: Origin = PrivateAttr(default_factory=Origin)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.__dict__ == self.__dict__

    @property
    def origin(self) -> Origin:
        """The file it was read from, and the references in it."""
        return self._origin
