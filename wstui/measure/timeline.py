"""The run as a table: one row a second, and the marks between them. All that is drawn or reported derives from it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """One second of the run. Rates are per second, latencies in milliseconds, None where nothing was measured.

    `at_s` is the end of the interval in seconds since the start of the run, paused time included.
    """

    at_s: float
    stage: str
    paused: bool = False
    wanted: int = 0
    open: int = 0
    opening: int = 0
    attempted_per_s: float = 0.0
    ready_per_s: float = 0.0
    failures_per_s: float = 0.0
    sent_per_s: float = 0.0
    received_per_s: float = 0.0
    bytes_sent_per_s: float = 0.0
    bytes_received_per_s: float = 0.0
    replies: int = 0
    response_p50_ms: float | None = None
    response_p95_ms: float | None = None
    response_p99_ms: float | None = None
    response_max_ms: float | None = None
    response_mean_ms: float | None = None
    round_trip_p50_ms: float | None = None
    round_trip_p99_ms: float | None = None
    connect_p95_ms: float | None = None
    cpu: float = 0.0
    loop_lag_ms: float = 0.0
    late_sends: int = 0
    away: int = 0  # dropped clients that are still to come back
    reconnects_per_s: float = 0.0
    reconnect_p95_ms: float | None = None  # from a drop until ready again
    delivery_p50_ms: float | None = None  # of the broadcasts whose window closed in this second
    delivery_p99_ms: float | None = None
    spread_p99_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened: `kind` is one of MARKS, `text` says it in a few words."""

    at_s: float
    kind: str
    text: str


MARKS = {
    "start": "▶",
    "stage": "▸",
    "operator": "+",
    "pause": "‖",
    "resume": "▶",
    "warning": "▲",
    "broken": "✗",
    "kept": "✓",
    "worker": "✗",
    "generator": "▲",
    "health": "▲",
    "end": "■",
}
"""The kinds of mark and the glyph of each."""
