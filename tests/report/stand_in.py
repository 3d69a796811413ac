"""A run that does nothing but show the pictures it is given: for those who watch runs."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import msgspec

from tests.report.made_up import histogram, scenario
from wstui.execution.run.machine_sections import GeneratorSummary
from wstui.execution.run.result import NOT_STARTED, Result, stamp
from wstui.execution.run.result_sections import (
    Connections,
    FailureSample,
    FailureSummary,
    Latency,
    LatencySet,
    StageSummary,
    ThresholdOutcome,
    Traffic,
)
from wstui.execution.run.state import State
from wstui.execution.run.status import GeneratorStatus, StageStatus, Status, SuiteStatus, WorkerStatus
from wstui.measure.histogram import Distribution
from wstui.measure.snapshot import Counters
from wstui.measure.timeline import Mark, TimelineRow
from wstui.scenario.model import Scenario
from wstui.scenario.secret_fields import mask_of, masked

STARTED = datetime(2025, 3, 1, 12, tzinfo=UTC)


def status(
    seconds: int,
    *,
    state: State = State.RUNNING,
    started: datetime | None = STARTED,
    result: Result | None = None,
    name: str = "quick",
    suite: SuiteStatus | None = None,
    token: str = "",
) -> Status:
    """The picture of a run of `quick` after so many seconds."""
    made = scenario(name)
    if token:
        auth = made.auth.model_copy(update={"kind": "token", "token": type(made.auth.token)(token)})
        made = made.model_copy(update={"auth": auth})
    response = histogram(1, 20 * seconds, 1.5)
    refused = mask_of(made)(f"refused {token}")  # as the fleet does where texts of the target enter
    return Status(
        state=state,
        scenario=made,
        url="ws://127.0.0.1:3001/ws?token=***",
        host="generator-1",
        started=started,
        elapsed_s=float(seconds),
        plan_s=float(seconds),
        plan_total_s=40.0,
        stages=(StageStatus("ramp", 10, min(seconds, 10), 100, done=seconds > 10, current=seconds <= 10),),
        target_clients=100,
        every_s=5.0,
        counters=Counters(
            wanted=100, open=90, attempted=100, ready=95, refused=5, sent=20 * seconds, received=20 * seconds
        ),
        rows=[
            TimelineRow(
                float(s),
                "ramp" if s <= 10 else "hold",
                wanted=100,
                open=90,
                attempted_per_s=10.0 if s <= 10 else 0.0,
                ready_per_s=9.5 if s <= 10 else 0.0,
                sent_per_s=20.0,
                received_per_s=20.0,
                response_p50_ms=1.5,
                response_p99_ms=3.5,
                cpu=0.2,
            )
            for s in range(1, seconds + 1)
        ],
        marks=[Mark(0.0, "start", "run started"), *([Mark(11.0, "stage", "hold")] if seconds > 10 else [])],
        generator=GeneratorStatus((WorkerStatus(0, True, 90, 0.2, 0.3, 0.1),), 0.2, 0.3, 100, 1024, 90, 28_000),
        suite=suite,
        result=result
        or partial(
            made,
            seconds,
            started,
            response,
            [FailureSummary("http 429", refused, 5, 0.0, 2.0, False, [FailureSample(0.0, 3, "token=***")])],
        ),
        histograms={"response": response, "response@ramp": response, "connect": response},
    )


def partial(
    made: Scenario, seconds: int, started: datetime | None, response: Distribution, failures: list[FailureSummary]
) -> Result:
    """The result of a run that goes on."""
    outcome = ThresholdOutcome("connect.success", ">= 100%", 95.0, False, unit="%", used=1.05)
    latency = LatencySet(Latency.of(response))
    ramp_s = min(seconds, 10)
    stages = [StageSummary("ramp", 0.0, float(ramp_s), Connections(100, 95, 5), Traffic(20 * ramp_s), latency)]
    if seconds > 10:
        hold = Traffic(20 * (seconds - 10))
        stages.append(StageSummary("hold", 10.0, float(seconds), Connections(), hold, latency))
    return msgspec.structs.replace(
        NOT_STARTED,
        scenario=masked(made),
        started=stamp(started) if started else "",
        finished=stamp(),
        duration_s=float(seconds),
        verdict=msgspec.structs.replace(NOT_STARTED.verdict, thresholds=[outcome]),
        connections=Connections(100, 95, 5, success_rate=0.95),
        messages=Traffic(20 * seconds, 20 * seconds, by_type={"pong": 20 * seconds}),
        latency_ms=latency,
        failures=failures,
        stages=stages,
        generator=GeneratorSummary(1, cpu=0.2, cpu_max=0.2),
    )


class StandIn:
    """Shows one picture after the other, and then the last one for ever. Nothing steers it."""

    def __init__(self, *pictures: Status) -> None:
        self._pictures = itertools.chain(pictures, itertools.repeat(pictures[-1]))
        self.shown = 0
        self.last = len(pictures)

    @property
    def status(self) -> Status:
        self.shown += 1
        return next(self._pictures)

    def ramp(self, to: int, over_s: float) -> None: ...

    def pace(self, every_s: float) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def skip(self) -> None: ...

    def drain(self) -> None: ...

    def redistribute(self) -> None: ...

    def abort(self) -> None: ...
