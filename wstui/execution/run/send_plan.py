"""Compares planned and actual sends, so that a worker with silent clients is noticed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from math import sqrt

from wstui.fleet.fleet import WorkerFleet
from wstui.measure.format import grouped
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
