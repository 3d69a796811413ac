"""Messages to a worker: its specification once, then commands. Durations are nanoseconds, never wall clocks."""

from __future__ import annotations

from typing import Any

import msgspec

from wstui.load.lease import LEASE_S
from wstui.load.pipe_link import FLUSH_S
from wstui.load.role_spec import HttpSpec, RolesSpec, Slot
from wstui.measure.fanout import Receipts
from wstui.measure.snapshot import Snapshot
from wstui.scenario.token_kind import TokenKind

# -- the scenario as a worker gets it: files read, environment and feed resolved, nothing left to parse --------------


Parts = list[bytes | Slot]
"""A text with the places that differ from client to client."""


class ConnectSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Where and how clients connect, and when they reconnect."""

    url: str  # with zeros for what differs from client to client
    resource: Parts = []  # path and query if they differ from client to client
    headers: list[tuple[str, str | Parts]] = []
    cookies: list[tuple[str, str | Parts]] = []
    subprotocols: list[str | Parts] = []
    origin: str = ""
    follow_redirects: bool = False
    compression: bool = False
    max_size: int = 1 << 20
    ca_file: str = ""
    cert_file: str | Parts = ""
    key_file: str | Parts = ""
    insecure: bool = False
    local_addresses: list[str] = []
    unix: str = ""  # the path of a socket to connect to instead of the URL's host and port
    proxy: str = ""  # the URL of a proxy, with its credentials
    connect_to: str = ""  # host:port instead of the URL's
    spread_addresses: bool = False  # use all addresses of the name in turn
    in_flight: int = 64
    timeout_ns: int = 10_000_000_000
    close_timeout_ns: int = 3_000_000_000
    settle_ns: int = 1_000_000_000
    reconnect: str = "none"  # none | at once | exponential
    reconnect_base_ns: int = 1_000_000_000
    reconnect_cap_ns: int = 30_000_000_000
    reconnect_attempts: int = 10


class AuthSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The token of each client."""

    kind: str = "none"  # none | token | jwt | mix | basic
    token: str | Parts = ""
    user: str | Parts = ""
    password: str | Parts = ""
    secret: str = ""
    send_as: str = "query"  # query | header | subprotocol
    ttl_s: int = 86400
    mix: list[TokenKind] = []  # the kinds of token of clients 0, 1, 2, …; then they repeat


class SendSpec(msgspec.Struct, frozen=True, kw_only=True):
    """When clients send messages and keepalive pings."""

    every_ns: int = 5_000_000_000  # 0: a closed loop
    arrivals: str = "fixed"  # fixed | jitter | poisson
    jitter: float = 0.5  # the share of the interval that a send may be moved by
    ping_every_ns: int = 0  # 0: no keepalive pings
    ping_timeout_ns: int = 0  # 0: a missing pong has no consequence
    rounds: int = 0  # so many of each client, which then only listens; 0: no limit


class ConversationSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What clients send, and how they read what arrives."""

    exchange: str = "odin"
    ready: str = "welcome"
    welcome: str = "connection:established"
    type_field: str = "type"  # the dotted path to the type of a message
    strict: bool = False
    reply_timeout_ns: int = 10_000_000_000
    size: int = 64
    text: bool = True
    roles: RolesSpec = RolesSpec()
    subscribe: list[str] = []  # names that are spread over the clients; empty: clients stay with "all"
    subscribe_each: int = 0  # 0: every client takes all of them
    slow_readers: float = 0.0  # the share of the clients that stop reading once they are ready
    fanout: bool = True
    fanout_window_ns: int = 5_000_000_000


class Spec(msgspec.Struct, tag="spec", frozen=True, kw_only=True):
    """Everything a worker needs to make its share of the load. Carries secrets: never log it.

    Worker number `worker` of `workers` owns the clients whose number modulo `workers` is `worker`.
    """

    worker: int = 0
    workers: int = 1
    seed: int = 0
    connect: ConnectSpec
    role_connects: dict[str, ConnectSpec] = {}  # of roles with a URL, headers or a certificate of their own
    auth: AuthSpec = AuthSpec()
    login: list[HttpSpec] = []
    login_again: bool = False  # before each connection, not only the first
    http_limit: int = 64  # requests of this worker under way at once
    send: SendSpec = SendSpec()
    conversation: ConversationSpec = ConversationSpec()
    trace: int = 0  # the conversations of so many clients of each role are followed
    lease_s: float = LEASE_S
    flush_s: float = FLUSH_S  # for the last messages to be read when the lease is over


# -- commands ------------------------------------------------------------------------------------------------------


class Go(msgspec.Struct, tag="go", frozen=True):
    """Start the clock of the run: it reads `at_ns` when this arrives."""

    at_ns: int = 0


class Ramp(msgspec.Struct, tag="ramp", frozen=True):
    """Change the clients of the whole fleet from the number wanted now to `to`, in a straight line over `over_ns`.

    `reached`: the ramp before is at its end by the plan's clock. A worker hears of that some milliseconds early or
    late by its own; the clients that are still missing then come now, not along the new line.
    """

    to: int
    over_ns: int
    reached: bool = False


class Arrive(msgspec.Struct, tag="arrive", frozen=True):
    """Let clients arrive for `over_ns`, `per_second` in billionths for the whole fleet; each stays for `stay_ns`.

    They are numbered from `first` on, over the run, and come on top of the ramp's. `cut` ends the arrivals of an
    earlier command now; otherwise those go on to their own end.
    """

    first: int
    per_second: int
    over_ns: int
    stay_ns: int
    cut: bool = False


class Pace(msgspec.Struct, tag="pace", frozen=True):
    """Let each client send every `every_ns`; 0 is a closed loop."""

    every_ns: int


class Pause(msgspec.Struct, tag="pause", frozen=True):
    """Stop sends and ramp; keep connections open."""


class Resume(msgspec.Struct, tag="resume", frozen=True):
    """Go on where the pause began."""


class Drain(msgspec.Struct, tag="drain", frozen=True):
    """Stop sending, wait up to `grace_ns` for replies in flight, close every connection with 1000, then end."""

    grace_ns: int


class Abort(msgspec.Struct, tag="abort", frozen=True):
    """Drop every connection and end."""


class ReleaseMeetings(msgspec.Struct, tag="meet", frozen=True):
    """Let so many of the clients go on that wait at each meeting. `number` counts these commands to a worker."""

    number: int
    names: dict[bytes, int]


class WatchClients(msgspec.Struct, tag="watch", frozen=True):
    """Send what these clients do from now on, as `Watched`, and of no others."""

    numbers: list[int]


class OperatorBeat(msgspec.Struct, tag="heartbeat", frozen=True):
    """The operator is still there. The monotonic clock of the worker's host is `ahead_ns` ahead of the operator's."""

    ahead_ns: int = 0


Command = (
    Spec | Go | Ramp | Arrive | Pace | Pause | Resume | ReleaseMeetings | Drain | Abort | WatchClients | OperatorBeat
)

# -- replies -------------------------------------------------------------------------------------------------------


class WorkerReady(msgspec.Struct, tag="joined", frozen=True):
    """A worker has started and understood its specification."""

    worker: int
    pid: int
    python: str
    version: str
    loop: str
    files_limit: int


class Finished(msgspec.Struct, tag="finished", frozen=True):
    """A worker has sent its last snapshot and is about to exit; `error` is empty when all went well."""

    worker: int
    error: str = ""


class BroadcastReport(msgspec.Struct, tag="heard", frozen=True):
    """Broadcasts whose window has closed in a worker, and the target's clock as its replies show it.

    `clock` bounds the target's clock minus this host's, in nanoseconds; None before any reply had a timestamp.
    `at_ns` is on the monotonic clock of the host.
    """

    worker: int
    at_ns: int
    broadcasts: list[Receipts]
    clock: tuple[int, int] | None = None


class Waiting(msgspec.Struct, tag="waiting", frozen=True):
    """How many clients wait at each meeting that has changed, and how many it needs; 0: all that are planned.

    `handled` is the number of the last `ReleaseMeetings`; `planned` clients are wanted of all workers together.
    """

    worker: int
    handled: int
    planned: int
    names: dict[bytes, tuple[int, int]]


class ScriptMistake(msgspec.Struct, tag="mistake", frozen=True):
    """A script of the scenario is wrong: the run cannot go on."""

    worker: int
    text: str


class TraceLine(msgspec.Struct):
    """A message of a client: `step` is the one that sent it or that it ended, "" if none did.

    `expected` says what the step waits for, or waited for; `captured` are the variables that have a value since.
    """

    at_ms: float
    role: str
    client: int
    received: bool
    text: str
    step: str = ""
    expected: str = ""
    captured: dict[str, Any] = {}
    kind: str = ""  # binary | ping | pong | close, or `state` of what the client has become
    size: int = 0


class Traced(msgspec.Struct, tag="traced", frozen=True):
    """Messages of the clients that are followed, in the order in which they passed."""

    worker: int
    lines: list[TraceLine]


class Watched(msgspec.Struct, tag="watched", frozen=True):
    """What watched clients did since the last such message; `missed` is how many more lines there were."""

    worker: int
    lines: list[TraceLine]
    missed: int = 0


Message = WorkerReady | Snapshot | BroadcastReport | Finished | Waiting | ScriptMistake | Traced | Watched

encode = msgspec.msgpack.Encoder().encode
decode_command = msgspec.msgpack.Decoder(Command).decode
decode_message = msgspec.msgpack.Decoder(Message).decode
