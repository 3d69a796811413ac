"""The table of metrics that thresholds, screens, exports and comparisons name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from wstui.execution.run.result_sections import NS_PER_MS, Latency
from wstui.measure.histogram import Distribution
from wstui.measure.snapshot import Counters
from wstui.measure.steps import StepCounts
from wstui.scenario.threshold import LOGIN, STEP_COUNTS, Metric

FAMILIES = {
    "response": "response",
    "roundtrip": "round_trip",
    "connect": "connect",
    "reconnect": "reconnect",
    "fanout.spread": "fanout.spread",
    "delivery": "delivery",
}
"""The metric families of durations, and the name of each distribution in a result."""
_STATISTICS = {name: name.replace(".", "") for name in ("mean", "min", "p50", "p90", "p95", "p99", "p99.9", "max")}


def failures_of(counters: Counters) -> int:
    """Everything that went wrong: attempts that did not succeed, drops, replies that never came, wrong replies,
    steps that failed.
    """
    return (
        counters.refused
        + counters.timed_out
        + counters.failed
        + counters.dropped
        + counters.reply_timeouts
        + counters.broken_expectations
        + counters.invalid_texts
        + counters.failed_steps
    )


class MeasuredStep(Protocol):
    """A step as it is counted, or as a result holds it."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...


S = TypeVar("S", bound=MeasuredStep)


def steps_of(family: str, rows: Iterable[S]) -> list[S]:
    """Return the rows that a family of metrics is about: "step.say", "delivery.price", "delivery" for every one."""
    kind, _, name = family.partition(".")
    is_step = kind == "step"
    return [row for row in rows if name in ("", row.name) and (row.kind == kind or (is_step and row.kind != LOGIN))]


def families_of(step: MeasuredStep) -> tuple[str, ...]:
    """Return the families whose metrics are about a row, the one that names its kind first.

    ("step.say",), ("delivery.price", "step.price"), ("login.token",), and ("login",) for all requests of a login.
    """
    if step.kind == LOGIN:
        return (LOGIN if step.name == LOGIN else f"{LOGIN}.{step.name}",)
    own = () if step.kind in ("step", "heartbeat") else (f"{step.kind}.{step.name}",)
    return (*own, f"step.{step.name}")


def family_of(step: MeasuredStep) -> str:
    """Return the family of a row that names its kind."""
    return families_of(step)[0]


@dataclass(frozen=True, slots=True)
class Figures:
    """What metrics are computed from: of a window of a running fleet, or of a result.

    `latency` and `distribution` take a family: one of `FAMILIES`, "step.NAME", "delivery.NAME", "stream.NAME" or
    "login.NAME". `step` takes one of the latter four, and returns its counts, over all roles, and its rate.
    """

    counters: Counters
    sent_per_second: float | None
    received_per_second: float | None
    latency: Callable[[str], Latency | None]
    distribution: Callable[[str], Distribution | None]
    step: Callable[[str], tuple[StepCounts, float | None]]
    completeness: float | None = None
    duplicates: int | None = None
    memory_growth: float | None = None

    def figure(self, metric: Metric) -> float | None:
        """Return the figure of a metric in its unit (ms, %, /s or a number); None when it was not measured."""
        if metric.statistic in STEP_COUNTS:
            counts, per_second = self.step(metric.family)
            if metric.statistic == "failed" and metric.family.startswith(LOGIN):
                return float(counts.failed + counts.lost) if counts.begun else None  # a login without an answer failed
            return _step_count(metric.statistic, counts, per_second)
        if (compute := METRICS.get(metric.name)) is not None:
            return compute(self)
        latency = self.latency(metric.family)
        if latency is None or not latency.count:
            return None
        if (name := _STATISTICS.get(metric.statistic)) is not None:
            value: float | None = getattr(latency, name)
            return value
        distribution = self.distribution(metric.family)
        if distribution is None or metric.quantile is None:
            return None
        value_ns = distribution.quantile(metric.quantile)
        return None if value_ns is None else value_ns / NS_PER_MS


def _step_count(statistic: str, counts: StepCounts, per_second: float | None) -> float | None:
    if not counts.begun:
        return None
    match statistic:
        case "count":
            return float(counts.done)
        case "rate":
            return per_second
        case "success":
            good = share(counts.done - counts.failed, counts.done + counts.lost)
            return None if good is None else good * 100
    return float(getattr(counts, statistic))


def _count(name: str) -> Callable[[Figures], float | None]:
    return lambda f: float(getattr(f.counters, name))


def _percent(part: Callable[[Counters], int], whole: Callable[[Counters], int]) -> Callable[[Figures], float | None]:
    def compute(f: Figures) -> float | None:
        found = share(part(f.counters), whole(f.counters))
        return None if found is None else found * 100

    return compute


def decided(c: Counters) -> int:
    """Return the attempts that came to an end of their own: not those under way, nor those that we cut short."""
    return c.attempted - max(0, c.opening) - c.drained


def unanswered_pings(c: Counters) -> int:
    """Return the keepalive pings without a pong if most have none: the last of each connection may be under way."""
    missing = c.pings - c.pongs
    return missing if missing > c.ready and 2 * missing > c.pings else 0


METRICS: dict[str, Callable[[Figures], float | None]] = {
    "connect.success": _percent(lambda c: c.ready, decided),
    "connect.answered": _percent(lambda c: c.ready + c.refused, decided),
    "auth.correct": _percent(lambda c: c.auth_correct, lambda c: c.auth_checked),
    "reconnect.success": _percent(
        lambda c: c.reconnects, lambda c: c.reconnects + c.reconnects_given_up + c.reconnects_missing
    ),
    "connections.rate_limited": _count("rate_limited"),
    "connections.dropped": _count("dropped"),
    "connections.unanswered_pings": lambda f: float(unanswered_pings(f.counters)),
    "subscribe.acks": _percent(lambda c: c.subscribe_acks, lambda c: c.subscribes),
    "subscribe.leaks": lambda f: float(f.counters.filter_leaks) if f.counters.subscribes else None,
    "slow_readers.closed": _percent(lambda c: c.slow_closed, lambda c: c.slow_readers),
    "messages.timed_out": _count("reply_timeouts"),
    "messages.broken_expectations": _count("broken_expectations"),
    "messages.invalid_texts": _count("invalid_texts"),
    "messages.duplicates": _count("duplicates"),
    "messages.unmatched": _count("unmatched"),
    "messages.failed_steps": _count("failed_steps"),
    "messages.sent_per_second": lambda f: f.sent_per_second,
    "messages.received_per_second": lambda f: f.received_per_second,
    "failures.rate": _percent(failures_of, lambda c: c.attempted + c.sent),
    "generator.late_sends": _count("late_sends"),
    "sequence.gaps": lambda f: float(f.counters.sequence_gaps) if f.counters.sequence_received else None,
    "sequence.repeats": lambda f: float(f.counters.sequence_repeats) if f.counters.sequence_received else None,
    "sequence.disorder": lambda f: float(f.counters.sequence_disorder) if f.counters.sequence_received else None,
    "target.memory_growth": lambda f: f.memory_growth,
    "fanout.completeness": lambda f: None if f.completeness is None else f.completeness * 100,
    "fanout.duplicates": lambda f: None if f.duplicates is None else float(f.duplicates),
}
"""How each metric is computed; those of durations are statistics of a distribution."""


def rate(count: int, active_s: float) -> float | None:
    return count / active_s if active_s > 0 else None


def share(part: int, whole: int) -> float | None:
    return min(1.0, part / whole) if whole > 0 else None
