"""Every shipped preset fails against a target that has the defect it looks for: one that can't fail proves nothing."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.presets.against import PLACEHOLDERS, against, opened
from wstui.execution.run.result import Result
from wstui.measure.snapshot import Counters
from wstui.odin.demo_system import DemoTarget


@dataclass(frozen=True)
class Defect:
    """A preset, a target that has what it looks for, and the thresholds that must break: these and no others."""

    preset: str
    what: str
    broken: set[str]
    server: tuple[str, ...] = ()
    publisher: tuple[str, ...] = ()
    flags: dict[str, Any] = field(default_factory=dict)


def fault(text: str) -> tuple[str, ...]:
    return ("--fault", text)


LIVELY = ("--rate", "60", "--speed", "10")
DEFECTS = [
    Defect("quick", "drops clients", {"connections.dropped"}, fault("storm=40%/800ms")),
    Defect("medium", "drops clients", {"failures.rate"}, fault("storm=40%/800ms")),
    Defect("stress", "drops clients", {"failures.rate"}, fault("storm=40%/800ms")),
    Defect("auth", "looks at no token", {"auth.correct"}, ("--auth", "off")),
    Defect("auth", "lets in who brings none", {"auth.correct"}, ("--auth", "optional")),
    Defect("auth", "closes good clients", {"connections.dropped"}, fault("storm=40%/800ms")),
    Defect("flood", "has no limit", {"connections.rate_limited"}),
    Defect("flood", "drops who is in", {"connections.dropped"}, ("--connect-rate", "10", *fault("storm=40%/800ms"))),
    Defect("fanout", "loses deliveries", {"fanout.completeness"}, fault("drop=10%"), LIVELY),
    Defect("fanout", "delivers twice", {"fanout.duplicates"}, fault("duplicate=10%"), LIVELY),
    Defect("listen", "ends idle clients", {"connections.dropped"}, fault("storm=40%/800ms"), LIVELY),
    Defect("slow-reader", "keeps slow clients", {"slow_readers.closed"}, (), ("--rate", "100", "--size", "40000")),
    Defect("subscribe", "leaks messages", {"subscribe.leaks"}, fault("stray=10%"), LIVELY),
    Defect("subscribe", "acknowledges nothing", {"subscribe.acks"}, fault("delay=20s"), LIVELY, {"timeout": "500ms"}),
    Defect("soak", "leaks memory", {"target.memory_growth"}, fault("leak=300MiB/min"), LIVELY, {"hold": "2500ms"}),
]


def broken(result: Result) -> set[str]:
    return {outcome.metric for outcome in result.verdict.thresholds if not outcome.passed}


@pytest.fixture(autouse=True)
def _sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wstui.execution.run.target.monitor.STEADY_LEAST_S", 1.0)


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: f"{defect.preset}: {defect.what}")
async def test_a_preset_fails_on_the_defect_that_it_looks_for_and_on_nothing_else(defect: Defect) -> None:
    flags = {"clients": 20, "ramp": "300ms", "hold": "1500ms", **defect.flags}
    if defect.preset not in ("fanout", "listen"):  # those say nothing
        flags["every"] = "300ms"
    async with DemoTarget(None, defect.server, defect.publisher) as target:
        result = await against(target, defect.preset, **flags)
    seen = broken(result)
    if "connections.dropped" in defect.broken:  # a message may have been on its way to who was dropped
        seen.discard("messages.timed_out")
    assert seen == defect.broken and not result.passed, result.verdict.reason


@pytest.mark.parametrize("preset", ["quick", "medium", "stress"])
async def test_a_slow_answer_breaks_the_mean(preset: str) -> None:
    limits = opened(preset, PLACEHOLDERS, {}, widened=False).thresholds
    async with DemoTarget(None, fault("delay=100ms")) as target:
        result = await against(
            target, preset, widened=False, clients=20, ramp="300ms", hold="1s", every="300ms", timeout="10s"
        )
    assert len(limits) == 3 and broken(result) == {"response.mean"}, result.verdict.reason


async def test_reconnect_fails_where_who_was_dropped_cannot_come_back() -> None:
    async with DemoTarget() as target:

        def gone_for_good(seen: Counters) -> bool:
            if seen.open == 20 and target.processes["server"].running:
                os.kill(target.pids["server"], signal.SIGKILL)
            return seen.failed >= 20

        flags: dict[str, Any] = {"clients": 20, "ramp": "300ms", "hold": "40s", "every": "300ms"}
        result = await against(target, "reconnect", enough=gone_for_good, **flags)
    outcomes = {outcome.metric: (outcome.value, outcome.passed) for outcome in result.verdict.thresholds}
    assert outcomes["reconnect.success"] == (0.0, False), result.verdict.reason
    assert result.connections.dropped == 20 and result.connections.reconnects_missing > 0


async def test_reconnect_says_nothing_good_where_nobody_was_dropped() -> None:
    async with DemoTarget() as target:
        result = await against(target, "reconnect", clients=5, ramp="200ms", hold="500ms", every="300ms")
    assert broken(result) == {"reconnect.success", "reconnect.p95"}
    assert "never measured" in result.verdict.reason
