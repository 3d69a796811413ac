"""Counters of the server: plain numbers, so that counting costs next to nothing."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from enum import IntEnum

KINDS_MAX = 64
KIND_LENGTH_MAX = 64
LATEST_MS = 1 << 53  # a timestamp beyond this is not one


class ConnectionPhase(IntEnum):
    HANDSHAKE = 0
    OPEN = 1
    CLOSING = 2
    CLOSED = 3


def _counter() -> dict[str, int]:
    return Counter()


@dataclass(slots=True)
class Stats:
    """Counters since the start, and a few present values; latencies in milliseconds, sizes in bytes."""

    started_ms: int = field(default_factory=lambda: time.time_ns() // 1_000_000)
    started: float = field(default_factory=time.monotonic)
    phases: list[int] = field(default_factory=lambda: [0] * len(ConnectionPhase))  # connections now
    nats_connected: bool = False
    process: dict[str, int | float | None] = field(default_factory=dict)  # CPU, memory, open files
    accepted: int = 0  # TCP connections
    opened: int = 0  # upgraded
    dead_peers: int = 0
    close_timeouts: int = 0
    received: int = 0  # messages of clients
    pongs: int = 0
    published: int = 0  # messages from NATS that were relayed
    delivered: int = 0  # messages written to clients
    duplicates: int = 0
    dropped_slow: int = 0
    closed_slow: int = 0
    malformed: int = 0
    unreadable: int = 0  # messages from NATS that are not JSON
    reconnects: int = 0  # to NATS
    errors: int = 0
    latency_peak_ms: float = 0.0
    latency_sum_ms: float = 0.0
    latency_count: int = 0
    received_by_type: dict[str, int] = field(default_factory=_counter)
    published_by_type: dict[str, int] = field(default_factory=_counter)
    refused: dict[str, int] = field(default_factory=_counter)  # before the upgrade, by reason
    ejected: dict[str, int] = field(default_factory=_counter)  # after it, by reason

    @property
    def uptime(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self.started

    def count_published(self, kind: str) -> None:
        """Count one message from NATS; types beyond the first `KINDS_MAX` count as "other"."""
        kind, kinds = kind[:KIND_LENGTH_MAX], self.published_by_type
        if kind not in kinds and len(kinds) >= KINDS_MAX:
            kind = "other"
        kinds[kind] += 1

    def record_latency(self, milliseconds: float) -> None:
        """Record the age of a relayed message; a clock that is ahead counts as 0."""
        milliseconds = max(0.0, milliseconds)
        self.latency_count += 1
        self.latency_sum_ms += milliseconds
        self.latency_peak_ms = max(self.latency_peak_ms, milliseconds)
