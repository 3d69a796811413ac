"""A lease ends after silence, and only time in which its holder could have heard anything counts as silence."""

from __future__ import annotations

import asyncio

import pytest

from tests.servers.server import PATIENCE_S
from wstui.load import lease
from wstui.load.lease import MOST_S, Lease, OwnClock


class Time:
    """A monotonic clock that the test moves on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr(lease, "time", time)
    return time


def test_a_clock_counts_what_its_process_ran_and_stands_still_while_that_was_stopped(time: Time) -> None:
    clock = OwnClock()
    began = clock.now()
    for _ in range(10):
        time.now += 0.5
        assert clock.tick() == 0.0
    assert clock.now() - began == pytest.approx(5.0)
    time.now += 600.0
    assert clock.now() - began == pytest.approx(5.0 + MOST_S), "before the next tick as well"
    assert clock.tick() == pytest.approx(600.0) == clock.stalled_s
    assert clock.now() - began == pytest.approx(5.0 + MOST_S)
    clock.begin()
    assert clock.stalled_s == 0.0


@pytest.mark.parametrize("stopped_s", [0.0, 600.0])
async def test_a_lease_is_over_after_silence_that_its_holder_could_hear(
    time: Time, monkeypatch: pytest.MonkeyPatch, stopped_s: float
) -> None:
    slept = 0

    async def sleep(seconds: float) -> None:
        nonlocal slept
        slept += 1
        # In the first one this process is stopped.
        time.now += seconds + (stopped_s if slept == 1 else 0.0)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    held = Lease(5.0)
    held.renew()
    assert await held.over() == "no message from the operator for 5 s"
    assert slept == (10 if not stopped_s else 9)


async def test_a_lease_is_renewed_by_each_message_and_longer_before_the_first(
    time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard_at = {50.0, 54.0, 58.0}

    async def sleep(seconds: float) -> None:
        time.now += seconds
        if time.now - 1000.0 in heard_at:
            held.renew()

    monkeypatch.setattr(asyncio, "sleep", sleep)
    held = Lease(5.0)
    await asyncio.wait_for(held.over(), PATIENCE_S)
    assert time.now - 1000.0 == pytest.approx(63.0)
