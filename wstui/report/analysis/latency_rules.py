"""Rules for growing response times: a knee under growing load, a slow decay under steady load, spikes, or all along."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from wstui.execution.run.result import Result
from wstui.execution.run.result_sections import ThresholdOutcome
from wstui.execution.run.verdict import threshold_words
from wstui.measure import format
from wstui.report.analysis.finding import Finding, stages_since
from wstui.report.model.intervals import active_rows
from wstui.report.model.labels import limit_ms

KNEE_RATIO = 3.0
"""Latency that has grown to this multiple of what it was at the start, and stayed there, has passed a knee."""
KNEE_LEAST_MS = 10.0
"""Growth below this is of no interest unless a limit was broken by it."""
KNEE_ONSET = 2.0
"""The knee is where latency last leaves this multiple of what it was at the start."""
_WINDOW = 5


def slow_responses(result: Result) -> Finding | None:
    """Return the finding about response times that grew or broke a limit; None when they did neither."""
    rows = [row for row in active_rows(result) if row.get("response_p99_ms") is not None]
    broken = [
        outcome
        for outcome in result.verdict.thresholds
        if outcome.passed is False and outcome.metric.startswith(("response.", "roundtrip."))
    ]
    knee = _knee([float(row["response_p99_ms"]) for row in rows], 0.0 if broken else KNEE_LEAST_MS)
    if knee is None:
        return _above_limit(result, rows, broken[0]) if broken else None
    began, before, after = knee
    at_s, clients = float(rows[began]["at_s"]), int(rows[began].get("open") or 0)
    growing = clients > 1.05 * max(int(row.get("open") or 0) for row in rows[max(began - 10, 0) : began] or rows[:1])
    still = not growing and len({row.get("wanted") for row in rows[max(began - 10, 0) : began + 1]}) == 1
    evidence = f"p99 per second from {format.milliseconds(before)} to {format.milliseconds(after)}"
    stages = stages_since(result, at_s)
    if still:
        return Finding(
            "latency",
            "Responses became slower while the load stood still.",
            f"{evidence}, at {format.count(clients)} clients throughout",
            "Look for what fills up or was started then: memory, a queue, a collection, a job",
            at_s,
            stages,
        )
    return Finding(
        "latency",
        "Responses became slower as the load grew: the server passed a knee.",
        f"{evidence}, from about {format.count(clients)} clients on",
        "Look at the server's CPU, locks and queues at that load: what it carries lies just below",
        at_s,
        stages,
    )


def _above_limit(result: Result, rows: Sequence[dict[str, Any]], outcome: ThresholdOutcome) -> Finding | None:
    """No turning point to be seen: was it slow all along, or now and then?"""
    limit = limit_ms(outcome)
    if outcome.value is None or limit is None or not rows:
        return None
    slow = [row for row in rows if float(row["response_p99_ms"]) > limit]
    evidence = f"{threshold_words(outcome)}; p99 per second was above that in {len(slow)} of {len(rows)} s"
    if len(slow) * 2 > len(rows):
        return Finding(
            "latency",
            "Responses were slower than the limit throughout, without a turning point.",
            evidence,
            "Look at the way to the server and at what it does for one message",
        )
    began = float(slow[0]["at_s"]) if slow else None
    return Finding(
        "latency",
        "Responses were slower than the limit now and then.",
        evidence,
        "Look for what the server does from time to time: collections, jobs, flushes",
        began,
        tuple(dict.fromkeys(str(row.get("stage", "")) for row in slow)),
    )


def _knee(p99: Sequence[float], least_ms: float) -> tuple[int, float, float] | None:
    """Return where a series leaves its first level for good: (index, level before, level after), or None.

    Levels are medians, so that single slow seconds count for nothing.
    """
    if len(p99) < 3 * _WINDOW:
        return None
    before = median(p99[: max(_WINDOW, len(p99) // 10)])
    smooth = [median(p99[max(i - _WINDOW + 1, 0) : i + 1]) for i in range(len(p99))]
    after = median(p99[-max(_WINDOW, len(p99) // 5) :])
    if after < KNEE_RATIO * before or after - before < least_ms:
        return None
    began = len(smooth)
    while began > 0 and smooth[began - 1] > KNEE_ONSET * before:
        began -= 1
    # The median over a window comes late: the first slow second is where the slow ones begin without a gap.
    while began > 0 and p99[began - 1] > KNEE_ONSET * before:
        began -= 1
    return (began, before, after) if 0 < began < len(smooth) else None
