"""Readers of a growing log: each gets every entry once, whatever was folded meanwhile."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from wstui.execution.run.timeline_recorder import TimelineRecorder
from wstui.measure.append_log import AppendLog, new_since
from wstui.measure.fanout import FanOut
from wstui.measure.snapshot import Health, Totals
from wstui.measure.timeline import Mark, TimelineRow, fold_marks, fold_rows


def tens(entries: Sequence[int]) -> list[tuple[int, int]]:
    return [(len(entries[at : at + 10]), sum(entries[at : at + 10])) for at in range(0, len(entries), 10)]


def test_a_reader_that_keeps_up_gets_each_entry_once_across_folds() -> None:
    log, position = AppendLog[int](keep=20, chunk=30, fold=tens), 0
    read: list[int] = []
    for number in range(500):
        log.append(number)
        if number % 7 == 0:
            new, position = new_since(log, position)
            read += new
    read += new_since(log, position)[0]
    assert read == list(range(500))


def test_a_reader_from_the_start_gets_old_entries_folded_and_new_ones_whole() -> None:
    log = AppendLog[int](keep=20, chunk=30, fold=tens)
    for number in range(100):
        log.append(number)
    entries, end = log.since(0)
    assert end == 100 and len(log) == len(entries) and sum(entries) == sum(range(100))
    assert entries[:6] == [45, 145, 245, 345, 445, 545] and entries[6:] == list(range(60, 100))
    assert log[-1] == 99 and log[0] == 45 and log[-2:] == [98, 99] and log.folds == 60
    assert log.since(100) == ([], 100) and log.since(15) == (entries[1:], 100), "15 lies in the second ten"


def test_plain_sequences_are_read_the_same_way() -> None:
    assert new_since((1, 2, 3), 1) == ((2, 3), 3) and new_since([], 4) == ([], 4)


def test_a_minute_has_mean_rates_and_the_worst_tail() -> None:
    rows = [
        TimelineRow(float(at), "ramp" if at <= 30 else "hold", open=at, sent_per_s=float(at), replies=2,
                    response_p50_ms=1.0 if at % 2 else 3.0, response_p99_ms=100.0 if at == 40 else 5.0, cpu=at / 100)
        for at in range(1, 61)
    ]  # fmt: skip
    (ramp_count, ramp), (hold_count, hold) = fold_rows(rows)
    assert (ramp_count, ramp.stage, ramp.at_s, ramp.open, ramp.sent_per_s) == (30, "ramp", 30.0, 30, 15.5)
    assert (hold_count, hold.at_s, hold.replies, hold.response_p50_ms, hold.response_p99_ms) == (30, 60, 60, 2.0, 100.0)
    assert hold.cpu == 0.6 and hold.delivery_p50_ms is None


def test_limits_that_flap_become_one_mark_and_nothing_else_is_folded() -> None:
    marks = [
        Mark(0.0, "start", "run started"),
        *(Mark(float(at), ("broken", "kept")[at % 2], "p99") for at in range(2, 9)),
    ]
    (_, start), (count, flaps) = fold_marks(marks)
    assert start is marks[0] and count == 7
    assert flaps == Mark(2.0, "broken", "p99 (and 6 more limit and health marks until 8 s)")


def test_hours_of_an_overloaded_run_take_no_more_memory_than_the_first() -> None:
    recorder, nothing = TimelineRecorder(FanOut()), Totals()
    for second in range(1, 4 * 3600 + 1):
        health = Health(cpu=second / 1e5, loop_lag_ns=60_000_000 if second > 9500 else 300_000_000)
        recorder.row(float(second), nothing, nothing, "hold", False, [health])
        recorder.mark(float(second), "broken" if second % 2 else "kept", f"response.p99 was {second} ms")
    assert recorder.rows.since(0)[1] == recorder.marks.since(0)[1] == 4 * 3600
    assert len(recorder.rows) < 3600 + 600 + 3 * 60 and len(recorder.marks) < 5000 + 600 + 20
    assert (recorder.busy_s, recorder.stalled_s) == (0, 9500), "counted across folds"
    mean = sum(second / 1e5 for second in range(1, 4 * 3600 + 1)) / (4 * 3600)
    assert recorder.cpu_mean == pytest.approx(mean, rel=1e-12)  # Python 3.12 sums floats more exactly
