"""Settings of the Odin server: addresses, authentication, limits. Nothing here reads the environment."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from enum import StrEnum

from wstui.odin.faults import Faults


class AuthMode(StrEnum):
    """Whether clients need a token: ignored, verified if there is one, or required."""

    OFF = "off"
    OPTIONAL = "optional"
    REQUIRED = "required"


class SlowConsumer(StrEnum):
    """What to drop when a client reads too slowly: its oldest message, or the client (1013)."""

    DROP_OLDEST = "drop-oldest"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds that keep one client from hurting others. Rates are per second; 0 means no limit."""

    connections: int = 50_000  # open at once
    handshakes: int = 4_096  # begun and not finished, at once
    sockets: int = 1_000_000  # in any state; set by the limit of open files
    connect_rate: float = 0.0
    connect_rate_per_address: float = 0.0
    message_rate: float = 0.0
    message_rate_per_address: float = 0.0
    message_rate_per_client: float = 0.0
    message_bytes: int = 64 * 1024  # of one message of a client; 125 at least, as for a control frame
    malformed_messages: int = 16  # of one client before it is closed with 1008
    tokens: int = 256  # subscriptions of one client
    send_queue: int = 256  # messages waiting for a client that reads slowly
    send_buffer_bytes: int = 64 * 1024  # in the transport, before the queue is used


@dataclass(frozen=True, slots=True)
class Timing:
    """Periods and deadlines in seconds."""

    handshake: float = 10.0  # from accept to a complete request
    heartbeat: float = 30.0
    dead_peer: float = 60.0  # of silence, with a ping halfway, before a peer counts as dead
    close: float = 3.0  # for the other side of a close handshake
    drain: float = 5.0  # for all clients to leave at shutdown
    deduplication: float = 60.0


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """All settings of a server."""

    host: str = "127.0.0.1"
    port: int = 3001
    auth: AuthMode = AuthMode.REQUIRED
    nats_url: str = ""
    compression: bool = False
    slow_consumer: SlowConsumer = SlowConsumer.DROP_OLDEST
    limits: Limits = field(default_factory=Limits)
    timing: Timing = field(default_factory=Timing)
    faults: Faults = field(default_factory=Faults)


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a server that listens on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
