"""The metrics of a result, by their names."""

from __future__ import annotations

from functools import lru_cache

from wstui.execution.run.metrics import FAMILIES, Figures, failures_of, share, steps_of
from wstui.execution.run.result import Result
from wstui.execution.run.result_sections import Latency
from wstui.measure.histogram import Distribution, add_all, decode_hdr
from wstui.measure.snapshot import Counters
from wstui.measure.steps import StepCounts
from wstui.scenario.threshold import parse_metric


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
        lambda family: _step_in(result, family),
        fanout.completeness if fanout else None,
        fanout.duplicates if fanout else None,
        target.memory_growth_mib_per_hour if target else None,
    ).figure(metric)


def _step_in(result: Result, family: str) -> tuple[StepCounts, float | None]:
    counts, per_second = StepCounts(), 0.0
    for step in steps_of(family, result.steps):
        counts += StepCounts(step.begun, step.done, step.lost, step.abandoned, step.failed, step.late, step.duplicates)
        per_second += step.per_second or 0.0
    return counts, per_second


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
        failed_steps=sent.failed_steps,
        duplicates=sent.duplicates,
        unmatched=sent.unmatched,
        pings=seen.pings,
        pongs=seen.pongs,
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
    return share(failures(result), result.connections.attempted + result.messages.sent)


def distribution_in(result: Result, family: str) -> Distribution | None:
    """Return the whole distribution of a family; None when the result does not hold it."""
    names = [FAMILIES[family]] if family in FAMILIES else []
    if family not in FAMILIES or (family == "delivery" and names[0] not in result.histograms):
        names = [step.histogram for step in steps_of(family, result.steps)]
    texts = [text for name in names if (text := result.histograms.get(name))]
    try:
        return add_all(map(_decoded, texts)) if texts else None
    except ValueError:
        return None


@lru_cache(maxsize=64)
def _decoded(text: str) -> Distribution:
    return decode_hdr(text)


def _latency_in(result: Result, family: str) -> Latency | None:
    fanout = result.fanout
    if family == "fanout.spread":
        return None if fanout is None else fanout.spread_ms
    if family == "delivery" and fanout is not None and fanout.delivery_ms.count:
        return fanout.delivery_ms
    if family not in FAMILIES or family == "delivery":
        steps = [step.response_ms for step in steps_of(family, result.steps)]
        together = distribution_in(result, family) if len(steps) > 1 else None
        return Latency.of(together) if together is not None else next(iter(steps), None)
    latency: Latency = getattr(result.latency_ms, FAMILIES[family])
    return latency
