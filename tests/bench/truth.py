"""True response times, computed from the sink's log.

The true response time of a message is the moment at which the sink handed its reply to the kernel less the moment at
which the message was *meant* to be sent. Both are on CLOCK_MONOTONIC, which all processes of a machine share. What
a message costs after that (the way back, the client's own delay in reading) is not in it: a generator that reports
more than the truth adds that much of its own.

The intended moment is known in three ways:

`planned`     our own schedule, a pure function of the client's number (`wstui.load.schedule`) rounded up to the
              schedule's grid; exact, but it believes the code under test.
`enveloped`   for any tool whose clients send every T seconds: a client's messages should arrive on a grid of T, and
              the one that came soonest relative to it lies on it. Too small by the least transit (tens of µs).
`stamped`     for any tool whose messages carry their own send time in epoch milliseconds: what a *round trip* should
              be, to a millisecond. Blind to messages that were sent late or never.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from wstui.execution.calibrate.sink.message_log import NEVER, SinkLog
from wstui.load.schedule import phase
from wstui.load.timer_wheel import TICK_NS

SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """The value of rank ceil(share·n) of values in ascending order, None when there is none."""
    return ordered[max(1, math.ceil(share * len(ordered))) - 1] if ordered else None


def quantiles(values: Iterable[float]) -> dict[str, float | None]:
    """p50, p95, p99 and max."""
    ordered = sorted(values)
    return {name: quantile(ordered, share) for name, share in SHARES.items()}


def planned(log: SinkLog, every_ns: int) -> list[float]:
    """True response times in ms by our own schedule; a message that was not answered is left out."""
    times = []
    for rows in _by_client(log).values():
        number = log.client[rows[0]]
        offset = phase(number, every_ns)
        # The first message of a client is there within one interval of its time.
        first = (log.received_ns[rows[0]] - offset) // every_ns
        for row in rows:
            due = offset + (first + log.key[row] - log.key[rows[0]]) * every_ns
            due = -(-due // TICK_NS) * TICK_NS
            if log.sent_ns[row] != NEVER:
                times.append((log.sent_ns[row] - due) / 1e6)
    return times


def enveloped(log: SinkLog, every_ns: int) -> list[float]:
    """True response times in ms by the lower envelope of each client's arrivals."""
    times: list[float] = []
    for rows in _by_client(log).values():
        grid = min(log.received_ns[row] - place * every_ns for place, row in enumerate(rows))
        times.extend(
            (log.sent_ns[row] - grid - place * every_ns) / 1e6
            for place, row in enumerate(rows)
            if log.sent_ns[row] != NEVER
        )
    return times


def stamped(log: SinkLog) -> list[float]:
    """True round trips in ms of messages whose key is their send time in epoch ms."""
    return [(sent + log.epoch_ns) / 1e6 - key for sent, key in zip(log.sent_ns, log.key, strict=True) if sent != NEVER]


def _by_client(log: SinkLog) -> dict[int, list[int]]:
    """The rows of each connection in the order of arrival."""
    rows: dict[int, list[int]] = {}
    for row, connection in enumerate(log.connection):
        rows.setdefault(connection, []).append(row)
    return rows
