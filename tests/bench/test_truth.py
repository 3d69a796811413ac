"""The truth that reports are held against is itself held against logs whose truth is plain."""

from __future__ import annotations

from tests.bench.truth import enveloped, planned, quantiles, stamped
from wstui.execution.calibrate.sink.message_log import NEVER, SinkLog
from wstui.load.schedule import phase
from wstui.load.timer_wheel import TICK_NS

SECOND = 1_000_000_000
TRANSIT = 30_000


def log_of(delays_ms: dict[int, list[float]]) -> SinkLog:
    """A log of clients that kept our schedule exactly, each reply sent so long after its message was due."""
    log = SinkLog()
    for connection, (client, delays) in enumerate(delays_ms.items()):
        first = 1000 * SECOND + phase(client, SECOND)
        for place, delay in enumerate(delays):
            due = -(-(first + place * SECOND) // TICK_NS) * TICK_NS
            received = due + TRANSIT if delay < 1000 else due + int(delay * 1e6) - 1
            log.add(client, connection, place + 1, received, due + int(delay * 1e6))
    return log


def test_a_schedule_that_was_kept_gives_the_delays_back() -> None:
    delays = {7: [5.0, 5.0, 2100.0, 1100.0, 5.0], 4: [1.0, 1.0, 1.0]}
    times = planned(log_of(delays), SECOND)
    assert [round(time, 6) for time in times] == [*delays[7], *delays[4]]


def test_arrivals_alone_give_them_to_less_than_a_millisecond() -> None:
    delays = {7: [5.0, 5.0, 2100.0, 1100.0, 5.0], 4: [1.0, 1.0, 1.0]}
    times = enveloped(log_of(delays), SECOND)
    assert all(abs(time - true) < 1 for time, true in zip(times, [*delays[7], *delays[4]], strict=True))


def test_a_reply_that_was_never_sent_has_no_response_time() -> None:
    log = log_of({1: [5.0, 5.0]})
    log.sent_ns[1] = NEVER
    assert len(planned(log, SECOND)) == len(enveloped(log, SECOND)) == 1


def test_a_stamp_in_the_message_gives_the_round_trip() -> None:
    log = SinkLog(epoch_ns=1_700_000_000 * SECOND)
    log.add(0, 0, 1_700_000_001_000, SECOND + 1, SECOND + 12_000_000)
    assert stamped(log) == [12.0]


def test_a_quantile_is_the_value_of_its_rank() -> None:
    assert quantiles(range(1, 101)) == {"p50": 50, "p95": 95, "p99": 99, "max": 100}
    assert quantiles([]) == {"p50": None, "p95": None, "p99": None, "max": None}
