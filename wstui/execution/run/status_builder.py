"""Builds the status of a run."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import msgspec

from wstui.execution.run.host_status import host_statuses, ports_limit, unreplaced_workers
from wstui.execution.run.load_controller import LoadController, Plan
from wstui.execution.run.result import NOT_STARTED
from wstui.execution.run.result_builder import Ending, ResultBuilder
from wstui.execution.run.result_sections import NS_PER_MS
from wstui.execution.run.run_monitor import RunMonitor
from wstui.execution.run.state import State
from wstui.execution.run.status import GeneratorStatus, StageStatus, Status, TargetHealth, WorkerStatus
from wstui.execution.run.target.monitor import TargetWatch
from wstui.execution.run.timeline_recorder import TimelineRecorder
from wstui.execution.run.verdict import undecided
from wstui.fleet.fleet import WorkerFleet
from wstui.fleet.hosts.host_probe import hosts_of
from wstui.load.protocol import TraceLine
from wstui.measure.histogram import Distribution
from wstui.scenario.model import Scenario
from wstui.scenario.secret_fields import mask_of

_LADDER = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000)
_STEPS_SHOWN = 8


def spread_of(histogram: Distribution) -> tuple[tuple[float | None, float], ...]:
    """Return at most eight (upper bound in ms, share) steps of 1-2-5, the last one open-ended."""
    if not histogram.count:
        return ()
    above = [histogram.above(round(bound * NS_PER_MS)) for bound in _LADDER]
    first = next((i for i, n in enumerate(above) if n < histogram.count), len(_LADDER) - 1)
    first = max(0, min(first, len(_LADDER) - _STEPS_SHOWN + 1))
    steps: list[tuple[float | None, float]] = []
    before = histogram.count
    for bound, n in list(zip(_LADDER, above, strict=True))[first : first + _STEPS_SHOWN - 1]:
        steps.append((float(bound), (before - n) / histogram.count))
        before = n
    steps.append((None, before / histogram.count))
    return tuple(steps)


class StatusBuilder:
    """Computes once a second what changes once a second."""

    def __init__(
        self,
        scenario: Scenario,
        fleet: WorkerFleet,
        recorder: TimelineRecorder,
        controller: LoadController,
        monitor: RunMonitor,
        watched: Sequence[TraceLine] = (),
    ) -> None:
        self._watched = watched
        self._scenario = scenario
        self._host = socket.gethostname()
        self._fleet = fleet
        self._recorder = recorder
        self._controller = controller
        self._monitor = monitor
        self._results = ResultBuilder(scenario, recorder, fleet, monitor)
        self._mask = mask_of(scenario)
        self._url = self._mask(scenario.target.url)
        self._computed: tuple[State, int] | None = None  # state and rows for which the following was computed
        self._result = NOT_STARTED
        self._spread: tuple[tuple[float | None, float], ...] = ()
        self._histograms: dict[str, Distribution] = {}

    def first(self) -> Status:
        """Return the status before the start."""
        stages = self._scenario.stages
        plan = Plan(stages)
        verdict = msgspec.structs.replace(NOT_STARTED.verdict, thresholds=undecided(self._scenario))
        return Status(
            State.STARTING,
            self._scenario,
            self._url,
            self._host,
            plan_total_s=self._scenario.duration_s,
            stages=tuple(StageStatus(s.name, s.over, clients=plan.clients(i)) for i, s in enumerate(stages)),
            every_s=self._scenario.messages.every,
            result=msgspec.structs.replace(NOT_STARTED, verdict=verdict),
        )

    def of(
        self,
        *,
        state: State,
        started: datetime | None,
        elapsed_s: float,
        paused_s: float,
        target: TargetWatch | None,
        note: str,
        ending: Ending | None,
    ) -> Status:
        """Return the current status; with `ending`, the final one."""
        fleet, recorder, controller = self._fleet, self._recorder, self._controller
        plan, plan_ns = controller.plan, controller.plan_ns
        rows = recorder.rows.end
        if self._computed != (state, rows) or ending is not None:
            self._computed = state, rows
            self._spread = spread_of(recorder.latest.response)
            self._histograms = self._results.distributions()
            self._result = self._results.build(
                started=started,
                duration_s=elapsed_s,
                active_s=controller.active_s,
                paused_s=paused_s,
                target=target.summary() if target is not None else None,
                ending=ending,
            )
        counters = fleet.totals.counters()
        stages = tuple(
            StageStatus(
                stage.name,
                stage.over,
                plan.elapsed_s(index, plan_ns),
                plan.clients(index),
                done=index < plan.index,
                current=index == plan.index and not state.ended,
            )
            for index, stage in enumerate(plan.stages)
        )
        return Status(
            state,
            self._scenario,
            self._url,
            self._host,
            started,
            elapsed_s,
            plan_ns / 1e9,
            plan_ns / 1e9 + plan.left_s(plan_ns),
            stages,
            controller.target_clients,
            controller.every_s,
            controller.turns,
            counters,
            self._spread,
            self._histograms,
            recorder.rows,
            recorder.marks,
            _generator(fleet, counters.sent, counters.late_sends, self._monitor.limited_by),
            target=self._masked(target.latest) if target is not None and target.latest is not None else None,
            note=self._mask(note or (_startup_note(self._scenario) if state is State.STARTING else "")),
            result=self._result,
            watched=self._watched,
        )

    def _masked(self, target: TargetHealth) -> TargetHealth:
        claims = tuple(replace(claim, text=self._mask(claim.text)) for claim in target.claims)
        return replace(target, claims=claims, note=self._mask(target.note))


def _generator(fleet: WorkerFleet, sent: int, late: int, limited: tuple[str, ...]) -> GeneratorStatus:
    workers = []
    files = files_limit = ports = 0
    for number, snapshot in sorted(fleet.totals.latest().items()):
        health = snapshot.health
        alive = fleet.totals.alive(number)
        clients = snapshot.totals.counters.open if alive else 0
        workers.append(
            WorkerStatus(
                number,
                alive,
                clients,
                health.cpu if alive else 0.0,
                health.loop_lag_ns / NS_PER_MS if alive else 0.0,
                fleet.totals.age_s(number),
            )
        )
        if alive:
            files += health.files
            files_limit += health.files_limit
            ports += health.ports
    return GeneratorStatus(
        tuple(workers),
        max((s.cpu for s in workers), default=0.0),
        max((s.loop_lag_ms for s in workers), default=0.0),
        files,
        files_limit,
        ports,
        ports_limit(fleet),
        late,
        late / sent if sent else 0.0,
        limited,
        host_statuses(fleet),
        *unreplaced_workers(fleet),
    )


def _startup_note(scenario: Scenario) -> str:
    """Return what the run waits for before it begins, or "" if startup is quick."""
    if scenario.fleet.scheduler:
        return "joining the Dask cluster"
    names = ", ".join(host.name for host in hosts_of(scenario))
    return f"connecting to {names}" if names else ""
