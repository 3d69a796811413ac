"""Was it us? Tells from a generator's own condition whether it distorted what it measured."""

from __future__ import annotations

from collections.abc import Sequence

from wstui.fleet.fleet import Fleet
from wstui.measure.failure import FailureGroup
from wstui.measure.snapshot import Counters
from wstui.measure.timeline import Row

LATE_SHARE = 0.01
"""More late sends than this share of all distort the response times' tail, which is where the limits are."""
BUSY = 0.95
LAG_MS = 50.0
BUSY_ROWS = 3
"""A shard that is this busy, with its loop this late, for this many seconds in all, measures itself."""


def limits_reached(
    rows: Sequence[Row], counters: Counters, failures: Sequence[FailureGroup], fleet: Fleet
) -> list[str]:
    """What of this generator limited the run, in words; empty when nothing did."""
    reasons = []
    if counters.sent and counters.late_sends / counters.sent > LATE_SHARE:
        reasons.append(f"{counters.late_sends / counters.sent:.1%} of the sends were late")
    busy = sum(1 for row in rows if row.cpu >= BUSY and row.loop_lag_ms >= LAG_MS)
    if busy >= BUSY_ROWS:
        reasons.append(f"CPU at its limit for {busy} s")
    lagging = sum(1 for row in rows if row.loop_lag_ms >= 4 * LAG_MS)
    if lagging >= BUSY_ROWS and busy < BUSY_ROWS:
        reasons.append(f"the loop stood still for more than {4 * LAG_MS:g} ms in {lagging} s of the run")
    local = [group for group in failures if group.local and group.kind != "shard lost"]
    reasons.extend(f"{group.count} × {group.message}" for group in local)
    if fleet.lost:
        reasons.append(f"{len(fleet.lost)} of {fleet.size} load processes lost")
    return reasons
