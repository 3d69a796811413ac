"""Made-up runs that are not well, and one that has everything at once that is hard to show."""

from __future__ import annotations

import math
from dataclasses import replace

from tests.tui import fake
from wstui.execution.run.result_sections import Latency, ThresholdOutcome
from wstui.execution.run.status import ReportedMetric, StageStatus, Status, TargetHealth
from wstui.measure.snapshot import Counters


def troubled() -> Status:
    """A limit is broken and another near, and the target says other things than the clients see."""
    outcomes = (
        ThresholdOutcome("response.p99", "< 250ms", 312.0, False, unit="ms", used=1.25),
        ThresholdOutcome("failures.rate", "< 1%", 0.93, True, unit="%", used=0.93),
        *fake.OUTCOMES[2:],
    )
    claims = (
        ReportedMetric("nats", "reconnecting", None, "bad"),
        ReportedMetric("sockets", "13 406 (ours 11 987)", None, "near"),
        ReportedMetric("cpu", "91 %", 0.91, "near"),
        ReportedMetric("memory", "3 112 MiB", None, "ok"),
        ReportedMetric("slow", "14 closed, 2 dropped", None, "near"),
    )
    note = "it counts 13 406 connections, 11 987 are open here"
    return fake.status(thresholds=outcomes, target=TargetHealth("degraded", claims, note))


def limited() -> Status:
    """The generator is the limit."""
    own = fake.status().generator
    return fake.status(
        generator=replace(
            own, cpu=0.99, loop_lag_ms=212.0, late_sends=48_211, late_share=0.01, limited_by=("cpu", "late sends")
        )
    )


REASONS = (
    "دعم غير متاح حاليا",
    "サーバーが混雑しています。しばらくしてから",
    "🚦 draining 🚧 try again 🙏",
    "e\u0301" * 30,
    "x" * 300,
)
"""Right to left, wide, beyond the first plane, stacked and endless."""

_METRICS = (
    "response.p99",
    "response.p50",
    "roundtrip.p99.9",
    "connect.success",
    "target.memory_growth",
    "messages.timed_out",
)


def extreme() -> Status:
    """Everything at once that is too long, too wide, too many, too small or too large."""
    groups = tuple(
        fake._group(f"close {4000 + n}", REASONS[n % 5], 10 ** (n % 8), n, 200 + n % 50, n, f"“{REASONS[(n + 1) % 5]}”")
        for n in range(200)
    )
    stages = tuple(StageStatus(f"step {n} of a long plan", 30.0, 30.0, n * 250, n < 21, n == 21) for n in range(40))
    outcomes = tuple(
        ThresholdOutcome(
            _METRICS[n % 6],
            "< 10800000ms" if n % 6 < 3 else ">= 99.9999%",
            1e-3 * 10 ** (n % 11),
            n % 4 != 3,
            unit="ms" if n % 6 < 3 else "%",
            used=(n % 12) / 10,
            stage="a stage with a long name" if n % 3 == 0 else "",
        )
        for n in range(30)
    )
    rows = tuple(
        replace(row, response_p50_ms=0.001, response_p95_ms=3.2, response_p99_ms=10_800_000.0) for row in fake.rows(240)
    )
    bounds, shares = (0.001, 1.0, 1000.0, 1e6, math.inf), (0.999_999, 0.0, 0.0, 0.0, 1e-6)
    longest = 10_800_000.0
    return fake.status(
        scenario=fake.SCENARIO.model_copy(update={"name": "a-preset-whose-name-says-all-that-can-be-said-of-it"}),
        url="wss://" + "very-long-name-of-a-machine." * 4 + "example:8443/a/path?token=***&" + "filter=eur,usd&" * 9,
        host="load-generator-07.rack-12.region-3.example",
        rows=rows,
        stages=stages,
        thresholds=outcomes,
        failures=groups,
        failures_total=sum(group.count for group in groups),
        failure_rate=0.999_999,
        target_clients=10_000_000,
        counters=Counters(wanted=10**7, open=0, attempted=10**7, failed=9_999_990, sent=10**13, received=10**13),
        latency=Latency(10**13, 3.2, 0.001, 0.001, 1.0, 3.2, longest, longest, longest),
        spread=tuple(zip(bounds, shares, strict=True)),
    )
