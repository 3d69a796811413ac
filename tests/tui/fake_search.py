"""A made-up search for the limit: how much a target carries before the response times break."""

from __future__ import annotations

import msgspec

from tests.tui import fake
from wstui.execution.run.result import BreakpointStep, BreakpointSummary, Result
from wstui.execution.run.result_sections import Connections, Latency, LatencySet, ThresholdOutcome, Traffic, Verdict
from wstui.execution.run.status import BreakpointStatus, StageStatus, Status
from wstui.measure.format import count
from wstui.measure.timeline import Mark
from wstui.scenario.breakpoint import Breakpoint
from wstui.scenario.model import Messages as Saying
from wstui.scenario.model import Scenario, Target, Threshold


def _step(load: int, held: bool | None, p50: float, p95: float, p99: float, at_s: float) -> BreakpointStep:
    broken = p99 >= 250
    return BreakpointStep(
        load=load, held=held, reached=load - 0.4, started_s=at_s, ended_s=at_s + 30, clients=load,
        why=f"response.p99 was {p99:.0f} ms (limit < 250 ms)" if broken else "", broken_on="response.p99" * broken,
        connections=Connections(load, load, success_rate=1.0, per_second=100.0),
        messages=Traffic(load * 20, load * 20, load / 5, load / 5),
        latency_ms=LatencySet(Latency(load * 20, p50 * 1.2, 0.4, p50, p95 * 0.8, p95, p99, p99 * 1.4, p99 * 2)),
        cpu=0.2 + load / 12_000,
        thresholds=[ThresholdOutcome("response.p99", "< 250ms", p99, not broken, unit="ms", used=p99 / 250)],
    )  # fmt: skip


STEPS = (
    _step(500, True, 4.1, 9.0, 14.0, 0),
    _step(1000, True, 4.3, 9.9, 18.0, 30),
    _step(2000, True, 5.2, 14.0, 31.0, 60),
    _step(4000, False, 42.0, 190.0, 388.0, 90),
    _step(3000, True, 8.8, 34.0, 92.0, 150),
    _step(3500, False, 21.0, 120.0, 266.0, 180),
    _step(3500, False, 22.0, 131.0, 271.0, 240),
    _step(3250, True, 11.0, 58.0, 148.0, 290),
)

SEARCHING = Scenario(
    name="breakpoint",
    target=Target(url="wss://edge-1.stage.example:8443/ws"),
    messages=Saying(exchange="odin", every=5),
    thresholds=[Threshold(metric="response.p99", limit="< 250ms")],
    breakpoint=Breakpoint(of="clients", start=500, most=20_000),
)


def searching(steps: int = 7) -> Status:
    """A search for the limit, after so many steps."""
    tried = STEPS[:steps]
    held = [step.load for step in tried if step.held]
    broke = [step.load for step in tried if step.held is False]
    load = STEPS[steps].load if steps < len(STEPS) else 0
    return fake.status(
        scenario=SEARCHING, every_s=5.0, target_clients=load, plan_total_s=520.0, spread=fake.SPREAD,
        stages=(StageStatus("ramp", 10, 10, done=True), StageStatus("settle", 5, 5, done=True),
                StageStatus("measure", 15, 6, current=True)),
        marks=tuple(
            Mark(s.started_s + 1, "stage", f"step {n}: {count(s.load)} clients") for n, s in enumerate(tried, 1)
        ),
        thresholds=tuple(tried[-1].thresholds) if tried else (),
        breakpoint=BreakpointStatus("clients", "clients", load, "measure", max(held, default=None),
                                    min(broke, default=None), "response.p99" if broke else "", tried),
    )  # fmt: skip


def found() -> Result:
    """What a search leaves behind."""
    sentence = "holds 3 250 clients, breaks at 3 500: response.p99 was 271 ms (limit < 250 ms)"
    return msgspec.structs.replace(
        fake.result(name="breakpoint"),
        verdict=Verdict(True, sentence, thresholds=list(STEPS[-1].thresholds)),
        breakpoint=BreakpointSummary(of="clients", unit="clients", low=3250, high=3500, broken_on="response.p99",
                                     sentence=sentence, steps=list(STEPS)),
    )  # fmt: skip
