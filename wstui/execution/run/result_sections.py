"""The sections of a result: each is a frozen struct whose field names are those of the JSON."""

from __future__ import annotations

import msgspec

from wstui.measure.failure import group_key
from wstui.measure.histogram import Distribution
from wstui.measure.steps import StepData
from wstui.scenario.errors import BadValue
from wstui.scenario.model import Scenario
from wstui.scenario.route import route_of

NS_PER_MS = 1e6


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

    `per_second` is the rate of clients that became ready, over the stages that add clients.
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
    reconnects: int = 0  # dropped clients that became ready again; their attempts count above
    reconnect_attempts: int = 0
    reconnects_given_up: int = 0  # clients that used up their attempts
    reconnects_missing: int = 0  # clients still disconnected at the end of the load, after a failed attempt
    unreached: int = 0  # planned clients not connected, or still connecting, at the end of the load
    pings: int = 0  # keepalive pings (target.ping_every); neither messages nor in a latency
    pongs: int = 0  # their answers


class Traffic(msgspec.Struct, frozen=True):
    """Counts over the run; rates per second of active (not paused) time, without cooldowns.

    sent = no_reply_expected + answered in time (the count of the round trips) + timed_out + abandoned. Abandoned
    messages were in flight when their connection ended: dropped by the other side, closed by us in an abort or at the
    end of a drain, or lost with their worker (as far as it had reported).
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
    broken_expectations: int = 0  # replies that failed an expectation
    bytes_sent_inflated: int = 0  # the same without compression
    bytes_received_inflated: int = 0
    abandoned: int = 0
    no_reply_expected: int = 0  # sent without awaiting a reply
    altered: int = 0  # unmatched replies that differ from what was sent
    invalid_texts: int = 0  # text messages that were not UTF-8


class FailureSample(msgspec.Struct, frozen=True):
    """One occurrence of a failure."""

    at_s: float
    client: int
    detail: str


class FailureSummary(msgspec.Struct, frozen=True):
    """All failures of one kind, message and outcome; `local` ones are this generator's own.

    `outcome` names their counter: "refused", "timed_out", "failed", "dropped", "unanswered", "unexpected", or "".
    """

    kind: str
    message: str
    count: int
    first_s: float
    last_s: float
    local: bool = False
    samples: list[FailureSample] = []
    outcome: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """Return what identifies the group while it grows."""
        return group_key(self.kind, self.message, self.outcome)


class HostSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One of several hosts that made the load, and what its workers did.

    `cpu_max` (share of a core) and `loop_lag_max_ms` are the maxima of its workers, `clients_max` the sum of their
    maxima. `round_trip_ms` is that of the last command, `clock_offset_ms` ± `clock_uncertainty_ms` the lead of its
    monotonic clock, on which no figure depends. `lost` says why it was lost, or "".
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
    """The load generator; `cpu` is the mean of the busiest worker (share of a core).

    `hosts` is empty if the operator's machine made the load. `snapshots_missed` counts lost reports of workers; the
    next ones made up for them. `other_programs` is how many processors other programs used, None if the generator was
    not the limit or they used little.
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
    messages: Traffic
    latency_ms: LatencySet


class Event(msgspec.Struct, frozen=True):
    """A mark on the timeline."""

    at_s: float
    kind: str
    text: str


class ThresholdOutcome(msgspec.Struct, frozen=True):
    """A threshold and its figure.

    `value` is in the unit of the limit (ms, %, /s or a plain number), None if nothing was measured. `passed` is None
    while undecided, and if no load was made. `used` (≥ 0) is the used share of the limit: 1 at the limit.
    `default`: the scenario has no thresholds, so this default applies.
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
    """Whether every threshold was kept, and why or why not.

    `generator_lost`: all workers were lost and the run was cut short; it never passes. `unreachable`: no client became
    ready because the target refused, failed or did not answer. `no_load`: no client was started, became ready for
    another reason, or sent a planned message: the run proves nothing about the target.
    """

    passed: bool
    reason: str
    generator_limited: bool = False
    aborted: bool = False
    unreachable: bool = False
    thresholds: list[ThresholdOutcome] = []
    running: bool = False  # in progress, without a verdict yet
    generator_lost: bool = False
    no_load: bool = False


class TargetSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What the target reported at /health, /metrics and /stats, next to what clients saw.

    `state` is the last one; `troubled` counts polls that found it degraded, unhealthy or silent. The connections are
    from the poll under steady load with the largest difference; deliveries (broadcasts to clients) are counted from
    the first poll to the last. Memory growth is in MiB/h ± uncertainty (95 %) over the longest interval of steady
    load, `memory_steady_s` long; None below a minute. `differences` says where report and clients disagree.
    """

    state: str
    polls: int
    troubled: int = 0
    connections_claimed: float | None = None
    connections_open: int | None = None
    delivered_claimed: float | None = None
    delivered_received: int | None = None
    memory_first_mib: float | None = None
    memory_last_mib: float | None = None
    memory_growth_mib_per_hour: float | None = None
    differences: list[str] = []
    memory_growth_uncertainty: float | None = None
    memory_steady_s: float | None = None


