"""What makes a load hold: judged over the step or where it was measured, with silence and this generator in mind."""

from __future__ import annotations

from dataclasses import replace

from wstui.execution.search.step import Checkpoint, Measured, frozen, judge_step
from wstui.measure.failure import FailureGroup
from wstui.measure.fanout import FanOut, TypeFanOut
from wstui.measure.histogram import Histogram
from wstui.measure.snapshot import Counters, Totals
from wstui.measure.timeline import TimelineRow
from wstui.scenario.model import Threshold

MS = 1_000_000
P99 = Threshold(metric="response.p99", limit="< 20ms")
NOTHING = Checkpoint(Totals(), 0.0, 0.0, FanOut())


def cut(at_s: float, responses: tuple[tuple[int, int], ...] = (), **counters: int) -> Checkpoint:
    """A cut at `at_s`, with (how many, how long in ms) responses so far."""
    histogram = Histogram()
    for count, ms in responses:
        for _ in range(count):
            histogram.record(ms * MS)
    matched = sum(count for count, _ in responses)
    counted = Counters(**{"matched": matched, "sent": matched, **counters})
    return Checkpoint(Totals(int(at_s * 1e9), counted, response=histogram.data()), at_s, at_s, FanOut())


def measured(
    opened: Checkpoint, ended: Checkpoint, *, reached: float = 100, rows: tuple[TimelineRow, ...] = ()
) -> Measured:
    return Measured("clients", 100, reached, NOTHING, opened, ended, rows)


def test_latency_is_judged_where_it_was_measured_and_connects_over_the_whole_step() -> None:
    slow_before = cut(10, ((500, 90),), attempted=100, ready=90, refused=10, open=90)
    good_after = cut(20, ((500, 90), (1000, 2)), attempted=100, ready=90, refused=10, open=90)
    step = judge_step(measured(slow_before, good_after), [P99], 0.1)
    assert step.held and (step.latency_ms.response.p99 or 99) < 3
    step = judge_step(measured(slow_before, good_after), [P99, Threshold(metric="connect.success", limit="> 95%")], 0.1)
    assert step.held is False and step.broken_on == "connect.success"
    assert step.why == "connect.success was 90 % (limit > 95 %)"
    assert step.connections.refused == 10 and step.messages.sent == 1000 and step.clients == 90


def test_what_was_not_measured_breaks_nothing() -> None:
    step = judge_step(measured(cut(10), cut(20)), [P99, Threshold(metric="connect.p95", limit="< 1ms")], 0.1)
    assert step.held and [outcome.passed for outcome in step.thresholds] == [None, None]


def test_a_load_that_was_not_there_did_not_hold() -> None:
    quick = cut(20, ((1000, 1),))
    assert judge_step(measured(cut(10), quick, reached=90), [P99], 0.1).held
    step = judge_step(measured(cut(10), quick, reached=89), [P99], 0.1)
    assert (step.held, step.broken_on, step.why) == (False, "load", "only 89 of 100 clients were reached")


def test_silence_is_not_fast() -> None:
    silent = judge_step(measured(cut(10), cut(20, sent=1000)), [P99], 0.1)
    assert silent.held is False and silent.broken_on == "response.p99" and silent.unanswered == 1000
    partly = judge_step(measured(cut(10), cut(20, ((970, 1),), sent=1000)), [P99], 0.1)
    assert partly.held is False, "3 % never came"
    upward = Threshold(metric="messages.received_per_second", limit="> 0/s")
    assert judge_step(measured(cut(10), cut(20, sent=1000)), [upward], 0.1).held is False


def test_a_message_that_wants_no_reply_is_not_waited_for() -> None:
    mixed = cut(20, ((250, 1),), sent=1000, no_reply_expected=750)
    step = judge_step(measured(cut(10), mixed), [P99], 0.1)
    assert step.held and step.unanswered == 0 and step.messages.no_reply_expected == 750
    silent = cut(20, sent=1000, no_reply_expected=750)
    assert judge_step(measured(cut(10), silent), [P99], 0.1).unanswered == 250


def test_replies_that_are_still_in_time_are_none_of_its_business() -> None:
    # 1000 a second: 20 may be on their way within the limit of 20 ms, and a few more by chance.
    busy = cut(20, ((10_000, 1),), sent=10_025)
    assert judge_step(measured(cut(10), busy), [P99], 0.1).held
    assert judge_step(measured(cut(10), cut(20, ((100, 1),), sent=101)), [P99], 0.1).held


