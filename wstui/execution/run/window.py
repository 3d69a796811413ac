"""Counts of an interval of a run, and its figures."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from wstui.execution.run.metrics import FAMILIES, Figures, decided, rate, share, steps_of
from wstui.execution.run.result_sections import Connections, Latency, LatencySet, Traffic
from wstui.measure.fanout import FanOut
from wstui.measure.histogram import Distribution, add_all
from wstui.measure.snapshot import Counters, Totals
from wstui.measure.steps import StepCounts
from wstui.scenario.threshold import Metric


@dataclass(frozen=True, slots=True)
class Window:
    """An interval of the run: what was counted in it and its active (not paused) seconds.

    Broadcasts and the target's memory growth (MiB/h) are followed over the whole run: they are the same for every
    part of it.
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
            rate(c.sent, self.active_s),
            rate(c.received, self.active_s),
            lambda family: Latency.of(found) if (found := self._distribution(family)) is not None else None,
            self._distribution,
            self._step,
            fanout.completeness if fanout else None,
            fanout.duplicates if fanout and fanout.messages else None,
            self.memory_growth,
        ).figure(metric)

    def _step(self, family: str) -> tuple[StepCounts, float | None]:
        counts = sum((row.counts for row in steps_of(family, self.totals.steps.rows)), StepCounts())
        return counts, rate(counts.done, self.active_s)

    def _distribution(self, family: str) -> Distribution | None:
        fanout = self.fanout
        if family == "fanout.spread":
            return None if fanout is None else fanout.spread
        if family == "delivery" and fanout is not None and fanout.delivery.count:
            return fanout.delivery
        if family not in FAMILIES or family == "delivery":
            return add_all(row.response for row in steps_of(family, self.totals.steps.rows))
        found: Distribution = getattr(self.totals, FAMILIES[family])
        return found


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
        share(c.ready, decided(c)),
        rate(c.ready, active_s),
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
        rate(c.sent, active_s),
        rate(c.received, active_s),
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
        c.failed_steps,
    )


def cut_short(c: Counters) -> Counters:
    """Return the counts as if everything under way were cut now: attempts drained, messages in flight abandoned."""
    return msgspec.structs.replace(
        c, opening=0, drained=c.drained + max(0, c.opening), abandoned=c.abandoned + max(0, c.in_flight)
    )
