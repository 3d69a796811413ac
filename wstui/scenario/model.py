"""The scenario: what to load, with how many clients, for how long, saying what, within which limits.

Every duration is a float of seconds in Python and a text such as "250ms", "10s", "2m" or "1h" in TOML.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

Duration = Annotated[float, Field(ge=0)]
Size = Annotated[int, Field(ge=0)]


class Table(BaseModel):
    """A table of the file: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", validate_assignment=False, frozen=True)


class Target(Table):
    """The server under load."""

    url: str = "ws://localhost:3001/ws"
    ready: Literal["welcome", "open"] = "welcome"
    welcome: str = "connection:established"  # the `type` of the welcome message; "" = any first message
    settle: Duration = 1.0  # ready = "open": how long a connection must stay open to count as ready
    health: str = "auto"  # auto | off | a base URL
    connect_timeout: Duration = 10.0
    close_timeout: Duration = 3.0
    max_size: Size = 1 << 20
    headers: dict[str, str] = {}
    subprotocols: list[str] = []
    origin: str = ""
    compression: bool = False
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    insecure: bool = False


class Auth(Table):
    """How a client proves who it is."""

    kind: Literal["none", "token", "jwt"] = "none"
    token: SecretStr = SecretStr("")
    send_as: Literal["query", "header", "subprotocol"] = "query"
    secret: SecretStr = SecretStr("")  # jwt: one token per client is signed with it
    ttl: Duration = 86400.0


class Stage(Table):
    """A stretch of the load: `clients` are reached in a straight line over `over`."""

    name: str
    over: Duration
    clients: int | None = Field(default=None, ge=0)  # None: as many as before

    @property
    def is_cooldown(self) -> bool:
        """Whether thresholds leave this stage out unless they name it."""
        return self.name.startswith("cooldown")


class Messages(Table):
    """What each client says, how often, and how long it waits for the answer."""

    exchange: Literal["odin", "echo", "ping", "listen"] = "odin"
    every: Duration = 5.0  # 0: closed loop, the next as soon as the reply is there
    timeout: Duration = 10.0
    size: Size = 64  # echo: bytes of each message
    text: bool = True  # echo: text frames, or binary


class Threshold(Table):
    """A limit on a metric: "< 20ms", ">= 99%", ">= 1000/s"."""

    metric: str
    limit: str
    stage: str = ""
    after: Duration = 0.0
    abort_on_fail: bool = False


class Fleet(Table):
    """Where the load is made."""

    shards: int = Field(default=0, ge=0)  # 0: one per spare core
    local_addresses: list[str] = []


class Scenario(Table):
    """All of it."""

    name: str = "scenario"
    description: str = ""
    target: Target = Target()
    auth: Auth = Auth()
    stages: list[Stage] = Field(default_factory=list)
    messages: Messages = Messages()
    thresholds: list[Threshold] = Field(default_factory=list)
    fleet: Fleet = Fleet()

    @property
    def duration_s(self) -> float:
        """Planned seconds of all stages."""
        return sum(stage.over for stage in self.stages)

    @property
    def peak_clients(self) -> int:
        """The largest number of clients that any stage asks for."""
        return max((stage.clients or 0 for stage in self.stages), default=0)


class Suite(Table):
    """Presets that run one after the other, with a pause between them, and one combined verdict."""

    name: str = "suite"
    description: str = ""
    suite: list[str] = Field(min_length=1)
    cooldown: Duration = 30.0