def test_the_generator_is_only_to_blame_where_something_broke() -> None:
    late = cut(20, ((1000, 2),), late_sends=100)
    assert judge_step(measured(cut(10), late), [P99], 0.1).held
    slow = judge_step(measured(cut(10), cut(20, ((1000, 50),), late_sends=100)), [P99], 0.1)
    assert (slow.held, slow.why, slow.broken_on) == (None, "10.0 % of the sends were late", "")
    busy = tuple(TimelineRow(at_s=11.0 + i, stage="search", cpu=0.99, loop_lag_ms=80.0) for i in range(4))
    slow = judge_step(measured(cut(10), cut(20, ((1000, 50),)), rows=busy), [P99], 0.1)
    assert (slow.held, slow.why, slow.cpu) == (None, "CPU at its limit for 4 s", 0.99)


def test_a_refusal_is_never_this_generators_doing() -> None:
    everybody = Threshold(metric="connect.success", limit=">= 100%")
    refused = cut(20, ((1000, 50),), late_sends=100, attempted=100, ready=60, refused=40, open=60)
    step = judge_step(measured(cut(10), refused, reached=60), [P99, everybody], 0.1)
    assert (step.held, step.broken_on) == (False, "connect.success")
    assert judge_step(measured(cut(10), refused, reached=60), [P99], 0.1).held is None
    missing = judge_step(measured(cut(10), refused, reached=60), [], 0.1)
    assert (missing.held, missing.broken_on) == (False, "load")
    waited = cut(20, ((1000, 50),), late_sends=100, attempted=100, ready=60, timed_out=40, open=60)
    assert judge_step(measured(cut(10), waited, reached=60), [everybody], 0.1).held is None
    dropped = Threshold(metric="connections.dropped", limit="<= 0")
    ended = cut(20, ((1000, 5),), late_sends=100, dropped=3, open=97)
    assert judge_step(measured(cut(10), ended), [dropped], 0.1).held is False


def test_connects_in_bursts_are_no_test_of_a_rate() -> None:
    seen = measured(NOTHING, cut(2, attempted=200, ready=150, refused=50))
    connects = replace(seen, of="connects", stood_still_s=0.3)
    everybody = [Threshold(metric="connect.success", limit=">= 100%")]
    step = judge_step(connects, everybody, 0.1)
    assert (step.held, step.why) == (None, "connects came in bursts: the loop stood still for 300 ms")
    assert judge_step(replace(connects, stood_still_s=0.1), everybody, 0.1).held is False
    assert judge_step(replace(connects, of="clients"), everybody, 0.1).held is False


def test_only_failures_of_this_step_and_of_our_own_count_against_the_generator() -> None:
    def ours(count: int, local: bool = True) -> tuple[FailureGroup, ...]:
        return (FailureGroup("local", "too many open files", count, 0, 0, local),)

    few = replace(cut(20), failures=ours(7))
    assert (
        judge_step(replace(measured(cut(10), few, reached=1), began=replace(NOTHING, failures=ours(7))), [], 0.1).held
        is False
    )
    assert judge_step(measured(cut(10), few, reached=1), [], 0.1).why == "7 × too many open files"
    theirs = replace(cut(20), failures=ours(7, local=False))
    assert judge_step(measured(cut(10), theirs, reached=1), [], 0.1).held is False


def test_broadcasts_are_those_of_the_step() -> None:
    complete = [Threshold(metric="fanout.completeness", limit="> 99%")]
    heard = FanOut()
    heard.types["price"] = TypeFanOut(messages=10, wanted=1000, received=100)
    opened = replace(cut(10), fanout=frozen(heard))
    heard.types["price"].wanted += 500
    heard.types["price"].received += 500
    heard.types["trade"] = TypeFanOut(messages=1, wanted=10, received=10)
    ended = replace(cut(20), fanout=frozen(heard))
    assert opened.fanout.completeness == 0.1, "a frozen count stays as it was"
    step = judge_step(measured(opened, ended), complete, 0.1)
    assert step.held and step.thresholds[0].value == 100
    assert judge_step(measured(NOTHING, opened), complete, 0.1).held is False
