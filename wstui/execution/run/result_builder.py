"""The result of a run, at its end."""

from __future__ import annotations

import dataclasses
from datetime import datetime

import msgspec

from wstui.execution.run.host_status import host_summaries
from wstui.execution.run.metrics import Window
from wstui.execution.run.result import (
    Event,
    FailureSample,
    FailureSummary,
    FanOutSummary,
    GeneratorSummary,
    Latency,
    Result,
    StageSummary,
)
from wstui.execution.run.result_sections import (
    AuthOutcome,
    RouteSummary,
    SlowReadersResult,
    Subscriptions,
    TargetSummary,
)
from wstui.execution.run.run_monitor import RunMonitor
from wstui.execution.run.timeline_recorder import Recorder, StageRecord
from wstui.execution.run.verdict import conclude, found_no_target, missing_load
from wstui.fleet.fleet import Fleet
from wstui.measure import hdr
from wstui.measure.failure import FailureGroup
from wstui.scenario.model import Scenario
from wstui.scenario.secret_fields import masked
from wstui.scenario.token_mix import TOKEN_KINDS


def summarize(
    scenario: Scenario,
    recorder: Recorder,
    fleet: Fleet,
    watch: RunMonitor,
    target: TargetSummary | None,
    *,
    started: datetime | None,
    duration_s: float,
    active_s: float,
    paused_s: float,
    ended_by: str,
    aborted: bool,
    lost: bool,
) -> Result:
    """The result of a run that has ended."""
    whole = Window(recorder.latest, active_s)
    # What goes on in a cooldown is counted, but it is no part of a rate.
    rates = recorder.whole(active_s).messages()
    counters = recorder.latest.counters
    verdict = conclude(
        watch.outcomes,
        limited_by=watch.limited_by,
        ended_by=ended_by,
        aborted=aborted,
        unreachable=not ended_by and found_no_target(counters, watch.failures),
        lost=lost,
        missing=missing_load(scenario, counters, watch.failures, active_s),
        unreached=0 if scenario.breakpoint else counters.unreached,  # a search ends in the middle of its load
    )
    watch.outcomes = verdict.thresholds
    begun = started or datetime.now().astimezone()
    return Result(
        scenario=masked(scenario),
        started=begun.isoformat(timespec="milliseconds"),
        finished=datetime.now().astimezone().isoformat(timespec="milliseconds"),
        duration_s=round(duration_s, 3),
        paused_s=round(paused_s, 3),
        verdict=verdict,
        connections=msgspec.structs.replace(
            whole.connections(), per_second=_connects_per_second(scenario, recorder, active_s)
        ),
        messages=msgspec.structs.replace(
            whole.messages(fleet.types()),
            sent_per_second=rates.sent_per_second,
            received_per_second=rates.received_per_second,
        ),
        latency_ms=whole.latency(),
        fanout=FanOutSummary.of(fleet.fanout, counters.late_broadcasts),
        auth=_auth(fleet),
        subscriptions=(
            Subscriptions(counters.subscribes, counters.subscribe_acks, counters.filter_leaks)
            if counters.subscribes
            else None
        ),
        slow_readers=(
            SlowReadersResult(counters.slow_readers, counters.slow_closed, fleet.slow_endings())
            if counters.slow_readers
            else None
        ),
        target=target,
        route=RouteSummary.of(scenario, fleet.addresses()),
        failures=[_failure(group) for group in watch.failures],
        generator=GeneratorSummary(
            fleet.size,
            len(fleet.lost),
            recorder.cpu_mean,
            recorder.cpu_max if recorder.rows else None,
            Latency.of(recorder.lag),
            Latency.of(recorder.latest.send_delay),
            counters.late_sends,
            max((s.health.files for s in fleet.latest().values()), default=0),
            list(watch.limited_by),
            host_summaries(fleet),
            fleet.missed,
            None if watch.taken is None else round(watch.taken.processors, 2),
        ),
        stages=[_stage(record, recorder, active_s) for record in recorder.stages],
        events=[Event(mark.at_s, mark.kind, mark.text) for mark in recorder.marks],
        timeline=[dataclasses.asdict(row) for row in recorder.rows],
        histograms=_histograms(recorder, active_s),
    )


def _connects_per_second(scenario: Scenario, recorder: Recorder, active_s: float) -> float | None:
    """Clients that became ready a second, over the stages that add clients; over all where the plan has none."""
    ready, seconds, before = 0, 0.0, 0
    for stage, record in zip(scenario.stages, recorder.stages, strict=False):
        if stage.arrive or (stage.clients or 0) > before:
            scope = record.scope(recorder.latest, active_s)
            ready += scope.sum.counters.ready
            seconds += scope.active_s
        before = before if stage.clients is None else stage.clients
    if seconds > 0:
        return ready / seconds
    return recorder.whole(active_s).connections().per_second


def _auth(fleet: Fleet) -> list[AuthOutcome]:
    admitted = fleet.admitted()
    return [
        AuthOutcome(
            kind,
            "in" if kind == "good" else "out",
            seen.attempted,
            seen.ready,
            seen.refused,
            seen.attempted - seen.ready - seen.refused,
            seen.ready if kind == "good" else seen.refused,
        )
        for kind in TOKEN_KINDS
        if (seen := admitted.get(kind)) is not None
    ]


def _histograms(recorder: Recorder, active_s: float) -> dict[str, str]:
    found = {
        "response": recorder.latest.response,
        "round_trip": recorder.latest.round_trip,
        "connect": recorder.latest.connect,
        "reconnect": recorder.latest.reconnect,
    }
    for record in recorder.stages:
        found[f"response@{record.name}"] = record.scope(recorder.latest, active_s).sum.response
    if recorder.fanout.messages:
        found |= {"fanout.spread": recorder.fanout.spread, "delivery": recorder.fanout.delivery}
    return {name: hdr.encode(histogram) for name, histogram in found.items() if histogram.count}


def _stage(record: StageRecord, recorder: Recorder, active_s: float) -> StageSummary:
    scope = record.scope(recorder.latest, active_s)
    return StageSummary(
        record.name, record.began_s, record.ended_s, scope.connections(), scope.messages(), scope.latency()
    )


def _failure(group: FailureGroup) -> FailureSummary:
    return FailureSummary(
        group.kind,
        group.message,
        group.count,
        group.first_ns / 1e9,
        group.last_ns / 1e9,
        group.local,
        [FailureSample(s.at_ns / 1e9, s.client, s.detail) for s in group.samples],
        group.outcome,
    )
