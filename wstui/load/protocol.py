"""Messages to a worker: its specification once, then commands. Durations are nanoseconds, never wall clocks."""

from __future__ import annotations

import msgspec

from wstui.load.message_script import Script
from wstui.measure.fanout import Receipts
from wstui.measure.snapshot import Snapshot
from wstui.scenario.token_mix import TokenKind


class Spec(msgspec.Struct, tag="spec", frozen=True, kw_only=True):
    """Everything that a worker needs to know to make its share of the load. Carries secrets: never log it.

    Of a fleet of `workers` processes this is number `worker`; it owns the clients whose number modulo `workers`
    is `worker`.
    """

    worker: int = 0
    workers: int = 1
    # target
    url: str
    headers: list[tuple[str, str]] = []
    subprotocols: list[str] = []
    origin: str = ""
    follow_redirects: bool = False
    compression: bool = False
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    insecure: bool = False
    local_addresses: list[str] = []
    connect_timeout_ns: int = 10_000_000_000
    close_timeout_ns: int = 3_000_000_000
    settle_ns: int = 1_000_000_000
    ready: str = "welcome"
    welcome: str = "connection:established"
    max_size: int = 1 << 20
    strict: bool = False
    in_flight: int = 64
    unix: str = ""  # the path of a socket that is connected to in place of the URL's host and port
    proxy: str = ""  # the URL of a proxy, with its credentials
    connect_to: str = ""  # host:port in place of the URL's
    spread_addresses: bool = False  # take all addresses of the name in turn
    ping_every_ns: int = 0  # 0: no keepalive pings
    ping_timeout_ns: int = 0  # 0: a missing pong is not judged
    type_field: str = "type"  # the dotted path to the name of a message's kind
    reconnect: str = "none"  # none | at once | exponential
    reconnect_base_ns: int = 1_000_000_000
    reconnect_cap_ns: int = 30_000_000_000
    reconnect_attempts: int = 10
    # who a client is
    auth: str = "none"  # none | token | jwt | mix
    token: str = ""
    secret: str = ""
    send_as: str = "query"  # query | header | subprotocol
    ttl_s: int = 86400
    mix: list[TokenKind] = []  # the kinds of token of clients 0, 1, 2, …; then they repeat
    # what it says
    exchange: str = "odin"
    every_ns: int = 5_000_000_000
    timeout_ns: int = 10_000_000_000
    size: int = 64
    text: bool = True
    script: Script = Script()
    arrivals: str = "fixed"  # fixed | jitter | poisson
    jitter: float = 0.5
    seed: int = 0
    subscribe: list[str] = []  # the names that clients share out among themselves; none: they stay with "all"
    subscribe_each: int = 0  # 0: each takes all of them
    slow_readers: float = 0.0  # the share of the clients that stop reading when they are ready
    fanout: bool = True
    fanout_window_ns: int = 5_000_000_000


class Go(msgspec.Struct, tag="go", frozen=True):
    """Start the clock of the run: it stands at `at_ns` when this arrives."""

    at_ns: int = 0


class Ramp(msgspec.Struct, tag="ramp", frozen=True):
    """Lead the whole fleet from the clients wanted now to `to` in a straight line over `over_ns`."""

    to: int
    over_ns: int


class Arrive(msgspec.Struct, tag="arrive", frozen=True):
    """Let clients arrive at the whole fleet for `over_ns`, `per_second` in billionths, and stay for `stay_ns` each.

    They count from `first` on, over the run. They come on top of the ramp's. `cut` ends the arrivals of an earlier
    command now; otherwise these go on to the end that they have.
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


class Heartbeat(msgspec.Struct, tag="heartbeat", frozen=True):
    """The operator is still there."""


Command = Spec | Go | Ramp | Arrive | Pace | Pause | Resume | Drain | Abort | Heartbeat


class WorkerReady(msgspec.Struct, tag="joined", frozen=True):
    """A worker is up and has understood its specification."""

    worker: int
    pid: int
    python: str
    version: str
    loop: str
    files_limit: int


class Finished(msgspec.Struct, tag="finished", frozen=True):
    """A worker has said its last snapshot and is about to exit; `error` is empty when all went well."""

    worker: int
    error: str = ""


class BroadcastReport(msgspec.Struct, tag="heard", frozen=True):
    """Broadcasts whose window has closed in a worker, and where the target's clock lies by its replies.

    `clock` bounds the target's clock minus this host's, in nanoseconds; None before any reply had a timestamp.
    `at_ns` is on the monotonic clock of the host.
    """

    worker: int
    at_ns: int
    broadcasts: list[Receipts]
    clock: tuple[int, int] | None = None


Message = WorkerReady | Snapshot | BroadcastReport | Finished

encode = msgspec.msgpack.Encoder().encode
decode_command = msgspec.msgpack.Decoder(Command).decode
decode_message = msgspec.msgpack.Decoder(Message).decode
