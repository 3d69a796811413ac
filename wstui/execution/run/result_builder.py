"""Builds the result of a run from its recorder, fleet and monitor."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec

from wstui.execution.run.host_status import host_summaries
from wstui.execution.run.machine_sections import GeneratorSummary, RouteSummary, TargetSummary
from wstui.execution.run.reply_keys import others_replies
from wstui.execution.run.result import RUNNING, FanOutSummary, Result, stamp
from wstui.execution.run.result_sections import (
    AuthOutcome,
    Event,
    FailureSample,
    FailureSummary,
    Latency,
    SlowReadersResult,
    StageSummary,
    Subscriptions,
    Verdict,
)
from wstui.execution.run.role_sections import LoginSummary, RoleSummary, SequenceSummary, StepSummary
from wstui.execution.run.run_monitor import RunMonitor
from wstui.execution.run.timeline_recorder import StageRecord, TimelineRecorder
from wstui.execution.run.verdict import conclude, found_no_target, missing_load
from wstui.execution.run.window import Window, cut_short
from wstui.fleet.fleet import WorkerFleet
from wstui.measure.failure import FailureGroup
from wstui.measure.histogram import Distribution, encode_hdr
from wstui.measure.snapshot import Counters
from wstui.scenario.lowering import Lowered
from wstui.scenario.model import Scenario
from wstui.scenario.secret_fields import masked
from wstui.scenario.token_kind import TOKEN_KINDS


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended: `reason` says why it ended early, or ""; `aborted`: the operator did it, `drained`: by a drain;
    `lost`: all workers were lost; `script_failed`: a script is wrong.
    """

    reason: str
    aborted: bool
    drained: bool
    lost: bool
    script_failed: bool = False


