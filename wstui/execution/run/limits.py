"""The policy of limits: what counts as near, busy, late or over; screens, reports and verdicts only show it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Literal

from wstui.execution.run.result_sections import ThresholdOutcome
from wstui.execution.run.status import GeneratorStatus
from wstui.measure.failure import FailureGroup
from wstui.measure.format import grouped
from wstui.measure.snapshot import Counters

Level = Literal["ok", "near", "bad"]

NEAR = 0.8
"""From this share of a limit on, a figure is near it."""
FULL = 0.95
"""From this share on, a processor, the files or the ports are used up."""
LATE_SHARE = 0.01
"""More late sends than this share distort the tail of the response times, which is what thresholds judge."""
LATE_LEAST = 5
"""Fewer late sends than these are chance."""
LAG_MS = 50.0
"""A loop this late on a full processor measures itself."""
STALL_MS = 4 * LAG_MS
"""A loop this late stood still, whatever its processor did."""
LEAST_BUSY_S = 3
"""A generator that is at its limit for fewer seconds had a hiccup."""
OTHERS_SHARE = 0.2
"""Other programs that take less than this share of the machine are not what limited it."""
OTHERS_BUSY = 0.5
"""Other programs that take more than this share before a run begins are worth a warning."""
SLOW_RAMP = 0.9
"""Clients that came at less than this share of the planned rate came slowly."""
COMPLETE = 0.9995
"""From this share on, every client counts as having received every broadcast: clocks and closing take the rest."""
STALE_S = 1.0
SILENT_S = 3.0
"""The silence of a worker that is marked on the timeline."""
SLOW_MS = 250.0
"""A host whose answers take longer is slow."""


def level_of(value: float, near: float, bad: float) -> Level:
    """Return where a figure stands that gets worse as it grows."""
    return "bad" if value >= bad else "near" if value >= near else "ok"


def use_level(share: float) -> Level:
    """Return where the use of a processor, of files or of ports stands."""
    return level_of(share, NEAR, FULL)


def need_level(share: float) -> Level:
    """Return where a need stands, as a share of what there is: all of it may be used, but not more."""
    return "bad" if share > 1 else "near" if share >= NEAR else "ok"


def lag_level(loop_lag_ms: float) -> Level:
    """Return where the lateness of a loop stands."""
    return level_of(loop_lag_ms, LAG_MS, STALL_MS)


def late_level(late_sends: int, late_share: float) -> Level:
    """Return where late sends stand; "bad" is what limits a verdict."""
    if late_sends < LATE_LEAST:
        return "ok"
    return "bad" if late_share > LATE_SHARE else "near" if late_share >= NEAR * LATE_SHARE else "ok"


def generator_level(own: GeneratorStatus) -> Level:
    """Return where a generator stands: "bad" only if it is the limit of the run."""
    if own.limited_by:
        return "bad"
    levels = [
        use_level(own.cpu),
        use_level(own.files / own.files_limit if own.files_limit else 0.0),
        use_level(own.ports / own.ports_limit if own.ports_limit else 0.0),
        lag_level(own.loop_lag_ms),
        late_level(own.late_sends, own.late_share),
    ]
    return "ok" if all(level == "ok" for level in levels) else "near"


def threshold_level(outcome: ThresholdOutcome) -> Level | Literal[""]:
    """Return where a threshold stands, "" while it is undecided."""
    if outcome.passed is None:
        return ""
    if not outcome.passed:
        return "bad"
    return "near" if outcome.used is not None and outcome.used >= NEAR else "ok"


def worst_threshold(outcomes: Sequence[ThresholdOutcome], *metrics: str) -> Level | Literal[""]:
    """Return the worst level of the thresholds whose metric starts with one of `metrics`, or of all."""
    found = {threshold_level(o) for o in outcomes if not metrics or o.metric.startswith(metrics)}
    for level in ("bad", "near", "ok"):
        if level in found:
            return level
    return ""


def host_mark(alive: bool, age_s: float, round_trip_ms: float | None, lag_ms: float) -> str:
    """Return "lost" (given up), "stale" (silent), "slow" (answers or loops late) or "ok"."""
    if not alive:
        return "lost"
    if age_s > STALE_S:
        return "stale"
    late = round_trip_ms is not None and round_trip_ms > SLOW_MS
    return "slow" if late or lag_level(lag_ms) != "ok" else "ok"


def shortage(clients: int, open_clients: int, own: GeneratorStatus) -> str:
    """Return what this machine lacks for so many clients, in words, or ""."""
    other_files = max(0, own.files - open_clients)
    if 0 < own.ports_limit < clients:
        ports = grouped(own.ports_limit)
        return f"more than the {ports} local ports of this machine: the rest will fail here, not there"
    if 0 < own.files_limit < clients + other_files:
        return f"more than the {grouped(own.files_limit)} open files allowed here: raise the limit with ulimit -n"
    return ""


def limiting_factors(
    busy_s: int,
    stalled_s: int,
    counters: Counters,
    failures: Sequence[FailureGroup],
    *,
    workers: int = 1,
    workers_lost: int = 0,
    hosts_lost: str = "",
    silent_s: float = 0.0,
) -> list[str]:
    """Return how this generator limited the run, in words; empty if it did not.

    The lost hosts had not been heard for `silent_s` at most.
    """
    reasons = overload_reasons(busy_s, stalled_s, counters)
    local = [group for group in failures if group.local and group.kind != "worker lost"]
    reasons.extend(f"{grouped(group.count)} × {group.message}" for group in local)
    if workers_lost:
        reasons.append(f"{workers_lost} of {workers} workers lost")
    if hosts_lost:
        # A host that is cut off continues until its lease is over, and reports nothing.
        reasons.append(f"up to {max(1, ceil(silent_s))} s of {hosts_lost} are not in these figures")
    return reasons


def is_busy(cpu: float, loop_lag_ms: float) -> bool:
    """Return whether a generator was at its limit in a second: a late loop on a full processor."""
    return cpu >= FULL and loop_lag_ms >= LAG_MS


def is_stalled(loop_lag_ms: float) -> bool:
    """Return whether the loop stood still in a second."""
    return loop_lag_ms >= STALL_MS


def overload_reasons(busy_s: int, stalled_s: int, counters: Counters, *, least_s: int = LEAST_BUSY_S) -> list[str]:
    """Return why an interval of a run was overloaded: its busy and stalled seconds, of which `least_s` count, and its
    late sends.
    """
    reasons = []
    share = counters.late_sends / counters.sent if counters.sent else 0.0
    if late_level(counters.late_sends, share) == "bad":
        reasons.append(f"{share * 100:.1f} % of the sends were late")
    if busy_s >= least_s:
        reasons.append(f"CPU at its limit for {busy_s} s")
    elif stalled_s >= least_s:
        reasons.append(f"the loop stood still for more than {STALL_MS:g} ms in {stalled_s} s of the run")
    return reasons
