"""The result of a run: what `--json` writes, reports read and the Python API returns. Names do not change."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from wstui.execution.run.result_sections import (
    AuthOutcome,
    RouteSummary,
    SlowReadersResult,
    Subscriptions,
    TargetSummary,
)
from wstui.measure.fanout import ClockOffset, FanOut
from wstui.measure.histogram import Distribution

SCHEMA = "wstui.result/1"
NS_PER_MS = 1e6
RUNNING = "run in progress: partial results"


class Latency(msgspec.Struct, frozen=True):
    """A distribution of durations in milliseconds; every figure but `count` is None when nothing was measured."""

    count: int = 0
    mean: float | None = None
    min: float | None = None
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    p999: float | None = None
    max: float | None = None

    @classmethod
    def of(cls, histogram: Distribution) -> Latency:
        """Summarize a distribution of nanoseconds."""
        mean = histogram.mean()
        if mean is None:
            return cls()
        quantiles = histogram.quantiles((0.5, 0.9, 0.95, 0.99, 0.999))
        p50, p90, p95, p99, p999 = (None if q is None else q / NS_PER_MS for q in quantiles)
        low, high = histogram.low / NS_PER_MS, histogram.high / NS_PER_MS
        return cls(histogram.count, mean / NS_PER_MS, low, p50, p90, p95, p99, p999, high)


class LatencySet(msgspec.Struct, frozen=True):
    """Response time counts from the intended send, round trip from the actual write, connect until ready.

    Reconnect is from the drop of a ready client until it is ready again, delays and failed attempts included.
    """

    response: Latency = Latency()
    round_trip: Latency = Latency()
    connect: Latency = Latency()
    reconnect: Latency = Latency()


class Connections(msgspec.Struct, frozen=True):
    """attempted = ready + refused + timed_out + failed + drained; dropped are ready ones ended by the other side.

    `per_second` is how many became ready a second, over the stages that add clients.
    """

    attempted: int = 0
    ready: int = 0
    refused: int = 0
    timed_out: int = 0
    failed: int = 0
    drained: int = 0
    dropped: int = 0
    success_rate: float | None = None
    per_second: float | None = None
    rate_limited: int = 0  # refused with HTTP 429
    reconnects: int = 0  # dropped clients that became ready again; their attempts are among all above
    reconnect_attempts: int = 0
    reconnects_given_up: int = 0  # clients that tried as often as they may, in vain
    reconnects_missing: int = 0  # clients that were still away when the load ended, after an attempt in vain
    unreached: int = 0  # planned clients that had not begun to connect, or were still at it, when the load ended
    pings: int = 0  # keepalive pings, target.ping_every; no messages, and in no latency
    pongs: int = 0  # what answered them


class Messages(msgspec.Struct, frozen=True):
    """Counts over the run; rates per second of active (not paused) time, without cooldowns.

    sent = one_way + answered in time (the count of the round trips) + timed_out + abandoned. Abandoned is what was in
    flight when its connection ended: dropped by the other side, or by us in an abort or a drain that had waited long
    enough, or lost with its worker (as far as that had told).
    """

    sent: int = 0
    received: int = 0
    sent_per_second: float | None = None
    received_per_second: float | None = None
    timed_out: int = 0
    unmatched: int = 0
    late: int = 0
    duplicates: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    by_type: dict[str, int] = {}
    broken_expectations: int = 0  # replies that came and were not as they should be
    bytes_sent_inflated: int = 0  # what bytes_sent and bytes_received would have been without compression
    bytes_received_inflated: int = 0
    abandoned: int = 0
    no_reply_expected: int = 0  # sent, and no reply was wanted
    altered: int = 0  # of the unmatched: replies that were not what was sent
    invalid_texts: int = 0  # text messages that were not UTF-8


class Delivery(Latency, frozen=True):
    """Time from the server's timestamp to our receipt, corrected by the clock offset (target minus ours).

    The true offset lies within ± `uncertainty_ms` of `offset_ms`; both are None where no reply had a timestamp, and
    then the clocks are taken as equal. Where several machines made the load each corrects by its own offset, and
    these are those of the least certain one.
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
    """Broadcasts: how completely (receivers ÷ clients open throughout, 0…1), how often twice, how far apart.

    `spread_ms` is the distance of each receipt from the first one: anywhere where `spread_within` is "run", on the
    same machine where it is "host", since several machines made the load and their clocks are not compared. `late` are
    receipts that came after the window in which a message is followed.
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
        """The summary of what was seen; None when nothing was broadcast."""
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


class FailureSample(msgspec.Struct, frozen=True):
    """One occurrence of a failure."""

    at_s: float
    client: int
    detail: str


class FailureSummary(msgspec.Struct, frozen=True):
    """All failures of one kind, message and outcome; `local` ones are this generator's own.

    `outcome` is the count that they are in: "refused", "timed_out", "failed", "dropped", "unanswered" or "unexpected";
    "" where none is known.
    """

    kind: str
    message: str
    count: int
    first_s: float
    last_s: float
    local: bool = False
    samples: list[FailureSample] = []
    outcome: str = ""


class HostSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One of several machines that made the load, and what its workers did.

    `clients_max`, `cpu_max` (share of a core) and `loop_lag_max_ms` are those of its workers at their worst moment, the
    clients added up. `round_trip_ms` is that of the last command, `clock_offset_ms` ± `clock_uncertainty_ms` how far
    its monotonic clock was ahead of the operator's: no figure rests on that. `lost` says why it was lost, "" when not.
    """

    name: str
    workers: int
    workers_lost: int = 0
    ready: int = 0
    sent: int = 0
    received: int = 0
    clients_max: int = 0
    cpu_max: float | None = None
    loop_lag_max_ms: float | None = None
    round_trip_ms: float | None = None
    clock_offset_ms: float | None = None
    clock_uncertainty_ms: float | None = None
    python: str = ""
    lost: str = ""


