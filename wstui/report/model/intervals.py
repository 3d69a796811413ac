"""Intervals of a run: those before and after an operator's notes and spans, and the rows in which load was made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from wstui.execution.run.machine_sections import GeneratorSummary
from wstui.execution.run.result import Result
from wstui.execution.run.result_sections import (
    Connections,
    Event,
    Latency,
    LatencySet,
    Traffic,
    Verdict,
)
from wstui.measure.timeline import Mark

_BORDERS = frozenset({"stage", "operator", "pause", "resume", "note", "span", "span_end"})
"""The kinds of event after which another load, or another target, may be measured."""


@dataclass(frozen=True, slots=True)
class NotedInterval:
    """A note, or a span with its end (None while it goes on). `before` and `after` are from and to, in seconds."""

    text: str
    at_s: float
    until_s: float | None
    before: tuple[float, float]
    after: tuple[float, float]
    is_span: bool = False


def noted_intervals(events: Sequence[Event | Mark], end_s: float) -> list[NotedInterval]:
    """Return the notes and spans in order. The intervals reach to the next change of the load, a stage or a note."""
    borders = sorted({0.0, end_s, *(event.at_s for event in events if event.kind in _BORDERS)})
    found = []
    for index, event in enumerate(events):
        if event.kind not in ("note", "span"):
            continue
        until = None
        if event.kind == "span":
            until = next((later.at_s for later in events[index + 1 :] if later.kind == "span_end"), None)
        begins = event.at_s if until is None else until
        before = max((at for at in borders if at < event.at_s), default=0.0), event.at_s
        after = begins, min((at for at in borders if at > begins), default=end_s)
        found.append(NotedInterval(event.text, event.at_s, until, before, after, event.kind == "span"))
    return found


def interval_result(run: Result, rows: Sequence[dict[str, Any]], from_s: float, to_s: float) -> Result:
    """Return the result of the seconds between two moments, as far as they tell; a quantile is the mean of theirs."""
    inside = [row for row in rows if from_s + 0.5 < row["at_s"] <= to_s + 0.5 and not row.get("paused")]
    replies = sum(row["replies"] for row in inside)

    def total(name: str) -> int:
        return round(sum(float(row[name]) for row in inside))

    def mean(name: str) -> float | None:
        known = [(row[name], row["replies"]) for row in inside if row[name] is not None]
        weight = sum(count for _, count in known)
        return sum(value * count for value, count in known) / weight if weight else None

    highest = max((row["response_max_ms"] for row in inside if row["response_max_ms"] is not None), default=None)
    response = Latency(
        replies, mean("response_mean_ms"), p50=mean("response_p50_ms"), p95=mean("response_p95_ms"),
        p99=mean("response_p99_ms"), max=highest,
    )  # fmt: skip
    trip = Latency(replies, p50=mean("round_trip_p50_ms"), p99=mean("round_trip_p99_ms"))
    seconds = len(inside) or 1
    sent, received, failures = total("sent_per_s"), total("received_per_s"), total("failures_per_s")
    return msgspec.structs.replace(
        run,
        duration_s=to_s - from_s,
        verdict=Verdict(passed=True, reason=""),
        connections=Connections(attempted=total("attempted_per_s"), ready=total("ready_per_s")),
        messages=Traffic(
            sent, received, sent / seconds if inside else None, received / seconds if inside else None,
            broken_expectations=failures,
        ),
        latency_ms=LatencySet(response, trip),
        generator=GeneratorSummary(late_sends=total("late_sends")),
        fanout=None, breakpoint=None, auth=[], subscriptions=None, slow_readers=None, steps=[], roles=[],
        sequence=None, target=None, failures=[], stages=[], events=[], histograms={}, timeline=inside,
    )  # fmt: skip


def active_rows(result: Result) -> list[dict[str, Any]]:
    """Return the rows in which load was made: no pauses, no cooldown, and not the draining at the end."""
    return [
        row
        for row in result.timeline
        if not row.get("paused") and not str(row.get("stage", "")).startswith(("cooldown", "drain"))
    ]


def column(rows: list[dict[str, Any]], name: str) -> list[float]:
    """Return the values of a column without those that were not measured."""
    return [float(row[name]) for row in rows if row.get(name) is not None]
