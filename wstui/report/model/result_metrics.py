"""The figures of a result by the names that thresholds use: "response.p99", "connect.success"."""

from __future__ import annotations

from functools import lru_cache

from wstui.execution.run.result import NS_PER_MS, Latency, Result
from wstui.measure.hdr import decode
from wstui.measure.histogram import Histogram
from wstui.scenario.threshold import Metric, parse_metric

_IN_RESULT = {"mean": "mean", "min": "min", "p50": "p50", "p90": "p90", "p95": "p95", "p99": "p99", "p99.9": "p999"}
FAMILIES = {
    "response": "response",
    "roundtrip": "round_trip",
    "connect": "connect",
    "reconnect": "reconnect",
    "fanout.spread": "fanout.spread",
    "delivery": "delivery",
}
"""The families of metrics whose whole distribution a result holds, and its name there."""


def figure(result: Result, name: str) -> float | None:
    """The figure of a metric in its unit (ms, %, /s or a number); None when it was not measured.

    Raises BadValue, which names the nearest metric.
    """
    metric = parse_metric(name)
    if metric.family in FAMILIES:
        return _statistic(result, metric)
    seen, sent = result.connections, result.messages
    match metric.name:
        case "connect.success":
            return _percent(seen.success_rate)
        case "connect.answered":
            decided = seen.attempted - seen.drained
            return (seen.ready + seen.refused) / decided * 100 if decided else None
        case "reconnect.success":
            tried = seen.reconnects + seen.reconnects_given_up + seen.reconnects_missing
            return seen.reconnects / tried * 100 if tried else None
        case "connections.rate_limited":
            return float(seen.rate_limited)
        case "subscribe.acks":
            asked = result.subscriptions
            return asked.acknowledged / asked.asked * 100 if asked else None
        case "subscribe.leaks":
            return float(result.subscriptions.filter_leaks) if result.subscriptions else None
        case "slow_readers.closed":
            slow = result.slow_readers
            return slow.closed / slow.clients * 100 if slow else None
        case "auth.correct":
            attempted = sum(row.attempted for row in result.auth)
            return sum(row.correct for row in result.auth) / attempted * 100 if attempted else None
        case "target.memory_growth":
            return result.target.memory_growth_mib_per_hour if result.target else None
        case "connections.dropped":
            return float(seen.dropped)
        case "messages.timed_out":
            return float(sent.timed_out)
        case "messages.broken_expectations":
            return float(sent.broken_expectations)
        case "messages.invalid_texts":
            return float(sent.invalid_texts)
        case "messages.sent_per_second":
            return sent.sent_per_second
        case "messages.received_per_second":
            return sent.received_per_second
        case "failures.rate":
            tried = seen.attempted + sent.sent
            return failures(result) / tried * 100 if tried else None
        case "generator.late_sends":
            return float(result.generator.late_sends)
        case "fanout.completeness":
            return _percent(result.fanout.completeness) if result.fanout else None
        case "fanout.duplicates":
            return float(result.fanout.duplicates) if result.fanout else None
    return None


def failures(result: Result) -> int:
    """Everything that went wrong with connections and replies."""
    seen = result.connections
    ended = seen.refused + seen.timed_out + seen.failed + seen.dropped
    heard = result.messages
    return ended + heard.timed_out + heard.broken_expectations + heard.invalid_texts


def histogram_of(result: Result, family: str) -> Histogram | None:
    """The whole distribution of "response", "roundtrip" or "connect"; None where the result does not hold it."""
    text = result.histograms.get(FAMILIES[family])
    try:
        return _decoded(text) if text else None
    except ValueError:
        return None


@lru_cache(maxsize=16)
def _decoded(text: str) -> Histogram:
    return decode(text)


def _statistic(result: Result, metric: Metric) -> float | None:
    latency = _latency(result, metric.family)
    if latency is None:
        return None
    if metric.statistic in _IN_RESULT:
        value: float | None = getattr(latency, _IN_RESULT[metric.statistic])
        return value
    if metric.statistic == "max" or metric.quantile is None:
        return latency.max
    histogram = histogram_of(result, metric.family)
    value_ns = histogram.quantile(metric.quantile) if histogram is not None else None
    return None if value_ns is None else value_ns / NS_PER_MS


def _percent(share: float | None) -> float | None:
    return None if share is None else share * 100


def _latency(result: Result, family: str) -> Latency | None:
    if family in ("fanout.spread", "delivery"):
        fanout = result.fanout
        return None if fanout is None else fanout.delivery_ms if family == "delivery" else fanout.spread_ms
    latency: Latency = getattr(result.latency_ms, FAMILIES[family])
    return latency
