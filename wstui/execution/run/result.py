"""The result of a run: written by `--json`, read by reports, returned by the Python API. Names are stable."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from wstui.execution.run.machine_sections import GeneratorSummary, RouteSummary, TargetSummary
from wstui.execution.run.result_sections import (
    NS_PER_MS,
    AuthOutcome,
    Connections,
    Event,
    FailureSummary,
    Latency,
    LatencySet,
    SlowReadersResult,
    StageSummary,
    Subscriptions,
    ThresholdOutcome,
    Traffic,
    Verdict,
)
from wstui.execution.run.role_sections import LoginSummary, RoleSummary, SequenceSummary, StepSummary
from wstui.measure.fanout import ClockOffset, FanOut

SCHEMA = "wstui.result/1"
RUNNING = "run in progress: partial results"


class Delivery(Latency, frozen=True):
    """Time from the server's timestamp to our receipt, corrected by the clock offset (target minus ours).

    The true offset lies within ± `uncertainty_ms` of `offset_ms`; both are None if no reply had a timestamp, and the
    clocks count as equal. Several hosts each use their own offset; these are those of the least certain one.
    """

    offset_ms: float | None = None
    uncertainty_ms: float | None = None


class FanOutType(msgspec.Struct, frozen=True):
    """The fan-out of one message type."""

    messages: int = 0
    completeness: float | None = None
    duplicates: int = 0
    spread_ms: Latency = Latency()


class FanOutSummary(msgspec.Struct, frozen=True):
    """Broadcasts: completeness (receivers ÷ clients open throughout, 0…1), duplicates, and spread.

    `spread_ms` is the distance of each receipt from the first one: of the run if `spread_within` is "run", on the same
    host if it is "host", since clocks of several hosts are not compared. `late` counts receipts after the window in
    which a message is followed.
    """

    messages: int = 0
    completeness: float | None = None
    duplicates: int = 0
    late: int = 0
    spread_ms: Latency = Latency()
    delivery_ms: Delivery = Delivery()
    by_type: dict[str, FanOutType] = {}
    spread_within: str = "run"

    @classmethod
    def of(cls, fanout: FanOut, late: int) -> FanOutSummary | None:
        """Return the summary, or None without broadcasts."""
        if not fanout.messages:
            return None
        known = [clock for clock in fanout.clocks if clock.uncertainty_ns is not None]
        worst = max(known, key=lambda clock: clock.uncertainty_ns or 0.0, default=ClockOffset())
        offset, uncertainty = worst.offset_ns, worst.uncertainty_ns
        return cls(
            fanout.messages,
            fanout.completeness,
            fanout.duplicates,
            late,
            Latency.of(fanout.spread),
            Delivery(
                **msgspec.structs.asdict(Latency.of(fanout.delivery)),
                offset_ms=None if offset is None else offset / NS_PER_MS,
                uncertainty_ms=None if uncertainty is None else uncertainty / NS_PER_MS,
            ),
            {
                name: FanOutType(seen.messages, seen.completeness, seen.duplicates, Latency.of(seen.spread))
                for name, seen in sorted(fanout.types.items(), key=lambda item: -item[1].messages)
            },
            "host" if fanout.several_hosts else "run",
        )


class BreakpointStep(msgspec.Struct, frozen=True, kw_only=True):
    """A step of the search: connections of the whole step, latency and rates of its measured part.

    `load` was requested and `reached` achieved, in the unit of the search. `held` is None if the generator was the
    limit, which proves nothing about the target. `why` says what broke, or what the generator lacked.
    """

    load: int
    held: bool | None
    reached: float
    started_s: float
    ended_s: float
    why: str = ""
    broken_on: str = ""
    clients: int = 0
    connections: Connections
    messages: Traffic
    latency_ms: LatencySet
    unanswered: int = 0
    cpu: float | None = None
    late_sends: int = 0
    thresholds: list[ThresholdOutcome] = []


class BreakpointSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The limit of the target: `low` is the largest load that held, `high` the smallest that broke; each may be None.

    `confirmed_low` is the largest load that held without a break at or below it: the limit lies between it and `high`.
    `broken_on` is the metric that broke at `high`, or "load" if that was not reached. `limited_by` says how this
    generator ended the search. `steps` are in the order tried; sorted by load they give latency against load.
    """

    of: str
    unit: str
    low: int | None = None
    high: int | None = None
    confirmed_low: int | None = None
    broken_on: str = ""
    sentence: str = ""
    limited_by: list[str] = []
    steps: list[BreakpointStep] = []


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is stored about a run.

    `histograms` are whole distributions in HdrHistogram's encoding (`wstui.measure.histogram`), for fair comparisons:
    "response", "round_trip", "connect", and per stage such as "response@hold".
    """

    schema: str = SCHEMA
    scenario: dict[str, Any]
    started: str
    finished: str
    duration_s: float
    paused_s: float = 0.0
    clients_max: int = 0  # most clients that were wanted at once, as planned or as the operator steered
    verdict: Verdict
    connections: Connections
    messages: Traffic
    latency_ms: LatencySet
    fanout: FanOutSummary | None = None
    breakpoint: BreakpointSummary | None = None
    auth: list[AuthOutcome] = []
    subscriptions: Subscriptions | None = None
    slow_readers: SlowReadersResult | None = None
    steps: list[StepSummary] = []
    roles: list[RoleSummary] = []
    sequence: SequenceSummary | None = None
    login: LoginSummary | None = None
    target: TargetSummary | None = None
    route: RouteSummary | None = None
    failures: list[FailureSummary] = []
    generator: GeneratorSummary
    stages: list[StageSummary] = []
    events: list[Event] = []
    timeline: list[dict[str, Any]] = []
    histograms: dict[str, str] = {}

    @property
    def passed(self) -> bool:
        """Return whether every threshold was kept."""
        return self.verdict.passed

    def to_json(self, *, indent: int = 2) -> str:
        """Return the result as JSON; a missing value is null, never NaN or Infinity."""
        return _json(self, indent)


NOT_STARTED = Result(
    scenario={},
    started="",
    finished="",
    duration_s=0.0,
    verdict=Verdict(passed=False, reason=RUNNING, running=True),
    connections=Connections(),
    messages=Traffic(),
    latency_ms=LatencySet(),
    generator=GeneratorSummary(),
)
"""The result of a run that has not started."""


def stamp(moment: datetime | None = None) -> str:
    """Return a moment (now by default) as ISO 8601 with offset and milliseconds."""
    return (moment or datetime.now().astimezone()).isoformat(timespec="milliseconds")


class SuiteResult(msgspec.Struct, frozen=True, kw_only=True):
    """The results of several runs in sequence; passed if each of them passed.

    After a resume, `runs` starts with the earlier results, and `skipped` names the members without a result.
    """

    schema: str = "wstui.suite/1"
    name: str
    started: str
    finished: str
    verdict: Verdict
    runs: list[Result]
    skipped: list[str] = []

    @property
    def passed(self) -> bool:
        return self.verdict.passed

    def to_json(self, *, indent: int = 2) -> str:
        return _json(self, indent)


def _json(result: Result | SuiteResult, indent: int) -> str:
    raw = msgspec.json.encode(result)
    return (msgspec.json.format(raw, indent=indent) if indent else raw).decode()
