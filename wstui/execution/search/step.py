"""One step of the search for a limit: what was counted in it, and whether the load held. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from wstui.execution.run.result import BreakpointStep
from wstui.execution.run.result_sections import Latency, LatencySet, ThresholdOutcome
from wstui.execution.run.verdict import outcome_of, threshold_words
from wstui.execution.run.window import Window
from wstui.execution.search.generator_faults import LOAD, generator_faults
from wstui.measure.failure import FailureGroup
from wstui.measure.fanout import FanOut, TypeFanOut
from wstui.measure.format import grouped
from wstui.measure.histogram import Distribution, Histogram
from wstui.measure.snapshot import Totals
from wstui.measure.steps import Steps
from wstui.measure.timeline import TimelineRow
from wstui.scenario.breakpoint import UNITS, Of
from wstui.scenario.model import Threshold
from wstui.scenario.threshold import parse_limit, parse_metric, step_of

OVER_ALL = ("connect", "connections", "failures")
"""Families of metrics that are judged over a step from the start of its ramp; all others where it was measured."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """All that had been counted at a moment; `active_s` is the plan's clock then."""

    totals: Totals
    active_s: float
    at_s: float
    fanout: FanOut
    failures: tuple[FailureGroup, ...] = ()


@dataclass(frozen=True, slots=True)
class Measured:
    """A step that was carried out: checkpoints at its start, and around the interval in which it was measured.

    `reached` is the load that was there, in the unit of `of`; `rows` those of the measured interval;
    `stood_still_s` the longest that the generator's loop stood still while it made connects.
    """

    of: Of
    load: int
    reached: float
    began: Checkpoint
    opened: Checkpoint
    ended: Checkpoint
    rows: Sequence[TimelineRow] = ()
    stood_still_s: float = 0.0


def judge_step(measured: Measured, thresholds: Sequence[Threshold], precision: float) -> BreakpointStep:
    """Return whether the load held: it was there, less `precision` at most, and no threshold broke.

    What was not measured breaks nothing, but replies that are overdue count as too late. A load of which all that broke
    is explained by this generator says nothing of the target; one that held all the same did so in earnest, because a
    late send only makes a response time longer.
    """
    step, window = _between(measured.began, measured.ended), _between(measured.opened, measured.ended)
    outcomes = [_outcome(threshold, step, window, measured) for threshold in thresholds]
    broken = {outcome.metric: threshold_words(outcome) for outcome in outcomes if outcome.passed is False}
    if not broken and measured.reached < (1 - precision) * measured.load:
        broken[LOAD] = f"only {grouped(measured.reached)} of {grouped(measured.load)} {UNITS[measured.of]} were reached"
    found = generator_faults(
        measured.of,
        step.totals.counters,
        rows=measured.rows,
        sends=window.totals.counters,
        seconds=window.active_s,
        stood_still_s=measured.stood_still_s,
        before=measured.began.failures,
        after=measured.ended.failures,
    )
    unexplained = [metric for metric in broken if not found.reasons_for(metric)]
    limits = [] if unexplained else list(dict.fromkeys(why for metric in broken for why in found.reasons_for(metric)))
    counters = measured.ended.totals.counters
    return BreakpointStep(
        load=measured.load,
        held=None if limits else not broken,
        reached=round(measured.reached, 1),
        started_s=measured.began.at_s,
        ended_s=measured.ended.at_s,
        why="; ".join(limits or broken.values()),
        broken_on=unexplained[0] if unexplained else "",
        clients=counters.open,
        connections=step.connections(),
        messages=window.messages(),
        latency_ms=LatencySet(
            Latency.of(window.totals.response), Latency.of(window.totals.round_trip), Latency.of(step.totals.connect)
        ),
        unanswered=counters.in_flight,
        cpu=max((row.cpu for row in measured.rows), default=None),
        late_sends=window.totals.counters.late_sends,
        thresholds=outcomes,
    )


def _between(earlier: Checkpoint, later: Checkpoint) -> Window:
    return Window(
        later.totals - earlier.totals,
        max(0.0, later.active_s - earlier.active_s),
        _fanout(earlier.fanout, later.fanout),
    )


def _fanout(earlier: FanOut, later: FanOut) -> FanOut:
    """The broadcasts that were concluded between two moments."""
    between = FanOut()
    nothing = TypeFanOut()
    for name, kind in later.types.items():
        before = earlier.types.get(name, nothing)
        between.types[name] = TypeFanOut(
            kind.messages - before.messages,
            kind.wanted - before.wanted,
            kind.received - before.received,
            kind.duplicates - before.duplicates,
        )
    between.spread = later.spread - earlier.spread
    between.delivery = later.delivery - earlier.delivery
    return between


def frozen(fanout: FanOut) -> FanOut:
    """Return a copy of the counts of broadcasts, which later reports do not change."""
    twin = FanOut()
    twin.types = {name: replace(kind, spread=Distribution()) for name, kind in fanout.types.items()}
    twin.spread, twin.delivery = fanout.spread, fanout.delivery
    return twin


def _outcome(threshold: Threshold, step: Window, window: Window, measured: Measured) -> ThresholdOutcome:
    family = parse_metric(threshold.metric).family.partition(".")[0]
    if family in OVER_ALL:
        return outcome_of(threshold, step, final=False)
    if family in ("response", "roundtrip", "step"):
        window = _with_overdue(threshold, window, measured)
    return outcome_of(threshold, window, final=False)


def _with_overdue(threshold: Threshold, window: Window, measured: Measured) -> Window:
    """A server that falls silent must not look fast: replies that are outstanding for longer than the limit count.

    Of a steady stream of sends, those of the last `limit` seconds may be outstanding; more than those, less a
    margin for chance, have waited longer. They enter as a little more than the limit, the least that is certain.
    """
    limit = parse_limit(threshold.limit, threshold.metric)
    if limit.op not in ("<", "<=") or limit.unit != "ms" or window.active_s <= 0:
        return window
    total = window.totals

    def late(sent: int, in_flight: int) -> Distribution:
        in_time = sent / window.active_s * limit.value / 1000
        overdue = Histogram()
        for _ in range(math.floor(in_flight - in_time - 3 * math.sqrt(in_time) - 1)):
            overdue.record(round(limit.value * 1e6 * 1.05) + 1)
        return overdue.data()

    if step := step_of(threshold.metric):
        ended = {row.key: row.counts.waiting for row in measured.ended.totals.steps.rows}
        rows = [
            msgspec.structs.replace(row, response=row.response + late(row.counts.begun, ended[row.key]))
            if row.name == step
            else row
            for row in total.steps.rows
        ]
        return replace(window, totals=msgspec.structs.replace(total, steps=Steps(rows, total.steps.roles)))
    sent = total.counters.sent - total.counters.no_reply_expected
    overdue = late(sent, measured.ended.totals.counters.in_flight)
    changed = msgspec.structs.replace(total, response=total.response + overdue, round_trip=total.round_trip + overdue)
    return replace(window, totals=changed)
