"""Findings over many made-up runs: none where all is well, however noisy; the one fault that was put in elsewhere."""

from __future__ import annotations

import random
import re
from typing import Any

import msgspec
import pytest

from tests.report.example import good
from tests.report.made_up import scenario
from wstui.execution.run.machine_sections import GeneratorSummary
from wstui.execution.run.result import Result
from wstui.execution.run.result_sections import (
    Connections,
    Event,
    FailureSample,
    FailureSummary,
    StageSummary,
    ThresholdOutcome,
    Traffic,
    Verdict,
)
from wstui.measure import format
from wstui.report.analysis.diagnosis import findings

SEEDS = range(40)


def sound(source: random.Random) -> Result:
    """A run of any size in which nothing is wrong: noisy latency, now and then a spike, connects as planned."""
    clients = source.choice([20, 100, 1000, 5000])
    ramp_s, hold_s = source.randint(3, 60), source.randint(20, 120)
    median_ms = source.choice([0.2, 1.0, 5.0, 20.0])
    limit_ms = median_ms * 40
    rows: list[dict[str, Any]] = []
    for second in range(1, ramp_s + hold_s + 1):
        spike = source.choice([2.0, 5.0, 10.0]) if source.random() < 0.04 else 1.0
        p50 = median_ms * source.lognormvariate(0, 0.25)
        wanted = min(clients, clients * second // ramp_s)
        rows.append(
            {
                "at_s": float(second),
                "stage": "ramp" if second <= ramp_s else "hold",
                "wanted": wanted,
                "open": wanted,
                "attempted_per_s": clients / ramp_s if second <= ramp_s else 0.0,
                "ready_per_s": clients / ramp_s if second <= ramp_s else 0.0,
                "response_p50_ms": p50,
                "response_p99_ms": p50 * 3 * spike,
                "paused": False,
            }
        )
    base = good()
    in_ramp = Connections(attempted=clients, ready=clients, success_rate=1.0)
    stages = [
        StageSummary("ramp", 0.0, float(ramp_s), in_ramp, Traffic(), base.latency_ms),
        StageSummary("hold", float(ramp_s), float(ramp_s + hold_s), Connections(), Traffic(), base.latency_ms),
    ]
    outcome = ThresholdOutcome("response.p99", f"< {limit_ms:g}ms", median_ms * 4, True, unit="ms", used=0.1)
    return msgspec.structs.replace(
        base,
        scenario=scenario("random", clients, ramp_s, hold_s).model_dump(mode="json"),
        duration_s=float(ramp_s + hold_s),
        verdict=Verdict(passed=True, reason="the threshold was kept", thresholds=[outcome]),
        connections=in_ramp,
        messages=Traffic(sent=clients * hold_s, received=clients * hold_s),
        stages=stages,
        timeline=rows,
    )


def failing(run: Result, source: random.Random, kind: str, message: str, share: float = 0.2) -> FailureSummary:
    """A kind of failure that begins somewhere in the run and hits some of the clients."""
    began = source.uniform(1, run.duration_s / 2)
    count = max(1, int(run.connections.attempted * share))
    return FailureSummary(kind, message, count, began, run.duration_s - 1, samples=[FailureSample(began, 3, "")])


def refused(run: Result, source: random.Random, kind: str, message: str) -> Result:
    failure = failing(run, source, kind, message)
    seen = run.connections
    return msgspec.structs.replace(
        run,
        failures=[failure],
        connections=Connections(seen.attempted, seen.attempted - failure.count, failure.count),
    )


def full(run: Result, source: random.Random) -> Result:
    return refused(run, source, "http 503", "Service Unavailable")


def rationed(run: Result, source: random.Random) -> Result:
    return refused(run, source, "http 429", "Too Many Requests")


def dropping(run: Result, source: random.Random) -> Result:
    failure = failing(run, source, "close 1011", "out of memory", 0.1)
    seen = msgspec.structs.replace(run.connections, dropped=failure.count)
    return msgspec.structs.replace(run, failures=[failure], connections=seen)


def resetting(run: Result, source: random.Random) -> Result:
    failure = failing(run, source, "reset", "connection reset by peer")
    seen = run.connections
    return msgspec.structs.replace(
        run,
        failures=[failure],
        connections=Connections(seen.attempted, seen.attempted - failure.count, failed=failure.count),
    )


def silent(run: Result, source: random.Random) -> Result:
    failure = failing(run, source, "timeout", "no reply within 10 s")
    seen = msgspec.structs.replace(run.messages, timed_out=failure.count)
    return msgspec.structs.replace(run, failures=[failure], messages=seen)


def limited(run: Result, source: random.Random) -> Result:
    at_s = source.uniform(1, run.duration_s)
    reason = f"CPU of worker 1 at {source.randint(90, 100)} %"
    slow = slowing(run, source)
    return msgspec.structs.replace(
        slow,
        generator=GeneratorSummary(workers=1, limited_by=[reason]),
        events=[Event(at_s, "generator", reason)],
    )


def slowing(run: Result, source: random.Random) -> Result:
    """Latency leaves its level for good at some second after the first third."""
    began = source.randint(int(run.duration_s * 0.4), int(run.duration_s * 0.7))
    rows = []
    for row in run.timeline:
        factor = 1 + max(0.0, float(row["at_s"]) - began) * 1.5
        rows.append({**row, "response_p99_ms": float(row["response_p99_ms"]) * factor})
    worst = max(float(row["response_p99_ms"]) for row in rows)
    (outcome,) = run.verdict.thresholds
    broken = msgspec.structs.replace(outcome, value=worst, passed=False)
    return msgspec.structs.replace(
        run, timeline=rows, verdict=Verdict(passed=False, reason="", thresholds=[broken]), started=f"knee {began}"
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_found_in_a_sound_run(seed: int) -> None:
    assert findings(sound(random.Random(seed))) == []


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (full, "refusals"),
        (rationed, "rate limit"),
        (dropping, "drops"),
        (resetting, "network"),
        (silent, "no replies"),
        (limited, "generator"),
        (slowing, "latency"),
    ],
)
def test_the_fault_that_was_put_in_is_found_and_no_other(fault: Any, cause: str) -> None:
    for seed in SEEDS:
        source = random.Random(seed)
        run = fault(sound(source), source)
        found = findings(run)
        assert [finding.cause for finding in found] == [cause], (seed, found)
        (finding,) = found
        assert re.search(r"\d", finding.evidence) and finding.next_step, "never without a figure"
        assert finding.began_s is not None and 0 <= finding.began_s <= run.duration_s
        assert finding.stages and set(finding.stages) <= {"ramp", "hold"}
        if fault is slowing:
            assert abs(finding.began_s - int(run.started.split()[1])) <= 4, "when it began"
        if run.failures:
            assert finding.began_s == run.failures[0].first_s
            assert format.count(run.failures[0].count) in finding.evidence
