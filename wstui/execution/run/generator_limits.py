"""Was it us? Tells from a generator's own condition whether it distorted what it measured."""

from __future__ import annotations

from collections.abc import Sequence

from wstui.execution.run.host_status import LOST_S, named
from wstui.fleet.fleet import Fleet
from wstui.measure.failure import FailureGroup
from wstui.measure.snapshot import Counters
from wstui.measure.timeline import TimelineRow
from wstui.scenario.units import grouped

LATE_SHARE = 0.01
"""More late sends than this share of all distort the response times' tail, which is where the limits are."""
LATE_LEAST = 5
"""Fewer late sends than these are chance."""
BUSY = 0.95
LAG_MS = 50.0
BUSY_ROWS = 3
"""A worker that is this busy, with its loop this late, for this many seconds in all, measures itself."""


def limiting_factors(
    rows: Sequence[TimelineRow], counters: Counters, failures: Sequence[FailureGroup], fleet: Fleet
) -> list[str]:
    """What of this generator limited the run, in words; empty when nothing did."""
    reasons = overload_reasons(rows, counters)
    local = [group for group in failures if group.local and group.kind != "worker lost"]
    reasons.extend(f"{grouped(group.count)} × {group.message}" for group in local)
    if fleet.lost:
        reasons.append(f"{len(fleet.lost)} of {fleet.size} workers lost")
    if cut := [host.name for host in fleet.hosts() if not host.alive]:
        # A host that is cut off goes on until its lease is over, and nobody hears of it.
        reasons.append(f"up to {LOST_S:g} s of {named(cut)} are not in these figures")
    return reasons


def overload_reasons(rows: Sequence[TimelineRow], counters: Counters, *, least_rows: int = BUSY_ROWS) -> list[str]:
    """Whether a stretch of a run was late or out of breath: its rows, what was counted in it, and how many busy
    rows of it count."""
    reasons = []
    if counters.late_sends >= LATE_LEAST and counters.late_sends / counters.sent > LATE_SHARE:
        reasons.append(f"{counters.late_sends / counters.sent:.1%} of the sends were late")
    busy = sum(1 for row in rows if row.cpu >= BUSY and row.loop_lag_ms >= LAG_MS)
    if busy >= least_rows:
        reasons.append(f"CPU at its limit for {busy} s")
    lagging = sum(1 for row in rows if row.loop_lag_ms >= 4 * LAG_MS)
    if lagging >= least_rows and busy < least_rows:
        reasons.append(f"the loop stood still for more than {4 * LAG_MS:g} ms in {lagging} s of the run")
    return reasons