class ResultBuilder:
    """Builds the result once a second during the run, and at its end.

    Until then, attempts and messages under way count as if the run were cut now, and timeline, events and
    distributions are in the status (`rows`, `marks`, `histograms`), where readers follow them by position.
    """

    def __init__(self, scenario: Scenario, recorder: TimelineRecorder, fleet: WorkerFleet, monitor: RunMonitor) -> None:
        self._scenario = scenario
        self._masked = masked(scenario)
        self._recorder = recorder
        self._fleet = fleet
        self._monitor = monitor
        self._past_stages: list[StageSummary] = []
        self._past_distributions: dict[str, Distribution] = {}

    def build(
        self,
        *,
        started: datetime | None,
        duration_s: float,
        active_s: float,
        paused_s: float,
        target: TargetSummary | None,
        ending: Ending | None = None,
    ) -> Result:
        """Return the result up to now; with `ending`, that of a run that has ended."""
        recorder, fleet, monitor = self._recorder, self._fleet, self._monitor
        latest = recorder.latest
        whole = Window(msgspec.structs.replace(latest, counters=cut_short(latest.counters)), active_s)
        counters = whole.totals.counters
        # A cooldown is counted, but not part of a rate.
        rates = recorder.whole(active_s).messages()
        verdict = self._verdict(ending, counters, active_s)
        return Result(
            scenario=self._masked,
            started=stamp(started),
            finished=stamp(),
            duration_s=round(duration_s, 3),
            paused_s=round(paused_s, 3),
            clients_max=recorder.clients_max,
            verdict=verdict,
            connections=msgspec.structs.replace(
                whole.connections(), per_second=_connects_per_second(self._scenario, recorder, active_s)
            ),
            messages=msgspec.structs.replace(
                whole.messages(fleet.totals.types()),
                sent_per_second=rates.sent_per_second,
                received_per_second=rates.received_per_second,
            ),
            latency_ms=whole.latency(),
            fanout=FanOutSummary.of(fleet.totals.fanout, counters.late_broadcasts),
            auth=_auth(fleet),
            subscriptions=(
                Subscriptions(counters.subscribes, counters.subscribe_acks, counters.filter_leaks)
                if counters.subscribes
                else None
            ),
            slow_readers=(
                SlowReadersResult(counters.slow_readers, counters.slow_closed, fleet.totals.slow_endings())
                if counters.slow_readers
                else None
            ),
            steps=[StepSummary.of(row, active_s) for row in whole.totals.steps.rows],
            roles=[
                RoleSummary(name, n.ready, n.begun, n.completed, n.failed, n.cut)
                for name, n in whole.totals.steps.roles.items()
            ],
            sequence=(
                SequenceSummary(
                    counters.sequence_received,
                    counters.sequence_gaps,
                    counters.sequence_repeats,
                    counters.sequence_disorder,
                )
                if counters.sequence_received
                else None
            ),
            login=LoginSummary.of(whole.totals.steps.rows, monitor.failures, active_s),
            target=target,
            route=RouteSummary.of(self._scenario, fleet.totals.addresses()),
            failures=[_failure(group) for group in monitor.failures],
            generator=self._generator(counters),
            stages=self._stages(active_s),
            events=[Event(mark.at_s, mark.kind, mark.text) for mark in recorder.marks] if ending else [],
            timeline=[row.values() for row in recorder.rows] if ending else [],
            histograms={name: encode_hdr(data) for name, data in self.distributions().items()} if ending else {},
        )

    def distributions(self) -> dict[str, Distribution]:
        """Return the non-empty distributions by their names in a result."""
        recorder = self._recorder
        total = recorder.latest
        found = {
            "response": total.response,
            "round_trip": total.round_trip,
            "connect": total.connect,
            "reconnect": total.reconnect,
        }
        for record in recorder.stages:
            name = f"response@{record.name}"
            data = self._past_distributions.get(name)
            if data is None:
                data = record.window(total, 0.0).totals.response
                if record is not recorder.stages[-1]:
                    self._past_distributions[name] = data
            found[name] = data
        if recorder.fanout.messages:
            found |= {"fanout.spread": recorder.fanout.spread, "delivery": recorder.fanout.delivery}
        found |= {f"{row.kind}.{row.role}.{row.name}": row.response for row in total.steps.rows}
        return {name: data for name, data in found.items() if data.counts}

    def _verdict(self, ending: Ending | None, counters: Counters, active_s: float) -> Verdict:
        monitor = self._monitor
        if ending is None:
            return Verdict(
                passed=False,
                reason=RUNNING,
                generator_limited=bool(monitor.limited_by),
                thresholds=list(monitor.outcomes),
                running=True,
            )
        return conclude(
            monitor.outcomes,
            limited_by=monitor.limited_by,
            ended_by=ending.reason,
            aborted=ending.aborted,
            drained=ending.drained,
            unreachable=not ending.reason and found_no_target(counters, monitor.failures),
            lost=ending.lost,
            script_failed=ending.script_failed,
            missing=missing_load(self._scenario, counters, monitor.failures, active_s),
            invalid=others_replies(
                self._masked,
                clients=counters.ready,
                sent=counters.sent,
                odd=counters.duplicates + counters.unmatched,
            ),
            # a search ends in the middle of its load
            unreached=0 if self._scenario.breakpoint else counters.unreached,
        )

    def _generator(self, counters: Counters) -> GeneratorSummary:
        recorder, fleet, monitor = self._recorder, self._fleet, self._monitor
        return GeneratorSummary(
            fleet.size,
            len(fleet.totals.lost),
            recorder.cpu_mean,
            recorder.cpu_max if recorder.rows else None,
            Latency.of(recorder.lag.data()),
            Latency.of(recorder.latest.send_delay),
            counters.late_sends,
            max((s.health.files for s in fleet.totals.latest().values()), default=0),
            list(monitor.limited_by),
            host_summaries(fleet),
            fleet.totals.missed,
            None if monitor.taken is None else round(monitor.taken.processors, 2),
            round(fleet.clock.stalled_s, 1),
        )

    def _stages(self, active_s: float) -> list[StageSummary]:
        recorder = self._recorder
        # The last stage may still change: it continues, or is amended at the end.
        for record in recorder.stages[len(self._past_stages) : -1]:
            self._past_stages.append(_stage(record, recorder, active_s))
        return [*self._past_stages, *(_stage(record, recorder, active_s) for record in recorder.stages[-1:])]


def settle_of(scenario: Scenario) -> float:
    """Return for how many seconds connections have to stay open before their clients count as ready."""
    if scenario.roles:
        settles = not any(role.open or role.script or not role.connect for role in Lowered(scenario).roles)
    else:
        settles = scenario.target.ready == "open"
    return scenario.target.settle if settles else 0.0


def _connects_per_second(scenario: Scenario, recorder: TimelineRecorder, active_s: float) -> float | None:
    """Return clients that became ready per second over the stages that add clients, or over all if none does."""
    ready, seconds, before = 0, 0.0, 0
    for index, (stage, _) in enumerate(zip(scenario.stages, recorder.stages, strict=False)):
        if stage.arrive or (stage.clients or 0) > before:
            came, within_s = recorder.came(index, active_s)
            ready += came
            seconds += within_s
        before = before if stage.clients is None else stage.clients
    if seconds > 0:
        return ready / seconds
    return recorder.whole(active_s).connections().per_second


def _auth(fleet: WorkerFleet) -> list[AuthOutcome]:
    admitted = fleet.totals.admitted()
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


def _stage(record: StageRecord, recorder: TimelineRecorder, active_s: float) -> StageSummary:
    window = record.window(recorder.latest, active_s)
    ended_s = record.ended_s if record.ended is not None else max(record.began_s, recorder.latest.at_ns / 1e9)
    return StageSummary(
        record.name,
        record.began_s,
        ended_s,
        window.connections(),
        window.messages(),
        window.latency(),
        round(window.active_s, 3),
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
        dict(sorted(group.addresses.items())),
    )
