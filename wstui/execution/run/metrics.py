"""The figures that thresholds name and results hold, from what a fleet has counted."""

from __future__ import annotations

from dataclasses import dataclass

from wstui.execution.run.result import NS_PER_MS, Connections, Latency, LatencySet, Messages
from wstui.fleet.interval import Sum
from wstui.measure.fanout import FanOut
from wstui.measure.histogram import Histogram
from wstui.measure.snapshot import Counters
from wstui.scenario.threshold import Metric


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


def messages_of(c: Counters, active_s: float, types: dict[str, int]) -> Messages:
    """Return what was sent and received."""
    return Messages(
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


def failure_rate(counters: Counters) -> float | None:
    """Failures as a share (0…1) of all that was tried: attempts and messages. None when nothing was."""
    tried = counters.attempted + counters.sent
    return failures_of(counters) / tried if tried else None


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of the run: what was counted in it and its active (not paused) seconds.

    Broadcasts and the target's memory (its growth in MiB/h) are followed over the run as a whole: they are the same for
    every stretch of it.
    """

    sum: Sum
    active_s: float
    fanout: FanOut | None = None
    memory_growth: float | None = None

    def connections(self) -> Connections:
        """How the attempts fared."""
        return connections_of(self.sum.counters, self.active_s)

    def messages(self, types: dict[str, int] | None = None) -> Messages:
        """What was said and heard."""
        return messages_of(self.sum.counters, self.active_s, types or {})

    def latency(self) -> LatencySet:
        """The distributions."""
        total = self.sum
        return LatencySet(*map(Latency.of, (total.response, total.round_trip, total.connect, total.reconnect)))

    def figure(self, metric: Metric) -> float | None:
        """The figure of a metric in the metric's unit; None when there is nothing to tell it from."""
        c = self.sum.counters
        match metric.name:
            case "connect.success":
                # An attempt that is still on its way has neither succeeded nor failed.
                return _percent(c.ready, _decided(c))
            case "connect.answered":
                return _percent(c.ready + c.refused, _decided(c))
            case "auth.correct":
                return _percent(c.auth_correct, c.auth_checked)
            case "reconnect.success":
                return _percent(c.reconnects, c.reconnects + c.reconnects_given_up + c.reconnects_missing)
            case "connections.rate_limited":
                return c.rate_limited
            case "subscribe.acks":
                return _percent(c.subscribe_acks, c.subscribes)
            case "subscribe.leaks":
                return c.filter_leaks if c.subscribes else None
            case "slow_readers.closed":
                return _percent(c.slow_closed, c.slow_readers)
            case "connections.dropped":
                return c.dropped
            case "messages.timed_out":
                return c.reply_timeouts
            case "messages.broken_expectations":
                return c.broken_expectations
            case "messages.invalid_texts":
                return c.invalid_texts
            case "messages.sent_per_second":
                return _rate(c.sent, self.active_s)
            case "messages.received_per_second":
                return _rate(c.received, self.active_s)
            case "failures.rate":
                rate = failure_rate(c)
                return None if rate is None else rate * 100
            case "generator.late_sends":
                return c.late_sends
            case "target.memory_growth":
                return self.memory_growth
            case "fanout.completeness":
                share = self.fanout.completeness if self.fanout else None
                return None if share is None else share * 100
            case "fanout.duplicates":
                return self.fanout.duplicates if self.fanout and self.fanout.messages else None
        histogram = self._histogram(metric.family)
        return None if histogram is None else _statistic(histogram, metric)

    def _histogram(self, family: str) -> Histogram | None:
        return {
            "connect": self.sum.connect,
            "reconnect": self.sum.reconnect,
            "response": self.sum.response,
            "roundtrip": self.sum.round_trip,
            "fanout.spread": self.fanout.spread if self.fanout else None,
            "delivery": self.fanout.delivery if self.fanout else None,
        }.get(family)


def _decided(counters: Counters) -> int:
    """Attempts that the target has answered, or failed to: not those on their way, nor those that we cut short."""
    return counters.attempted - max(0, counters.opening) - counters.drained


def _rate(count: int, active_s: float) -> float | None:
    return count / active_s if active_s > 0 else None


def _share(part: int, whole: int) -> float | None:
    return min(1.0, part / whole) if whole > 0 else None


def _percent(part: int, whole: int) -> float | None:
    share = _share(part, whole)
    return None if share is None else share * 100


def _statistic(histogram: Histogram, metric: Metric) -> float | None:
    if not histogram.count:
        return None
    if metric.quantile is not None:
        value = histogram.quantile(metric.quantile)
        return None if value is None else value / NS_PER_MS
    match metric.statistic:
        case "mean":
            mean = histogram.mean()
            return None if mean is None else mean / NS_PER_MS
        case "min":
            return histogram.low / NS_PER_MS
        case _:
            return histogram.high / NS_PER_MS
