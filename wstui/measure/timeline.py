"""The run as a table for charts and reports: one row per second, and the marks between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from itertools import groupby
from typing import Any


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
    away: int = 0  # dropped clients that will reconnect
    reconnects_per_s: float = 0.0
    reconnect_p95_ms: float | None = None  # from a drop until ready again
    delivery_p50_ms: float | None = None  # of broadcasts whose window closed in this second
    delivery_p99_ms: float | None = None
    spread_p99_ms: float | None = None
    steps: Mapping[str, float | None] = field(default_factory=dict)  # "step.ROLE.NAME.p99_ms"; see step_columns

    def values(self) -> dict[str, Any]:
        """Return the row as a result holds it: a flat table."""
        return {name: getattr(self, name) for name in _NAMES} | dict(self.steps)


_NAMES = tuple(field.name for field in fields(TimelineRow) if field.name != "steps")
STEPS_FOLLOWED = 20
"""How many steps are followed second by second; the totals have all of them."""


@cache
def step_columns(role: str, name: str) -> tuple[str, str, str, str]:
    """Return the names of a step's columns: done per second, lost, and the quantiles of its response time in ms.

    They begin with "step.ROLE.NAME", or for logins, which have no role, with "login.NAME" or "login" for all requests.
    """
    step = f"step.{role}.{name}" if role else f"login.{name}" if name != "login" else name
    return f"{step}.per_s", f"{step}.lost", f"{step}.p50_ms", f"{step}.p99_ms"


ROWS_KEPT = 3600
"""Older seconds are folded into minutes in memory; the run store has them all."""
_LATEST = frozenset({"at_s", "stage", "paused", "wanted", "open", "opening", "away"})
_SUMMED = frozenset({"replies", "late_sends"})


def fold_rows(rows: Sequence[TimelineRow]) -> Iterator[tuple[int, TimelineRow]]:
    """Fold seconds into minutes: means of rates and medians, sums of counts, maxima of tails and peaks."""
    for _, group in groupby(rows, lambda row: (int(row.at_s - 1) // 60, row.stage, row.paused)):
        minute = list(group)
        if len(minute) == 1:
            yield 1, minute[0]
            continue
        yield len(minute), TimelineRow(**_folded_all([row.values() for row in minute]))


def _folded_all(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    values = {name: _folded(name, rows) for name in rows[-1]}
    return {name: values[name] for name in _NAMES} | {"steps": {n: v for n, v in values.items() if n not in _NAMES}}


def _folded(name: str, rows: Sequence[Mapping[str, Any]]) -> Any:
    values = [value for row in rows if (value := row.get(name)) is not None]
    if name in _LATEST or not values:
        return rows[-1][name]
    if name in _SUMMED or name.endswith(".lost"):
        return sum(values)
    if name.endswith("per_s") or "p50_" in name or "_mean_" in name:
        return sum(values) / len(values)
    return max(values)


@dataclass(frozen=True, slots=True)
class Mark:
    """An event: `kind` is one of MARKS, `text` describes it briefly."""

    at_s: float
    kind: str
    text: str


MARKS_KEPT = 5000
_TOGGLES = frozenset({"broken", "kept", "health"})


def fold_marks(marks: Sequence[Mark]) -> Iterator[tuple[int, Mark]]:
    """Fold each run of limits that break and recover into one mark."""
    for toggles, group in groupby(marks, key=lambda mark: mark.kind in _TOGGLES):
        same = list(group)
        if not toggles or len(same) == 1:
            yield from ((1, mark) for mark in same)
        else:
            text = f"{same[0].text} (and {len(same) - 1} more limit and health marks until {same[-1].at_s:.0f} s)"
            yield len(same), Mark(same[0].at_s, same[0].kind, text)


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
    "note": "¶",
    "span": "[",
    "span_end": "]",
    "end": "■",
}
"""The kinds of mark and the glyph of each."""
