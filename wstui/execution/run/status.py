"""The status of a run: an immutable snapshot for observers, published several times a second.

Observers (screens, headless output, the store) poll `RunView.status`; neither side waits for the other. They follow
`rows` and `marks` by position, with `new_since`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from wstui.execution.run.result import NOT_STARTED, BreakpointStep, Result
from wstui.execution.run.result_sections import ThresholdOutcome
from wstui.execution.run.state import State
from wstui.load.protocol import TraceLine
from wstui.measure.format import grouped
from wstui.measure.histogram import Distribution
from wstui.measure.snapshot import Counters
from wstui.measure.timeline import Mark, TimelineRow
from wstui.scenario.model import Scenario


@dataclass(frozen=True, slots=True)
class StageStatus:
    """A stage of the plan: planned and elapsed seconds of the plan's clock, which stops in a pause."""

    name: str
    planned_s: float
    elapsed_s: float = 0.0
    clients: int = 0  # clients wanted at its end
    done: bool = False
    current: bool = False


@dataclass(frozen=True, slots=True)
class RampEvent:
    """A linear ramp from `origin` to `to` clients over `over_s` s, from `at_s` of the plan's clock in stage `stage`.

    `every_s` is the send interval of a client from then on; None: unchanged.
    """

    at_s: float
    stage: int
    origin: int
    to: int
    over_s: float
    by_operator: bool = False
    every_s: float | None = None


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """A worker: CPU (share of a core), loop lag, clients, and the age of its last message."""

    number: int
    alive: bool
    clients: int = 0
    cpu: float = 0.0
    loop_lag_ms: float = 0.0
    age_s: float = 0.0


@dataclass(frozen=True, slots=True)
class HostStatus:
    """One of several hosts that make load.

    `mark` is "ok", "slow" (answers or loops late), "stale" (silent for 1 s) or "lost" (its command has ended, or it was
    given up); `why` gives the reason of a loss. `cpu` is its busiest worker's share of a core,
    `age_s` the age of its quietest worker's last message, `round_trip_ms` that of the last command.
    """

    name: str
    mark: str
    workers: int = 0
    workers_lost: int = 0
    clients: int = 0
    cpu: float = 0.0
    loop_lag_ms: float = 0.0
    age_s: float = 0.0
    round_trip_ms: float | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class GeneratorStatus:
    """The load generator: `cpu` is the busiest worker's share of a core; an unknown limit is 0.

    `hosts` is empty if this machine makes the load. `unreplaced_workers` counts lost workers without a replacement,
    `left_behind_clients` their clients.
    """

    workers: tuple[WorkerStatus, ...] = ()
    cpu: float = 0.0
    loop_lag_ms: float = 0.0
    files: int = 0
    files_limit: int = 0
    ports: int = 0
    ports_limit: int = 0
    late_sends: int = 0
    late_share: float = 0.0
    limited_by: tuple[str, ...] = ()
    hosts: tuple[HostStatus, ...] = ()
    unreplaced_workers: int = 0
    left_behind_clients: int = 0


@dataclass(frozen=True, slots=True)
class ReportedMetric:
    """A figure reported by the target: `share` (0…1) draws a bar, `sign` is "", "ok", "near" or "bad"."""

    name: str
    text: str
    share: float | None = None
    sign: str = ""


@dataclass(frozen=True, slots=True)
class TargetHealth:
    """What the target's endpoints report: state is "healthy", "degraded", "unhealthy", "unknown" (`note` quotes it)
    or "not offered".
    """

    state: str
    claims: tuple[ReportedMetric, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class SuiteStatus:
    """A suite's progress: names in order, index of the current run, verdicts so far, and the suite's name."""

    names: tuple[str, ...]
    index: int
    passed: tuple[bool | None, ...]
    cooldown_s: float = 0.0
    cooldown_left_s: float = 0.0
    name: str = ""


@dataclass(frozen=True, slots=True)
class BreakpointStatus:
    """A search's progress: the current load, the largest that held, and the smallest that broke.

    `doing` is "connect", "ramp", "settle", "measure", "rest" or "recover"; `low` and `high` are as in
    BreakpointSummary; `broken_on` is the metric that broke at `high`.
    """

    of: str
    unit: str
    load: int = 0
    doing: str = ""
    low: int | None = None
    high: int | None = None
    broken_on: str = ""
    steps: tuple[BreakpointStep, ...] = ()


@dataclass(frozen=True, slots=True)
class Status:
    """A run at one moment. Seconds are since its start.

    `result` is built once a second; while `result.verdict.running`, its timeline, events and distributions are in
    `rows`, `marks` and `histograms`. `counters` and `generator` are live.
    """

    state: State
    scenario: Scenario
    url: str  # secrets masked
    host: str
    started: datetime | None = None
    elapsed_s: float = 0.0
    plan_s: float = 0.0
    plan_total_s: float = 0.0
    stages: tuple[StageStatus, ...] = ()
    target_clients: int = 0  # of the current ramp
    every_s: float = 0.0  # current interval between sends of a client; 0 = closed loop
    turns: tuple[RampEvent, ...] = ()  # ramps so far, of the plan and the operator
    counters: Counters = field(default_factory=Counters)
    spread: tuple[tuple[float | None, float], ...] = ()  # (upper bound in ms, None: open, share of all responses)
    histograms: Mapping[str, Distribution] = field(default_factory=dict)  # named as in Result
    rows: Sequence[TimelineRow] = ()
    marks: Sequence[Mark] = ()
    generator: GeneratorStatus = field(default_factory=GeneratorStatus)
    target: TargetHealth | None = None
    suite: SuiteStatus | None = None
    breakpoint: BreakpointStatus | None = None  # None: the run follows its stages
    note: str = ""  # why it ended, or what it is waiting for
    result: Result = NOT_STARTED
    watched: Sequence[TraceLine] = ()  # what the watched clients did last

    @property
    def thresholds(self) -> list[ThresholdOutcome]:
        return self.result.verdict.thresholds

    @property
    def awaited(self) -> str:
        """Return what a drain still waits for, as "waiting for 3 connects, 12 replies", or ""."""
        under_way = ((self.counters.opening, "connect", "connects"), (self.counters.in_flight, "reply", "replies"))
        parts = [f"{grouped(n)} {one if n == 1 else many}" for n, one, many in under_way if n > 0]
        return f"waiting for {', '.join(parts)}" if self.state is State.DRAINING and parts else ""


class RunView(Protocol):
    """A run or a suite that can be observed."""

    @property
    def status(self) -> Status: ...
