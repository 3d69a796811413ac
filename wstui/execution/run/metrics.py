"""The table of metrics that thresholds, screens, exports and comparisons name, and the sections of a result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import msgspec

from wstui.execution.run.result import Result
from wstui.execution.run.result_sections import NS_PER_MS, Connections, Latency, LatencySet, Traffic
from wstui.measure.fanout import FanOut
from wstui.measure.hdr import decode
from wstui.measure.histogram import Distribution
from wstui.measure.snapshot import Counters, Totals
from wstui.measure.steps import StepCounts
from wstui.scenario.threshold import Metric, parse_metric

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
    """Everything that went wrong: attempts that did not succeed, drops, replies that never came, wrong replies."""
    return (
        counters.refused
        + counters.timed_out
        + counters.failed
        + counters.dropped
        + counters.reply_timeouts
        + counters.broken_expectations
        + counters.invalid_texts
    )


def connections_of(c: Counters, active_s: float) -> Connections:
    """Return how the attempts fared. One still on its way, or that we cut short, has neither succeeded nor failed."""
    return Connections(
        c.attempted,
        c.ready,
        c.refused,
        c.timed_out,
        c.failed,
        c.drained,
        c.dropped,
        _share(c.ready, _decided(c)),
        _rate(c.ready, active_s),
        c.rate_limited,
        c.reconnects,
        c.reconnect_attempts,
        c.reconnects_given_up,
        c.reconnects_missing,
        c.unreached,
        c.pings,
        c.pongs,
    )


def messages_of(c: Counters, active_s: float, types: dict[str, int]) -> Traffic:
    """Return what was sent and received."""
    return Traffic(
        c.sent,
        c.received,
        _rate(c.sent, active_s),
        _rate(c.received, active_s),
        c.reply_timeouts,
        c.unmatched,
        c.late,
        c.duplicates,
        c.bytes_sent,
        c.bytes_received,
        types,
        c.broken_expectations,
        c.bytes_sent + c.compression_saved_sent,
        c.bytes_received + c.compression_saved_received,
        c.abandoned,
        c.no_reply_expected,
        c.altered,
        c.invalid_texts,
    )


def cut_short(c: Counters) -> Counters:
    """Return the counts as if everything under way were cut now: attempts drained, messages in flight abandoned."""
    return msgspec.structs.replace(
        c, opening=0, drained=c.drained + max(0, c.opening), abandoned=c.abandoned + max(0, c.in_flight)
    )


@dataclass(frozen=True, slots=True)
class StepFigures:
    """What metrics of a step are computed from, all roles together."""

    counts: StepCounts
    per_second: float | None
    latency: Latency
    distribution: Callable[[], Distribution | None]

    def figure(self, metric: Metric) -> float | None:
        """Return the figure of a metric of this step."""
        counts = self.counts
        match metric.statistic:
            case "count":
                return float(counts.done)
            case "lost" | "late" | "failed" | "duplicates":
                return float(getattr(counts, metric.statistic))
            case "rate":
                return self.per_second
            case "success":
                share = _share(counts.done - counts.failed, counts.done + counts.lost)
                return None if share is None else share * 100
        if not self.latency.count:
            return None
        if (name := _STATISTICS.get(metric.statistic)) is not None:
            value: float | None = getattr(self.latency, name)
            return value
        distribution = self.distribution()
        value_ns = distribution.quantile(metric.quantile) if distribution and metric.quantile is not None else None
        return None if value_ns is None else value_ns / NS_PER_MS


@dataclass(frozen=True, slots=True)
class Figures:
    """What metrics are computed from: of a window of a running fleet, or of a result.

    `latency` and `distribution` take a family of `FAMILIES`.
    """

    counters: Counters
    sent_per_second: float | None
    received_per_second: float | None
    latency: Callable[[str], Latency | None]
    distribution: Callable[[str], Distribution | None]
    completeness: float | None = None
    duplicates: int | None = None
    memory_growth: float | None = None
    step: Callable[[str], StepFigures | None] = lambda _name: None

    def figure(self, metric: Metric) -> float | None:
        """Return the figure of a metric in its unit (ms, %, /s or a number); None when it was not measured."""
        if metric.family.startswith("step."):
            step = self.step(metric.family.removeprefix("step."))
            return None if step is None else step.figure(metric)
        if (compute := METRICS.get(metric.name)) is not None:
            return compute(self)
        latency = self.latency(metric.family) if metric.family in FAMILIES else None
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


def _count(name: str) -> Callable[[Figures], float | None]:
    return lambda f: float(getattr(f.counters, name))


def _percent(part: Callable[[Counters], int], whole: Callable[[Counters], int]) -> Callable[[Figures], float | None]:
    def compute(f: Figures) -> float | None:
        share = _share(part(f.counters), whole(f.counters))
        return None if share is None else share * 100

    return compute


def _decided(c: Counters) -> int:
    """Return the attempts that came to an end of their own: not those under way, nor those that we cut short."""
    return c.attempted - max(0, c.opening) - c.drained


METRICS: dict[str, Callable[[Figures], float | None]] = {
    "connect.success": _percent(lambda c: c.ready, _decided),
    "connect.answered": _percent(lambda c: c.ready + c.refused, _decided),
    "auth.correct": _percent(lambda c: c.auth_correct, lambda c: c.auth_checked),
    "reconnect.success": _percent(
        lambda c: c.reconnects, lambda c: c.reconnects + c.reconnects_given_up + c.reconnects_missing
    ),
    "connections.rate_limited": _count("rate_limited"),
    "connections.dropped": _count("dropped"),
    "subscribe.acks": _percent(lambda c: c.subscribe_acks, lambda c: c.subscribes),
    "subscribe.leaks": lambda f: float(f.counters.filter_leaks) if f.counters.subscribes else None,
    "slow_readers.closed": _percent(lambda c: c.slow_closed, lambda c: c.slow_readers),
    "messages.timed_out": _count("reply_timeouts"),
    "messages.broken_expectations": _count("broken_expectations"),
    "messages.invalid_texts": _count("invalid_texts"),
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


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of the run: what was counted in it and its active (not paused) seconds.

    Broadcasts and the target's memory growth (MiB/h) are followed over the whole run: they are the same for every
    stretch of it.
    """

    totals: Totals
    active_s: float
    fanout: FanOut | None = None
    memory_growth: float | None = None

    def connections(self) -> Connections:
        return connections_of(self.totals.counters, self.active_s)

    def messages(self, types: dict[str, int] | None = None) -> Traffic:
        return messages_of(self.totals.counters, self.active_s, types or {})

    def latency(self) -> LatencySet:
        total = self.totals
        return LatencySet(*map(Latency.of, (total.response, total.round_trip, total.connect, total.reconnect)))

    def figure(self, metric: Metric) -> float | None:
        """Return the figure of a metric in its unit; None when it was not measured."""
        c, fanout = self.totals.counters, self.fanout
        return Figures(
            c,
            _rate(c.sent, self.active_s),
            _rate(c.received, self.active_s),
            lambda family: Latency.of(found) if (found := self._distribution(family)) is not None else None,
            self._distribution,
            fanout.completeness if fanout else None,
            fanout.duplicates if fanout and fanout.messages else None,
            self.memory_growth,
            self._step,
        ).figure(metric)

    def _step(self, name: str) -> StepFigures | None:
        """Return a step, added up over the roles that have one of this name."""
        rows = [row for row in self.totals.steps.rows if row.name == name]
        if not rows:
            return None
        counts = sum((row.counts for row in rows), StepCounts())
        response = sum((row.response for row in rows), Distribution())
        return StepFigures(counts, _rate(counts.done, self.active_s), Latency.of(response), lambda: response)

    def _distribution(self, family: str) -> Distribution | None:
        if family in ("fanout.spread", "delivery"):
            fanout = self.fanout
            return None if fanout is None else fanout.spread if family == "fanout.spread" else fanout.delivery
        found: Distribution = getattr(self.totals, FAMILIES[family])
        return found


