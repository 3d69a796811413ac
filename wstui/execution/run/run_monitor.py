"""Checks a run once a second and marks broken thresholds, an overloaded generator and silent workers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from math import sqrt

from wstui.execution.run.contention import Contention, Taken
from wstui.execution.run.host_status import join_names
from wstui.execution.run.limits import SILENT_S, limiting_factors
from wstui.execution.run.timeline_recorder import TimelineRecorder
from wstui.execution.run.verdict import judge, judged_by, threshold_words, undecided
from wstui.fleet.fleet import WorkerFleet
from wstui.measure.failure import FailureGroup
from wstui.measure.format import grouped, limit_words
from wstui.measure.steps import RoleCounts
from wstui.scenario.model import Scenario

SHORT = 0.1
"""A shortfall above this share of planned sends, beyond chance, is blamed on the generator."""
LEAST = 10
"""Fewer planned sends prove nothing."""


class SendPlan:
    """Planned sends of each worker: its ready clients × their rate × the time, without pauses.

    With roles it plans rounds: a client between two rounds begins the next within `every`. A closed loop has no plan:
    replies set its pace. Times are those of our clock when a worker was last heard.
    """

    def __init__(self, scenario: Scenario) -> None:
        messages = scenario.messages
        self._sends = bool(scenario.roles) or not scenario.listens
        self._listeners = {role.name for role in scenario.roles if not role.loop}  # a script's rounds are its own
        self._rounds = bool(scenario.roles)
        self._jitter = messages.jitter if messages.arrivals == "jitter" else 0.0
        self._every_s = messages.every
        self._due: defaultdict[int, float] = defaultdict(float)
        self._seen: dict[int, tuple[float, int]] = {}  # active seconds and ready clients when last heard

    def add(self, fleet: WorkerFleet, active_s: float, every_s: float) -> None:
        """Count the sends due since the last call; `active_s` is the plan's clock."""
        slower_s, self._every_s = max(every_s, self._every_s), every_s
        for worker, snapshot in fleet.totals.latest().items():
            counters, roles = snapshot.totals.counters, snapshot.totals.steps.roles
            before_s, before = self._seen.get(worker, (0.0, 0))
            heard_s = max(before_s, active_s - fleet.totals.age_s(worker))
            # Draining clients and slow readers do not send.
            ready = max(0, min(counters.open, counters.wanted) - counters.slow_readers - self._occupied(roles))
            if self._sends and every_s > 0 and fleet.totals.alive(worker):
                self._due[worker] += min(before, ready) * (heard_s - before_s) / slower_s
            self._seen[worker] = heard_s, ready

    def _occupied(self, roles: Mapping[str, RoleCounts]) -> int:
        """Return how many ready clients of roles need not begin a round: at most, for listeners that came back."""
        return sum(
            n.ready if name in self._listeners else n.begun - n.completed - n.failed - n.cut
            for name, n in roles.items()
        )

    def short(self, fleet: WorkerFleet) -> list[str]:
        """Return a text for each host, or worker of this machine, that sent far less than planned."""
        due: defaultdict[str, float] = defaultdict(float)
        sent: defaultdict[str, int] = defaultdict(int)
        spare: defaultdict[str, float] = defaultdict(float)
        for worker, planned in self._due.items():
            where = fleet.host_of(worker) or (f"worker {worker}" if fleet.size > 1 else "this machine")
            totals = fleet.totals.latest()[worker].totals
            counters = totals.counters
            due[where] += planned
            sent[where] += sum(n.begun for n in totals.steps.roles.values()) if self._rounds else counters.sent
            spare[where] += self._jitter * counters.ready  # a send that was moved beyond the end
        did, what = ("began", "rounds") if self._rounds else ("sent", "messages")
        return [
            f"{where} {did} {grouped(sent[where])} of about {grouped(round(planned))} planned {what}"
            for where, planned in due.items()
            if planned >= LEAST and planned - sent[where] > SHORT * planned + 3 * sqrt(planned) + spare[where]
        ]


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
                silent_s=max((host.silent_s for host in lost), default=0.0),
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
                self._mark("broken", threshold_words(outcome))
            elif outcome.passed and index in self._broken:
                self._broken.discard(index)
                self._mark("kept", f"{outcome.metric} back within {limit_words(outcome.limit)}")
            if outcome.passed is False and threshold.abort_on_fail and active_s >= threshold.after:
                return f"stopped: {threshold_words(outcome)}"
        return ""
