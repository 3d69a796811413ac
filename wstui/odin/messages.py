"""The messages of the Odin protocol: what clients may say, and what the server says of itself."""

from __future__ import annotations

import random
import time
from typing import Any

import msgspec

_random_bits = random.Random().getrandbits
_encode = msgspec.json.Encoder().encode


class Inbound(msgspec.Struct, gc=False):
    """A message of a client. `timestamp` is kept as it was written, because a pong echoes it verbatim."""

    type: str
    timestamp: msgspec.Raw = msgspec.Raw(b"null")
    tokens: list[str] = []


decode_inbound = msgspec.json.Decoder(Inbound).decode
decode_any = msgspec.json.Decoder().decode


def now_ms() -> int:
    """The wall clock in epoch milliseconds."""
    return time.time_ns() // 1_000_000


def nonce(at_ms: int) -> str:
    """A name that no other message has: the milliseconds and 64 random bits."""
    return f"{at_ms}-{_random_bits(64):016x}"


def pong(original: bytes) -> bytes:
    """The answer to a ping that carried the timestamp `original`, as JSON text."""
    now = now_ms()
    try:
        latency = b"%d" % (now - int(original))
    except ValueError:
        latency = b"null"
    return b'{"type":"pong","timestamp":%d,"nonce":"%d-%016x","originalTimestamp":%b,"latency":%b}' % (
        now,
        now,
        _random_bits(64),
        original,
        latency,
    )


def welcome(client_id: str, rollout_percentage: int, deduplication: bool) -> bytes:
    """The first message to each client."""
    return _stamped(
        "connection:established",
        clientId=client_id,
        message="Connected to the Odin WebSocket server",
        rolloutPercentage=rollout_percentage,
        features={"deduplication": deduplication, "sourceTracking": True, "metricsEnabled": True},
    )


def heartbeat(connected: int, idle_ms: int) -> bytes:
    """Sent to everybody at each heartbeat, the same bytes for all: `idle_ms` is the server's own idle time."""
    return _stamped("heartbeat", connectedClients=connected, idleTime=idle_ms)


def subscription_ack(subscriptions: list[str]) -> bytes:
    """The answer to `subscribe`: everything that the client is subscribed to now."""
    return _stamped("subscription:ack", subscriptions=subscriptions)


def _stamped(kind: str, **content: Any) -> bytes:
    now = now_ms()
    return _encode({"type": kind, "timestamp": now, "nonce": nonce(now), **content})
