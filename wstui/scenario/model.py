"""The scenario: what to load, with how many clients, for how long, saying what, within which limits.

Every duration is a float of seconds in Python and a text such as "250ms", "10s", "2m" or "1h" in TOML; every
size an int of bytes, "64" or "1MiB" in TOML. Python code may give either form; files must write the unit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, SecretStr, ValidationInfo, field_validator

from wstui.scenario.breakpoint import Breakpoint
from wstui.scenario.env_refs import Origin
from wstui.scenario.errors import BadValue, quote
from wstui.scenario.hosts import MOST_WORKERS, check_host, check_scheduler, split_hosts
from wstui.scenario.load_profile import peak
from wstui.scenario.message import Template
from wstui.scenario.proxy import check_proxy
from wstui.scenario.route import check_connect_to, check_target_url
from wstui.scenario.secrets import MASK, is_secret_header, mask_url
from wstui.scenario.threshold import Limit, parse_limit, parse_metric
from wstui.scenario.token_mix import Mix
from wstui.scenario.types import (
    Address,
    BareToken,
    Count,
    Duration,
    HeaderName,
    HeaderValue,
    Line,
    Rate,
    Share,
    Size,
    Token,
    TomlTable,
    Wait,
    Whole,
    twice_in,
)
from wstui.scenario.url import check_health


def _part(value: float) -> float:
    if not 0 <= value <= 1:
        raise BadValue("must be from 0% to 100%")
    return value


def check_path(value: str) -> str:
    """A dotted path into a JSON message, such as "event", "data.kind" or "0"."""
    if not all(value.split(".")):
        raise BadValue('is no path into a message: write a key such as "event", "data.kind", or "0" in an array')
    return value


def _metric(value: str) -> str:
    return parse_metric(value.strip()).name


class Target(TomlTable):
    """The server under load."""

    url: Annotated[str, AfterValidator(check_target_url)] = "ws://localhost:3001/ws"  # or ws+unix:/run/app.sock:/ws
    proxy: Annotated[str, AfterValidator(check_proxy)] = "env"  # env | off | http://, https://, socks5:// or socks5h://
    connect_to: Annotated[str, AfterValidator(check_connect_to)] = ""  # "host:port" in place of the URL's, for TCP only
    spread_addresses: bool = False  # clients take all addresses of the name in turn, not the first one only
    ready: Literal["welcome", "open"] = "welcome"
    welcome: str = "connection:established"  # the kind of the welcome message; "" = any first message
    type_field: Annotated[Line, AfterValidator(check_path)] = "type"  # where a message names its kind: "event", "0"
    settle: Duration = 1.0  # ready = "open": how long a connection must stay open to count as ready
    health: Annotated[str, AfterValidator(check_health)] = "auto"  # auto | off | a base URL
    health_every: Annotated[Wait, Field(ge=0.1)] = 5.0  # how often it is asked during a run
    health_gate: bool = False  # end the run when the target says that it is unhealthy, or stays degraded
    connect_timeout: Wait = 10.0
    close_timeout: Duration = 3.0
    ping_every: Wait | None = None  # keepalive pings beside the exchange; None: none
    ping_timeout: Wait | None = None  # a client whose pong takes longer is dropped; None: it is not judged
    reconnect: Literal["none", "at once", "exponential"] = "none"  # whether clients that were dropped come back
    reconnect_base: Wait = 1.0  # exponential: up to this before the first attempt, up to twice as much before the next
    reconnect_cap: Wait = 30.0  # exponential: never more; each delay is drawn anew from 0 up to its bound
    reconnect_attempts: Annotated[Whole, Field(ge=1, le=1_000_000)] = 10  # in vain, then never again
    max_size: Size = 1 << 20
    strict: bool = False  # end a connection on text that is not UTF-8, as browsers do; it is a failure in any case
    headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict)  # own Host and Origin replace ours
    subprotocols: list[Token] = Field(default_factory=list)  # one of them must be granted, as browsers want it
    origin: HeaderValue = ""
    follow_redirects: bool = False  # on the same scheme, host and port only: tokens and cookies go nowhere else
    compression: bool = False  # offer permessage-deflate, and compress what is sent where the server takes it
    ca_file: str = ""  # wss: the authorities to trust instead of the system's, PEM; beside the preset, as all files
    cert_file: str = ""  # wss: the certificate that clients show, PEM
    key_file: str = ""  # wss: its key, where it is not in cert_file
    insecure: bool = False  # wss: trust any certificate

    @field_validator("headers")
    @classmethod
    def _names_differ(cls, headers: dict[str, str]) -> dict[str, str]:
        if twice := twice_in([name.lower() for name in headers]):
            names = " and ".join(name for name in headers if name.lower() == twice)
            raise BadValue(f"has {names}, which is one header: case makes no difference")
        return headers

    @field_validator("subprotocols")
    @classmethod
    def _offers_differ(cls, subprotocols: list[str]) -> list[str]:
        if twice := twice_in(subprotocols):
            raise BadValue(f"names {twice} twice")
        return subprotocols

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            if name in ("url", "health", "proxy"):
                yield name, mask_url(value)
            elif name == "headers":
                yield name, {key: MASK if is_secret_header(key) else text for key, text in value.items()}
            else:
                yield name, value


class Auth(TomlTable):
    """How a client proves who it is."""

    kind: Literal["none", "token", "jwt", "mix"] = "none"
    token: BareToken = SecretStr("")
    send_as: Literal["query", "header", "subprotocol"] = "query"
    secret: SecretStr = SecretStr("")  # jwt, mix: one token per client is signed with it
    ttl: Duration = 86400.0
    mix: Mix = Mix()  # mix: which client brings which kind of token


class Stage(TomlTable):
    """A stretch of the load: `clients` are reached in a straight line over `over`.

    With `arrive` others come on top of them, one after the other at this rate, stay for `stay` once they are ready,
    and close: the open model. They come however the target fares, as people do who know nothing of one another.
    """

    name: Annotated[Line, Field(min_length=1)]
    over: Duration
    clients: Count | None = None  # None: as many as before
    arrive: Rate | None = None  # clients that arrive during this stage: "50/s"; None: nobody
    stay: Wait | None = None  # how long each of them stays, counted from when it is ready
    every: Duration | None = None  # from its beginning on clients send so often; None: as before

    @property
    def is_cooldown(self) -> bool:
        """Whether thresholds leave this stage out unless they name it."""
        return self.name.startswith("cooldown")


class Messages(TomlTable):
    """What each client says, how often, and how long it waits for the answer."""

    exchange: Literal["odin", "echo", "ping", "listen", "template"] = "odin"
    every: Duration = 5.0  # 0: closed loop, the next as soon as the reply is there
    arrivals: Literal["fixed", "jitter", "poisson"] = "fixed"  # the sends of a client: evenly, moved, or independent
    jitter: Annotated[Share, AfterValidator(_part)] = 0.5  # jitter: how much of `every` a send may be moved by, at most
    timeout: Wait = 10.0
    size: Size = 64  # echo: bytes of each message
    text: bool = True  # echo: text frames, or binary
    templates: list[Template] = Field(default_factory=list)  # template: kinds of message, in proportion to their weight
    feed: str = ""  # template: a CSV file with a header, for {{feed.column}}; beside the preset, or from where one is
    feed_per: Literal["client", "message"] = "client"  # client n has row n; or each message takes the next row
    seed: Annotated[Whole, Field(ge=0, lt=1 << 63)] = 0  # the same seed draws the same random values again
    # clients leave "all" and take some of these tokens, by the Odin protocol; none: they stay
    subscribe: list[Annotated[Line, Field(min_length=1)]] = Field(default_factory=list)
    subscribe_each: Count = 0  # so many each, one client after the other; 0: all of them
    slow_readers: Annotated[Share, AfterValidator(_part)] = 0.0  # the share of the clients that stop reading when ready
    fanout: Literal["auto", "on", "off"] = "auto"  # follow broadcasts; auto: where the exchange expects some
    fanout_window: Wait = 5.0  # how long a broadcast is followed from its first receipt

    @property
    def is_one_way(self) -> bool:
        """Whether no client ever waits for a reply."""
        if self.exchange == "template":
            return all(template.reply == "none" for template in self.templates)
        return self.exchange == "listen"


class Threshold(TomlTable):
    """A limit on a metric: "< 20ms", ">= 99%", ">= 1000/s"."""

    metric: Annotated[str, AfterValidator(_metric)]
    limit: str
    stage: str = ""
    after: Duration = 0.0
    abort_on_fail: bool = False

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

    workers: Annotated[Whole, Field(ge=0, le=MOST_WORKERS)] = 0  # on each machine; 0: one per spare core
    local_addresses: list[Address] = Field(default_factory=list)
    # machines that make the load instead of this one, by ssh: "host1", "host2:4" (workers), "user@host3"
    hosts: Annotated[list[Annotated[str, AfterValidator(check_host)]], BeforeValidator(split_hosts)] = Field(
        default_factory=list
    )
    ssh_config: str = ""  # hosts: a configuration for ssh in place of the person's own; beside the preset, as all files
    python: Line = ""  # hosts: the Python that has wstui there; "": the one that the command `wstui` has
    scheduler: Annotated[str, AfterValidator(check_scheduler)] = ""  # the workers of this Dask cluster instead: tls://…
    on_loss: Literal["keep", "redistribute"] = "keep"  # the load of lost processes, unless somebody asks


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
"""What a preset may tell the target of its demo: none of it reads a file, or leads to another machine."""


def _demo_options(options: list[str], info: ValidationInfo) -> list[str]:
    known = DEMO_OPTIONS[str(info.field_name)]
    for option in options:
        name = option.partition("=")[0]
        if name.startswith("-") and name not in known:
            raise BadValue(f"has {quote(name)}, and a preset may only say {', '.join(known)}")
    return options


class Demo(TomlTable):
    """What `wstui demo` starts its own target with: options of `wstui server` and `wstui publisher`, one a text."""

    server: Annotated[list[Line], AfterValidator(_demo_options)] = Field(default_factory=list)
    publisher: Annotated[list[Line], AfterValidator(_demo_options)] = Field(default_factory=list)


class Scenario(TomlTable):
    """All of it. Two scenarios are equal when they ask for the same, wherever they came from."""

    name: Line = "scenario"
    description: str = ""
    target: Target = Target()
    auth: Auth = Auth()
    stages: list[Stage] = Field(default_factory=list)
    messages: Messages = Messages()
    thresholds: list[Threshold] = Field(default_factory=list)
    fleet: Fleet = Fleet()
    demo: Demo = Demo()
    breakpoint: Breakpoint | None = None  # look for the limit, in the place of stages

    _origin: Origin = PrivateAttr(default_factory=Origin)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.__dict__ == self.__dict__

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
    def origin(self) -> Origin:
        """The file it was read from, and the references in it."""
        return self._origin


class Suite(TomlTable):
    """Presets that run one after the other, with a pause between them, and one combined verdict."""

    name: Line = "suite"
    description: str = ""
    suite: list[Annotated[Line, Field(min_length=1)]] = Field(min_length=1)
    cooldown: Duration = 30.0

    _origin: Origin = PrivateAttr(default_factory=Origin)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.__dict__ == self.__dict__

    @property
    def origin(self) -> Origin:
        """The file it was read from, and the references in it."""
        return self._origin