class RouteSummary(msgspec.Struct, frozen=True, kw_only=True):
    """An indirect route to the target: through `proxy` (credentials masked), named by `proxy_from` (target.proxy or a
    variable), to `connect_to` instead of the URL's host, or over a `unix` socket.

    `addresses` counts connections by target address, if they are spread. `text` describes the route.
    """

    text: str
    proxy: str = ""
    proxy_from: str = ""
    connect_to: str = ""
    unix: str = ""
    addresses: dict[str, int] = {}

    @classmethod
    def of(cls, scenario: Scenario, addresses: dict[str, int] | None = None) -> RouteSummary | None:
        """Return the route of a scenario, or None if it is direct."""
        try:
            route = route_of(scenario)
        except BadValue:
            return None
        addresses = dict(sorted((addresses or {}).items()))
        spread = ", ".join(f"{address} × {count}" for address, count in addresses.items())
        text = ", ".join(filter(None, (route.shown, f"spread over {spread}" if spread else "")))
        if not text:
            return None
        proxy = route.proxy.shown if route.proxy is not None else ""
        return cls(
            text=text,
            proxy=proxy,
            proxy_from=route.source,
            connect_to=scenario.target.connect_to,
            unix=route.unix,
            addresses=addresses,
        )


class AuthOutcome(msgspec.Struct, frozen=True):
    """Attempts with one kind of token. `expected` is "in" for good tokens, "out" for all others.

    attempted = ready + refused + other; `refused` were rejected for their token (HTTP 401 or 403, or a close frame
    before ready), `other` ended otherwise and prove nothing. `correct` ended as expected.
    """

    kind: str
    expected: str
    attempted: int = 0
    ready: int = 0
    refused: int = 0
    other: int = 0
    correct: int = 0


class Subscriptions(msgspec.Struct, frozen=True):
    """Clients that subscribed to tokens: how many asked, how many were acknowledged, and how many later messages were
    about none of a client's tokens.
    """

    asked: int
    acknowledged: int
    filter_leaks: int


class StepSummary(msgspec.Struct, frozen=True):
    """A named step of a role. `kind` is "step", "heartbeat" (not among the messages) or "delivery" (stamps received).

    begun = done + lost + abandoned + those under way. `failed` are among the done, `late` are answers to lost ones.
    `response_ms` counts from when the step was due, with lost ones at their time limit; `round_trip_ms` from the write.
    """

    role: str
    name: str
    kind: str = "step"
    begun: int = 0
    done: int = 0
    lost: int = 0
    abandoned: int = 0
    failed: int = 0
    late: int = 0
    duplicates: int = 0
    per_second: float | None = None
    response_ms: Latency = Latency()
    round_trip_ms: Latency = Latency()

    @classmethod
    def of(cls, row: StepData, active_s: float) -> StepSummary:
        """The summary of what was counted in `active_s` seconds."""
        n = row.counts
        return cls(
            row.role,
            row.name,
            row.kind,
            n.begun,
            n.done,
            n.lost,
            n.abandoned,
            n.failed,
            n.late,
            n.duplicates,
            n.done / active_s if active_s > 0 else None,
            Latency.of(row.response),
            Latency.of(row.round_trip),
        )


class RoleSummary(msgspec.Struct, frozen=True):
    """The clients of a role that became ready, and its rounds: begun = completed + failed + cut + those under way."""

    name: str
    ready: int = 0
    rounds: int = 0
    completed: int = 0
    failed: int = 0
    cut: int = 0  # the connection ended in the middle, or the client was to leave


class SequenceSummary(msgspec.Struct, frozen=True):
    """Numbered messages, followed by client: numbers missing, repeated, and after a later one."""

    received: int = 0
    gaps: int = 0
    repeats: int = 0
    disorder: int = 0


class SlowReadersResult(msgspec.Struct, frozen=True):
    """Clients that stopped reading once ready: how many, how many the server closed, and how ("close 1013: reads too
    slowly"). They count as ready in `connections`, never as dropped.
    """

    clients: int
    closed: int
    endings: dict[str, int] = {}
