"""The messages of the Odin protocol: those of clients, and the server's own."""

from __future__ import annotations

import itertools
import random
import time
from typing import Any

import msgspec

_serial = itertools.count(random.SystemRandom().getrandbits(63)).__next__
_pong_head = b""
_pong_ms = -1
_encode = msgspec.json.Encoder().encode


class Inbound(msgspec.Struct, gc=False):
    """A message of a client. `timestamp` is kept as written, because a pong echoes it verbatim."""

    type: str
    timestamp: msgspec.Raw = msgspec.Raw(b"null")
    tokens: list[str] | None = None


decode_inbound = msgspec.json.Decoder(Inbound).decode
decode_any = msgspec.json.Decoder().decode


def now_ms() -> int:
    """Return the wall clock in epoch milliseconds."""
    return time.time_ns() // 1_000_000


def nonce(at_ms: int) -> str:
    """Return a unique id: the milliseconds, and a serial number with a random start."""
    return f"{at_ms}-{_serial():016x}"


def pong(original: bytes) -> bytes:
    """Return the answer to a ping with the timestamp `original` (JSON text)."""
    global _pong_head, _pong_ms
    now = now_ms()
    if now != _pong_ms:
        _pong_ms = now
        _pong_head = b'{"type":"pong","timestamp":%d,"nonce":"%d-' % (now, now)
    try:
        latency = b"%d" % (now - int(original))
    except ValueError:
        latency = b"null"
    return b'%b%016x","originalTimestamp":%b,"latency":%b}' % (_pong_head, _serial(), original, latency)


def welcome(rollout_percentage: int) -> bytes:
    """Return the first message to a client, with an id for it."""
    return _stamped(
        "connection:established",
        clientId=f"client-{_serial():016x}",
        message="Connected to the Odin WebSocket server",
        rolloutPercentage=rollout_percentage,
        features={"deduplication": True, "sourceTracking": True, "metricsEnabled": True},
    )


def heartbeat(connected: int, idle_ms: int) -> bytes:
    """Return a heartbeat, the same bytes for all clients; `idle_ms` is the server's own idle time."""
    return _stamped("heartbeat", connectedClients=connected, idleTime=idle_ms)


def subscription_ack(subscriptions: list[str]) -> bytes:
    """Return the answer to `subscribe`, with all subscriptions of the client."""
    return _stamped("subscription:ack", subscriptions=subscriptions)


def _stamped(kind: str, **content: Any) -> bytes:
    now = now_ms()
    return _encode({"type": kind, "timestamp": now, "nonce": nonce(now), **content})
