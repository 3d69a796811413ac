"""When each client sends, whatever kept the process from sending in between."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wstui.load import pacer as pacer_module
from wstui.load import timer_queue
from wstui.load.context import READY, RETIRING
from wstui.load.pacer import Pacer
from wstui.load.protocol import SendSpec
from wstui.load.timer_queue import IN_A_ROW, MOST_SENDS, SENDS_A_PASS
from wstui.load.timer_wheel import TICK_NS

MS = 1_000_000
Send = tuple[int, int]
"""The number of the client that sends, and when it should have."""


class PacedClient:
    """A client as the pacer knows it. It stops after so many sends."""

    def __init__(self, number: int, log: list[Send], most: float) -> None:
        self.number = number
        self.next_ns = self.turn = 0
        self.step = READY
        self._log = log
        self._left = most

    def send(self, intended_ns: int) -> None:
        assert intended_ns <= timer_queue._now(), "not before its time"
        self._log.append((self.number, intended_ns))
        self._left -= 1
        if self._left <= 0:
            self.step = RETIRING


class Clockwork:
    """A pacer whose clock is moved by hand, and what it sent in each pass of its loop."""

    def __init__(self, arrivals: str, every_ns: int, clients: int, most: float) -> None:
        self.log: list[Send] = []
        self.passes: list[list[Send]] = []
        self._soon: list[Callable[[], None]] = []
        self.pacer = Pacer(self, SendSpec(every_ns=every_ns, arrivals=arrivals), seed=7)  # type: ignore[arg-type]
        for number in range(clients):
            self.pacer.add(PacedClient(number, self.log, most))  # type: ignore[arg-type]

    def add_reader(self, *_: object) -> None: ...

    def remove_reader(self, *_: object) -> None: ...

    def call_soon(self, callback: Callable[[], None]) -> None:
        self._soon.append(callback)

    def run(self) -> None:
        """Let the loop run until nothing is due any more."""
        self._soon.append(self.pacer._fire)
        while self._soon:
            before = len(self.log)
            self._soon.pop()()
            self.passes.append(self.log[before:])


@contextlib.contextmanager
def clockwork(
    arrivals: str, every_ns: int, clients: int, gaps: Sequence[int], most: float = math.inf
) -> Iterator[Clockwork]:
    """Yield it after so many nanoseconds each in which the process did something else."""
    now = 1_000 * MS
    with pytest.MonkeyPatch.context() as patch:
        for module in (pacer_module, timer_queue):
            patch.setattr(module, "_now", lambda: now)
        made = Clockwork(arrivals, every_ns, clients, most)
        try:
            for gap in gaps:
                now += gap
                made.run()
            yield made
        finally:
            made.pacer.close()


@given(
    arrivals=st.sampled_from(["fixed", "jitter", "poisson"]),
    every_ns=st.integers(MS // 2, 60 * MS),
    clients=st.integers(1, 12),
    gaps=st.lists(st.integers(1, 40 * MS), min_size=1, max_size=6),
    most=st.sampled_from([1, 3, 7, math.inf]),
)
def test_a_process_that_stood_still_sends_what_was_due_each_once_and_as_late_as_it_is(
    arrivals: str, every_ns: int, clients: int, gaps: list[int], most: float
) -> None:
    with clockwork(arrivals, every_ns, clients, gaps, most) as stalled:
        pass
    with clockwork(arrivals, every_ns, clients, [TICK_NS] * (sum(gaps) // TICK_NS), most) as steady:
        pass
    steady_end = 1_000 * MS + sum(gaps) // TICK_NS * TICK_NS
    assert sorted(send for send in stalled.log if send[1] <= steady_end) == sorted(steady.log)
    for number in range(clients):
        own = [intended for sender, intended in stalled.log if sender == number]
        assert own == sorted(own), "each client in order"
    assert all(len(sends) <= MOST_SENDS for sends in stalled.passes)


def test_who_is_late_by_more_than_its_interval_sends_a_few_in_a_row() -> None:
    with clockwork("fixed", 10 * MS, 40, [500 * MS]) as late:
        senders = [number for number, _ in late.passes[0]]
        assert senders == [number for number in senders[::IN_A_ROW] for _ in range(IN_A_ROW)]
        assert len(senders) == MOST_SENDS


def test_who_is_late_by_less_or_in_time_sends_once_in_its_turn() -> None:
    with clockwork("fixed", 100 * MS, 40, [100 * MS - TICK_NS]) as late:
        assert len(late.passes[0]) == len(dict(late.passes[0])) > SENDS_A_PASS
    with clockwork("fixed", 10 * MS, 400, [TICK_NS] * 40) as steady:
        assert {len(sends) for sends in steady.passes[:-1]} <= set(range(SENDS_A_PASS + 1))
