"""The sections of a result: each is a frozen struct whose field names are those of the JSON."""

from __future__ import annotations

import msgspec

from wstui.measure.failure import group_key
from wstui.measure.histogram import Distribution

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
    messages were in flight when we ended their connection, in an abort or at the end of a drain, or were lost with
    their worker (as far as it had reported). Those in flight when the other side ended it count as timed out.
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
    failed_steps: int = 0  # waits, requests, heartbeats without their answer, and errors that the server reported


class FailureSample(msgspec.Struct, frozen=True):
    """One occurrence of a failure."""

    at_s: float
    client: int
    detail: str


class FailureSummary(msgspec.Struct, frozen=True):
    """All failures of one kind, message and outcome; `local` ones are this generator's own.

    `outcome` names their counter: "refused", "timed_out", "failed", "dropped", "unanswered", "unexpected", "step",
    or "".
    `addresses` counts by address of the target, if clients are spread over several.
    """

    kind: str
    message: str
    count: int
    first_s: float
    last_s: float
    local: bool = False
    samples: list[FailureSample] = []
    outcome: str = ""
    addresses: dict[str, int] = {}

    @property
    def key(self) -> tuple[str, str, str]:
        """Return what identifies the group while it grows."""
        return group_key(self.kind, self.message, self.outcome)


class StageSummary(msgspec.Struct, frozen=True):
    """One stage by itself.

    `active_s` is how long it lasted without pauses, between the reports of the workers that its counts begin and end
    with; None in a result of an earlier version.
    """

    name: str
    started_s: float
    ended_s: float
    connections: Connections
    messages: Traffic
    latency_ms: LatencySet
    active_s: float | None = None


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

    `aborted`: the operator ended the run early; `drained`: by a drain, which closes all connections in order.
    `generator_lost`: all workers were lost and the run was cut short; it never passes. `unreachable`: no client became
    ready because the target refused, failed or did not answer. `no_load`: no client was started, became ready for
    another reason, or sent a planned message: the run proves nothing about the target. `script_failed`: a script of the
    scenario is wrong, and `reason` says where. `invalid`: replies can't be told from those to other clients, so the
    response times are not true.
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
    drained: bool = False
    script_failed: bool = False
    invalid: bool = False


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


class SlowReadersResult(msgspec.Struct, frozen=True):
    """Clients that stopped reading once ready: how many, how many the server closed, and how ("close 1013: reads too
    slowly"). They count as ready in `connections`, never as dropped.
    """

    clients: int
    closed: int
    endings: dict[str, int] = {}
