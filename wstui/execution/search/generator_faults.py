"""Generator faults that explain a broken load. A refusal by the server is never the generator's doing."""

from __future__ import annotations

import collections
from collections.abc import Sequence
from dataclasses import dataclass

from wstui.execution.run.limits import LEAST_BUSY_S, is_busy, is_stalled, overload_reasons
from wstui.measure.failure import FailureGroup
from wstui.measure.format import grouped
from wstui.measure.snapshot import Counters
from wstui.measure.timeline import TimelineRow
from wstui.scenario.breakpoint import Of

LOAD = "load"
"""The reason when the requested load was not reached."""
UNEVEN = 0.1
"""A loop that stood still for this share of the interval in which it made connects made them in bursts."""
_OPENING = ("connect.success", "failures.rate")


@dataclass(frozen=True, slots=True)
class GeneratorFaults:
    """What the generator lacked in a step: `late` time to keep its schedule, `local` files, ports or processes,
    `bursts` evenness of its connects. `counted` is the step as a whole.
    """

    of: Of
    counted: Counters
    late: tuple[str, ...] = ()
    local: tuple[str, ...] = ()
    bursts: tuple[str, ...] = ()

    def reasons_for(self, metric: str) -> tuple[str, ...]:
        """Return the generator faults that explain why this metric, or the load, broke; empty without any."""
        if metric == "connections.dropped":
            return ()
        if metric in _OPENING or (metric == LOAD and self.of != "messages"):
            c = self.counted
            # A late generator explains long waits, but not a refusal or a closed connection.
            waited = c.timed_out + c.reply_timeouts > c.refused + c.dropped
            return (*self.local, *self.bursts, *(self.late if waited else ()))
        return (*self.late, *self.local, *self.bursts)


def generator_faults(
    of: Of,
    counted: Counters,
    *,
    rows: Sequence[TimelineRow],
    sends: Counters,
    seconds: float,
    stood_still_s: float,
    before: Sequence[FailureGroup],
    after: Sequence[FailureGroup],
) -> GeneratorFaults:
    """What the generator lacked: `rows` and `sends` are those of the measured interval of `seconds`, `before` and
    `after` the failures known when the step began and when it ended.
    """
    known = {group.key: group.count for group in before}
    more: collections.Counter[str] = collections.Counter()
    for group in after:
        if group.local:
            more[group.message] += group.count - known.get(group.key, 0)
    bursts = of == "connects" and stood_still_s > UNEVEN * seconds
    return GeneratorFaults(
        of,
        counted,
        tuple(
            overload_reasons(
                sum(is_busy(row.cpu, row.loop_lag_ms) for row in rows),
                sum(is_stalled(row.loop_lag_ms) for row in rows),
                sends,
                least_s=max(1, min(LEAST_BUSY_S, int(seconds))),
            )
        ),
        tuple(f"{grouped(count)} × {message}" for message, count in more.items() if count > 0),
        (f"connects came in bursts: the loop stood still for {stood_still_s * 1000:.0f} ms",) if bursts else (),
    )
