"""What a server process counts. Plain numbers, so that counting costs next to nothing; several can be added up."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from enum import IntEnum

KINDS_MAX = 64
KIND_LENGTH_MAX = 64
LATEST_MS = 1 << 53  # a timestamp beyond is none


class Phase(IntEnum):
    """Where a connection stands."""

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
    phases: list[int] = field(default_factory=lambda: [0] * len(Phase))  # connections now, by `Phase`
    nats_connected: bool = False
    processes: list[dict[str, int | float | None]] = field(default_factory=list)  # of each: CPU, memory, files
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
        """Seconds since the start."""
        return time.monotonic() - self.started

    def count_published(self, kind: str) -> None:
        """Count one message from NATS; beyond `KINDS_MAX` types the rest is counted as "other"."""
        kind, kinds = kind[:KIND_LENGTH_MAX], self.published_by_type
        if kind not in kinds and len(kinds) >= KINDS_MAX:
            kind = "other"
        kinds[kind] += 1

    def record_latency(self, milliseconds: float) -> None:
        """Note how old a message was when it was relayed; a clock that is ahead counts as 0."""
        milliseconds = max(0.0, milliseconds)
        self.latency_count += 1
        self.latency_sum_ms += milliseconds
        self.latency_peak_ms = max(self.latency_peak_ms, milliseconds)


def merge(parts: Sequence[Stats]) -> Stats:
    """The stats of several worker processes as those of one server.

    Each message from NATS reaches every worker, so what is counted of them is the greatest count, not the sum.
    """
    if len(parts) == 1:
        return parts[0]
    whole = Stats()
    for item in fields(Stats):
        values = [getattr(part, item.name) for part in parts]
        match item.name:
            case "started" | "started_ms" | "nats_connected":
                value = min(values)
            case "latency_peak_ms" | "published" | "duplicates" | "unreadable" | "reconnects" | "errors":
                value = max(values)
            case "phases":
                value = [sum(column) for column in zip(*values, strict=True)]
            case "processes":
                value = [process for processes in values for process in processes]
            case "published_by_type":
                value = {kind: max(v.get(kind, 0) for v in values) for kind in set().union(*values)}
            case _ if isinstance(values[0], dict):
                value = sum((Counter(counts) for counts in values), Counter())
            case _:
                value = sum(values)
        setattr(whole, item.name, value)
    return whole
