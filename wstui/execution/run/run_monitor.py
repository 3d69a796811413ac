"""Checks a run once a second and marks broken thresholds, an overloaded generator and silent workers."""

from __future__ import annotations

from collections.abc import Callable

from wstui.execution.run.contention import Contention, Taken
from wstui.execution.run.host_status import join_names
from wstui.execution.run.limits import SILENT_S, limiting_factors
from wstui.execution.run.send_plan import SendPlan
from wstui.execution.run.timeline_recorder import TimelineRecorder
from wstui.execution.run.verdict import explain, judge, judged_by, undecided
from wstui.fleet.fleet import WorkerFleet
from wstui.measure.failure import FailureGroup
from wstui.measure.format import limit_words
from wstui.scenario.model import Scenario

LOOKS = 30
"""After the first few, only each so many seconds an overloaded generator measures other programs."""


class RunMonitor:
    """Knows the thresholds so far, what limits the generator, and silent workers."""

    def __init__(
        self, scenario: Scenario, recorder: TimelineRecorder, fleet: WorkerFleet, mark: Callable[[str, str], None]
    ) -> None:
        """`mark` takes the kind and the text of a mark."""
        self.outcomes = undecided(scenario)
        self.limited_by: tuple[str, ...] = ()
        self.failures: tuple[FailureGroup, ...] = ()
        self._scenario = scenario
        self._thresholds = judged_by(scenario)
        self._recorder = recorder
        self._fleet = fleet
        self._mark = mark
        self.taken: Taken | None = None  # by other programs, while the generator was the limit
        self._contention: Contention | None = None
        self._looks = 0
        self._sends = SendPlan(scenario)
        self._broken: set[int] = set()
        self._silent: set[int] = set()

    def look(self, active_s: float, every_s: float) -> str:
        """Check once more; return why the run must stop now, or "". `every_s` is the current send interval."""
        if self._contention is None and not self._scenario.fleet.is_remote:
            self._contention = Contention()
        self._sends.add(self._fleet, active_s, every_s)
        self._look_at_generator()
        self._look_at_workers()
        return self._look_at_thresholds(active_s)

    def conclude(self, active_s: float) -> None:
        """Check a last time: a threshold that was never measured is broken."""
        self._look_at_generator(final=True)  # CPU times of ended workers are gone
        self.outcomes = judge(self._scenario, self._thresholds, self._recorder, active_s, final=True)

    def _look_at_generator(self, *, final: bool = False) -> None:
        self.failures = tuple(self._fleet.totals.failures())
        counters = self._recorder.latest.counters
        lost = [host for host in self._fleet.hosts() if not host.alive]
        limited = (
            *limiting_factors(
                self._recorder.busy_s,
                self._recorder.stalled_s,
                counters,
                self.failures,
                workers=self._fleet.size,
                workers_lost=len(self._fleet.totals.lost),
                hosts_lost=join_names([host.name for host in lost]),
                unheard_s=max((host.unheard_s for host in lost), default=0.0),
            ),
            *self._sends.short(self._fleet),
        )
        if limited and not final and self._contention is not None:
            if self._looks < 3 or not self._looks % LOOKS:
                self.taken = self._contention.taken()
            self._looks += 1
        if limited and self.taken is not None:
            limited = (*limited, str(self.taken))
        if limited and not self.limited_by:
            self._mark("generator", f"the generator is the limit: {'; '.join(limited)}")
        self.limited_by = limited

    def _look_at_workers(self) -> None:
        for worker in self._fleet.totals.latest():
            silent = self._fleet.totals.alive(worker) and self._fleet.totals.silent_s(worker) > SILENT_S
            host = self._fleet.host_of(worker)
            where = f"worker {worker} on {host}" if host else f"worker {worker}"
            if silent and worker not in self._silent:
                self._silent.add(worker)
                self._mark("worker", f"{where} silent for {SILENT_S:g} s")
            elif not silent and worker in self._silent and self._fleet.totals.alive(worker):
                self._silent.discard(worker)
                self._mark("worker", f"{where} is heard again")

    def _look_at_thresholds(self, active_s: float) -> str:
        self.outcomes = judge(self._scenario, self._thresholds, self._recorder, active_s, final=False)
        for index, (threshold, outcome) in enumerate(zip(self._thresholds, self.outcomes, strict=True)):
            if outcome.passed is False and index not in self._broken:
                self._broken.add(index)
                self._mark("broken", explain(outcome))
            elif outcome.passed and index in self._broken:
                self._broken.discard(index)
                self._mark("kept", f"{outcome.metric} back within {limit_words(outcome.limit)}")
            if outcome.passed is False and threshold.abort_on_fail and active_s >= threshold.after:
                return f"stopped: {explain(outcome)}"
        return ""