class GeneratorSummary(msgspec.Struct, frozen=True):
    """How the generator fared; `cpu` is the mean of the busiest worker (share of a core).

    `hosts` are the machines that made the load, none where it was the operator's; `snapshots_missed` the reports of
    workers that never came, for which the next ones made up. `other_programs` is how many processors of this machine
    other programs took meanwhile, None where the generator was not the limit or they took little.
    """

    workers: int = 0
    workers_lost: int = 0
    cpu: float | None = None
    cpu_max: float | None = None
    loop_lag_ms: Latency = Latency()
    send_delay_ms: Latency = Latency()
    late_sends: int = 0
    open_files: int = 0
    limited_by: list[str] = []
    hosts: list[HostSummary] = []
    snapshots_missed: int = 0
    other_programs: float | None = None


class StageSummary(msgspec.Struct, frozen=True):
    """One stage by itself."""

    name: str
    started_s: float
    ended_s: float
    connections: Connections
    messages: Messages
    latency_ms: LatencySet


class Event(msgspec.Struct, frozen=True):
    """A mark on the timeline."""

    at_s: float
    kind: str
    text: str


class ThresholdOutcome(msgspec.Struct, frozen=True):
    """A threshold against its figure.

    `value` is in the unit of the limit (ms, %, /s or a plain number), None when nothing was measured.
    `passed` is None while nothing can be said yet, and where no load was made. `used` (≥ 0) is how much of the limit
    is used up: 1 at the limit. `default`: the scenario has no thresholds, and this is one of those that apply then.
    """

    metric: str
    limit: str
    value: float | None
    passed: bool | None
    stage: str = ""
    unit: str = ""
    used: float | None = None
    default: bool = False


class Verdict(msgspec.Struct, frozen=True):
    """Whether every threshold was kept, and in words why or why not.

    `generator_lost`: every worker was lost, so that the run did not come to its end. It is not passed, whatever
    its thresholds say of the part that was. `unreachable`: no client became ready, because the target refused, failed
    or did not answer. `no_load`: no client was started or could become ready for another reason, or none sent what it
    should have sent: nothing is said of the target.
    """

    passed: bool
    reason: str
    generator_limited: bool = False
    aborted: bool = False
    unreachable: bool = False
    thresholds: list[ThresholdOutcome] = []
    running: bool = False  # the run goes on: there is no verdict yet
    generator_lost: bool = False
    no_load: bool = False


class BreakpointStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the search for a limit: connections over all of it, latency and rates while it was measured.

    `load` was asked for, `reached` was there, in the unit of the search. `held` is None where the generator was the
    limit, so that nothing can be said of the target. `why` says in words what broke, or what the generator lacked.
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
    messages: Messages
    latency_ms: LatencySet
    unanswered: int = 0
    cpu: float | None = None
    late_sends: int = 0
    thresholds: list[ThresholdOutcome] = []


class BreakpointSummary(msgspec.Struct, frozen=True, kw_only=True):
    """How much the target carries: `low` is the largest load that held, `high` the smallest that broke.

    Each may be None. `confirmed_low` is the largest that held and at or below which nothing ever broke, so
    that the limit lies between it and `high`. `broken_on` is the metric that broke at `high`, or "load" when it was not
    reached. `limited_by` says what of this generator ended the search. `steps` are in the order in which they were
    tried; put in the order of their loads they are the curve of latency against load.
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
    """Everything that is kept of a run.

    `histograms` are whole distributions in HdrHistogram's encoding (`wstui.measure.hdr`), without which two runs
    could not be compared fairly: "response", "round_trip", "connect", and of one stage "response@hold".
    """

    schema: str = SCHEMA
    scenario: dict[str, Any]
    started: str
    finished: str
    duration_s: float
    paused_s: float = 0.0
    verdict: Verdict
    connections: Connections
    messages: Messages
    latency_ms: LatencySet
    fanout: FanOutSummary | None = None
    breakpoint: BreakpointSummary | None = None
    auth: list[AuthOutcome] = []
    subscriptions: Subscriptions | None = None
    slow_readers: SlowReadersResult | None = None
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
        """Whether the verdict is good."""
        return self.verdict.passed

    def to_json(self, *, indent: int = 2) -> str:
        """The result as JSON text; a value that does not exist is null, never NaN or Infinity."""
        raw = msgspec.json.encode(self)
        return (msgspec.json.format(raw, indent=indent) if indent else raw).decode()


NOT_STARTED = Result(
    scenario={},
    started="",
    finished="",
    duration_s=0.0,
    verdict=Verdict(passed=False, reason=RUNNING, running=True),
    connections=Connections(),
    messages=Messages(),
    latency_ms=LatencySet(),
    generator=GeneratorSummary(),
)
"""The result of a run that has not started."""


def stamp(moment: datetime | None = None) -> str:
    """Return a moment (now by default) as ISO 8601 with offset and milliseconds."""
    return (moment or datetime.now().astimezone()).isoformat(timespec="milliseconds")


class SuiteResult(msgspec.Struct, frozen=True, kw_only=True):
    """The results of several runs in sequence; passed when each of them is.

    Of a suite that was resumed, `runs` holds the results of an earlier time first, and `skipped` names the members
    that have none: nothing is said of them.
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
        """Whether every run passed."""
        return self.verdict.passed

    def to_json(self, *, indent: int = 2) -> str:
        """The combined result as JSON text."""
        raw = msgspec.json.encode(self)
        return (msgspec.json.format(raw, indent=indent) if indent else raw).decode()
