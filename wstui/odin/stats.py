"""What one server process counts. Plain numbers, so that counting costs next to nothing."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

KINDS_MAX = 64


@dataclass(slots=True)
class Stats:
    """Counters since the start of this process; latencies in milliseconds, sizes in bytes."""

    started_ms: int = field(default_factory=lambda: time.time_ns() // 1_000_000)
    started: float = field(default_factory=time.monotonic)
    accepted: int = 0  # TCP connections
    opened: int = 0  # upgraded
    phases: list[int] = field(default_factory=lambda: [0, 0, 0, 0])  # connections now, by `Phase`
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
    received_by_type: Counter[str] = field(default_factory=Counter)
    published_by_type: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)  # before the upgrade, by reason
    ejected: Counter[str] = field(default_factory=Counter)  # after it, by reason

    @property
    def uptime(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    def count_published(self, kind: str) -> None:
        """Count one message from NATS; beyond `KINDS_MAX` types the rest is counted as "other"."""
        kinds = self.published_by_type
        if kind not in kinds and len(kinds) >= KINDS_MAX:
            kind = "other"
        kinds[kind] += 1

    def record_latency(self, milliseconds: float) -> None:
        """Note how old a message was when it was relayed; a clock that is ahead counts as 0."""
        milliseconds = max(0.0, milliseconds)
        self.latency_count += 1
        self.latency_sum_ms += milliseconds
        self.latency_peak_ms = max(self.latency_peak_ms, milliseconds)
