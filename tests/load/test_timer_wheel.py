from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wstui.load.timer_wheel import TICK_NS, TimerWheel

MOMENTS = st.lists(st.integers(0, 100 * TICK_NS), max_size=100)


@given(MOMENTS, st.integers(TICK_NS // 8, 5 * TICK_NS))
def test_every_entry_comes_out_once_in_order_and_never_early(moments: list[int], step: int) -> None:
    wheel: TimerWheel[int] = TimerWheel()
    for at in moments:
        wheel.add(at, at)
    out: list[int] = []
    due_before = 0
    now = 0
    while wheel.next_ns() is not None:
        now += step
        while (taken := wheel.take(now)) is not None:
            due, entries = taken
            assert due_before < due <= now or due == 0
            due_before = due
            assert all(0 <= due - at < TICK_NS for at in entries), "at the end of its tick"
            out += entries
    assert sorted(out) == sorted(moments)


@given(MOMENTS)
def test_the_wheel_tells_when_it_is_due_next(moments: list[int]) -> None:
    wheel: TimerWheel[int] = TimerWheel()
    assert wheel.next_ns() is None
    for at in moments:
        wheel.add(at, at)
    while (due := wheel.next_ns()) is not None:
        assert wheel.take(due - 1) is None
        assert wheel.take(due) is not None


def test_entries_can_be_added_while_others_are_taken() -> None:
    wheel: TimerWheel[str] = TimerWheel()
    wheel.add(TICK_NS, "a")
    assert wheel.take(TICK_NS) == (TICK_NS, ["a"])
    wheel.add(TICK_NS, "late")
    wheel.add(3 * TICK_NS, "b")
    assert wheel.take(2 * TICK_NS) == (TICK_NS, ["late"])
    wheel.clear()
    assert wheel.next_ns() is None
    assert wheel.take(10 * TICK_NS) is None