def figure(result: Result, name: str) -> float | None:
    """Return the figure of a metric by its name. Raises BadValue, which names the nearest metric."""
    metric = parse_metric(name)
    sent, fanout, target = result.messages, result.fanout, result.target
    return Figures(
        counters_in(result),
        sent.sent_per_second,
        sent.received_per_second,
        lambda family: _latency_in(result, family),
        lambda family: distribution_in(result, family),
        fanout.completeness if fanout else None,
        fanout.duplicates if fanout else None,
        target.memory_growth_mib_per_hour if target else None,
        lambda step: _step_in(result, step),
    ).figure(metric)


def _step_in(result: Result, name: str) -> StepFigures | None:
    """Return a step as a result holds it; that of the first role, if several roles have one of this name."""
    step = next((step for step in result.steps if step.name == name), None)
    if step is None:
        return None
    counts = StepCounts(step.begun, step.done, step.lost, step.abandoned, step.failed, step.late, step.duplicates)
    return StepFigures(counts, step.per_second, step.response_ms, lambda: None)


def counters_in(result: Result) -> Counters:
    """Return the counts that a result holds, as far as metrics need them."""
    seen, sent, asked, slow = result.connections, result.messages, result.subscriptions, result.slow_readers
    numbers = result.sequence
    return Counters(
        attempted=seen.attempted,
        ready=seen.ready,
        refused=seen.refused,
        timed_out=seen.timed_out,
        failed=seen.failed,
        drained=seen.drained,
        dropped=seen.dropped,
        reconnects=seen.reconnects,
        reconnects_given_up=seen.reconnects_given_up,
        reconnects_missing=seen.reconnects_missing,
        rate_limited=seen.rate_limited,
        sent=sent.sent,
        received=sent.received,
        reply_timeouts=sent.timed_out,
        broken_expectations=sent.broken_expectations,
        invalid_texts=sent.invalid_texts,
        late_sends=result.generator.late_sends,
        auth_checked=sum(row.attempted for row in result.auth),
        auth_correct=sum(row.correct for row in result.auth),
        subscribes=asked.asked if asked else 0,
        subscribe_acks=asked.acknowledged if asked else 0,
        filter_leaks=asked.filter_leaks if asked else 0,
        slow_readers=slow.clients if slow else 0,
        slow_closed=slow.closed if slow else 0,
        sequence_received=numbers.received if numbers else 0,
        sequence_gaps=numbers.gaps if numbers else 0,
        sequence_repeats=numbers.repeats if numbers else 0,
        sequence_disorder=numbers.disorder if numbers else 0,
    )


def failures(result: Result) -> int:
    """Return how often a connection or a reply went wrong."""
    return failures_of(counters_in(result))


def failure_rate(result: Result) -> float | None:
    """Return failures as a share (0…1) of all attempts and messages; None before any."""
    return _share(failures(result), result.connections.attempted + result.messages.sent)


def distribution_in(result: Result, family: str) -> Distribution | None:
    """Return the whole distribution of a family; None when the result does not hold it."""
    text = result.histograms.get(FAMILIES[family])
    try:
        return _decoded(text) if text else None
    except ValueError:
        return None


@lru_cache(maxsize=16)
def _decoded(text: str) -> Distribution:
    return decode(text)


def _latency_in(result: Result, family: str) -> Latency | None:
    if family in ("fanout.spread", "delivery"):
        fanout = result.fanout
        return None if fanout is None else fanout.delivery_ms if family == "delivery" else fanout.spread_ms
    latency: Latency = getattr(result.latency_ms, FAMILIES[family])
    return latency


def _rate(count: int, active_s: float) -> float | None:
    return count / active_s if active_s > 0 else None


def _share(part: int, whole: int) -> float | None:
    return min(1.0, part / whole) if whole > 0 else None
