"""Status and summary of each host."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from wstui.execution.run.limits import host_mark
from wstui.execution.run.machine_sections import HostSummary
from wstui.execution.run.status import HostStatus

if TYPE_CHECKING:
    from wstui.fleet.fleet import WorkerFleet  # slow to import, and not needed by screens

MARKS = ("ok", "slow", "stale", "lost")
_NS_PER_MS = 1e6


def host_statuses(fleet: WorkerFleet) -> tuple[HostStatus, ...]:
    """Return the status of each host; empty if this machine makes the load."""
    now_ns = time.monotonic_ns()
    latest = fleet.totals.latest()
    found = []
    for host in fleet.hosts():
        there = [worker for worker in host.workers if fleet.totals.alive(worker)]
        health = [latest[worker].health for worker in there if worker in latest]
        # A host that answers may still have a silent worker.
        ages = [fleet.totals.age_s(worker) for worker in there if worker in latest]
        ages = ages or [(now_ns - host.last_message_ns) / 1e9]
        lag_ms = max((h.loop_lag_ns for h in health), default=0) / _NS_PER_MS
        round_trip_ms = _ms(host.round_trip_ns)
        found.append(
            HostStatus(
                host.name,
                host_mark(host.alive and bool(there), max(ages), round_trip_ms, lag_ms)
                if host.workers
                else host_mark(not host.reason, 0.0, None, 0.0),
                len(host.workers),
                len(host.workers) - len(there),
                sum(latest[worker].totals.counters.open for worker in there if worker in latest),
                max((h.cpu for h in health), default=0.0),
                lag_ms,
                max(ages),
                round_trip_ms,
                host.reason,
            )
        )
    return tuple(found)


def host_summaries(fleet: WorkerFleet) -> list[HostSummary]:
    latest = fleet.totals.latest()
    found = []
    for host in fleet.hosts():
        counted = [latest[worker].totals.counters for worker in host.workers if worker in latest]
        peaks = [fleet.totals.peaks[worker] for worker in host.workers if worker in fleet.totals.peaks]
        found.append(
            HostSummary(
                name=host.name,
                workers=len(host.workers),
                workers_lost=sum(not fleet.totals.alive(worker) for worker in host.workers),
                ready=sum(counters.ready for counters in counted),
                sent=sum(counters.sent for counters in counted),
                received=sum(counters.received for counters in counted),
                clients_max=sum(peak.clients for peak in peaks),
                cpu_max=max((peak.cpu for peak in peaks), default=None),
                loop_lag_max_ms=_ms(max((peak.loop_lag_ns for peak in peaks), default=None)),
                round_trip_ms=_ms(host.round_trip_ns),
                clock_offset_ms=_ms(host.offset_ns),
                clock_uncertainty_ms=_ms(host.uncertainty_ns),
                python=host.facts.python if host.facts is not None else "",
                lost="" if host.alive else host.reason,
            )
        )
    return found


def _ms(ns: float | None) -> float | None:
    return None if ns is None else ns / _NS_PER_MS


def ports_limit(fleet: WorkerFleet) -> int:
    """Return the local ports of all hosts: the workers of a host share one pool."""
    pools: dict[str, int] = {}
    for worker, snapshot in fleet.totals.latest().items():
        if fleet.totals.alive(worker):
            pools[fleet.host_of(worker)] = snapshot.health.ports_limit
    return sum(pools.values())


def unreplaced_workers(fleet: WorkerFleet) -> tuple[int, int]:
    """Return the number of lost workers that were not replaced, and of their clients."""
    orphans = fleet.orphans()
    return len(orphans), sum(fleet.totals.clients_lost(worker) for worker in orphans)


def join_names(names: Sequence[str]) -> str:
    """Join as "host1, host2 and host3"."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
