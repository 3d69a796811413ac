"""Clients that were dropped come back: when, how often, as whom, and how it is counted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.execution.running import finish, scenario
from tests.load.leading import MS, S, Workers, led, saying
from tests.servers.server import Connection, Server, until
from tests.servers.talk import ClosingEarly
from wstui.execution.run.run import Run
from wstui.load.protocol import Arrive, Pause, Ramp, Resume
from wstui.load.reconnect import backoff
from wstui.scenario.model import Scenario


@given(st.integers(0, 200), st.integers(1, 10**12), st.integers(1, 10**13), st.integers(0, 10**7), st.integers(0, 99))
def test_a_delay_lies_between_nothing_and_its_bound_and_repeats(
    tries: int, base: int, cap: int, number: int, seed: int
) -> None:
    delay = backoff(tries, base, cap, number, seed)
    assert 0 <= delay <= min(cap, base << min(tries, 62))
    assert delay == backoff(tries, base, cap, number, seed)


def test_delays_fill_their_range_so_that_nobody_comes_back_together() -> None:
    delays = sorted(backoff(2, S, 60 * S, number, 0) for number in range(1000))
    assert sum(delays) / len(delays) == pytest.approx(2 * S, rel=0.1)
    tenths = [sum(1 for delay in delays if n * 0.4 * S <= delay < (n + 1) * 0.4 * S) for n in range(10)]
    assert min(tenths) > 60 and max(tenths) < 140


class Throwing(Server):
    """Throws out whoever is there when it is told to, and may let nobody in for a while."""

    shut = False
    tokens: tuple[bytes, ...] = ()

    def throw_out(self, code: int = 1012) -> None:
        for client in list(self.live.values()):
            client.close(code, "restart")

    def reset_all(self) -> None:
        for client in list(self.live.values()):
            client.reset()

    async def answer(self, client: Connection, key: bytes) -> bool:
        if self.shut:
            client.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
            return False
        return await super().answer(client, key)


def returning(url: str, how: str = "at once", **target: Any) -> Scenario:
    base = saying(url)
    keys = {"ready": "welcome", "reconnect": how, "reconnect_base": 0.05, "reconnect_cap": 0.2, **target}
    return base.model_copy(update={"target": base.target.model_copy(update=keys)})


def worker_numbers(running: Workers) -> list[int]:
    return sorted(number for worker in running.all for number in worker._live)


@pytest.mark.parametrize("how", ["at once", "exponential"])
@pytest.mark.parametrize("reset", [False, True])
async def test_whoever_is_dropped_is_back_with_the_same_number(how: str, reset: bool) -> None:
    async with Throwing() as server, led(returning(server.url, how), 2, clients=9) as running:
        await until(lambda: running.c.open == 9)
        before = worker_numbers(running)
        if reset:
            server.reset_all()
        else:
            server.throw_out()
        await until(lambda: running.c.reconnects == 9)
        c = running.c
        assert (c.attempted, c.ready, c.dropped, c.reconnecting, c.reconnect_attempts) == (18, 18, 9, 0, 9)
        assert worker_numbers(running) == before
        away = [worker.tally.reconnect for worker in running.all]
        assert sum(histogram.count for histogram in away) == 9
        assert sum(worker.tally.connect.count for worker in running.all) == 18
        sent = c.sent
        await until(lambda: running.c.matched > sent + 9)  # they talk again
        await running.drained()


async def test_without_a_policy_nobody_comes_back() -> None:
    async with Throwing() as server, led(returning(server.url, "none"), clients=3) as running:
        await until(lambda: running.c.open == 3)
        server.throw_out()
        await until(lambda: running.c.dropped == 3)
        c = await running.drained()
        assert (c.attempted, c.reconnects, c.reconnect_attempts, c.reconnecting) == (3, 0, 0, 0)


async def test_attempts_end_in_exactly_one_outcome_each_and_end_when_there_were_enough() -> None:
    async with Throwing() as server, led(returning(server.url, reconnect_attempts=3), clients=4) as running:
        await until(lambda: running.c.open == 4)
        server.shut = True
        server.throw_out()
        await until(lambda: running.c.reconnects_given_up == 4)
        c = running.c
        assert (c.attempted, c.ready, c.refused, c.reconnect_attempts) == (4 + 12, 4, 12, 12)
        assert (c.reconnecting, c.reconnects) == (0, 0)
        server.shut = False
        await asyncio.sleep(0.1)
        assert running.c.attempted == 16
        await running.drained()


async def test_a_server_that_is_gone_for_a_while_gets_its_clients_back() -> None:
    settings = {"reconnect_attempts": 50}
    async with Throwing() as server, led(returning(server.url, "exponential", **settings), clients=5) as running:
        await until(lambda: running.c.open == 5)
        server.shut = True
        server.throw_out()
        await until(lambda: running.c.refused >= 10)
        assert running.c.reconnecting == 5
        server.shut = False
        await until(lambda: running.c.reconnects == 5)
        c = running.c
        assert c.attempted == 5 + c.reconnect_attempts == c.ready + c.refused
        assert running.all[0].tally.reconnect.low > running.all[0].tally.connect.low
        await running.drained()


async def test_whoever_tried_in_vain_and_is_away_at_the_end_is_missing() -> None:
    async with Throwing() as server, led(returning(server.url, reconnect_attempts=100_000), clients=5) as running:
        await until(lambda: running.c.open == 5)
        server.shut = True
        server.throw_out()
        await until(lambda: running.c.refused >= 10)
        c = await running.drained()
        assert (c.reconnecting, c.reconnects, c.reconnects_given_up, c.reconnects_missing) == (0, 0, 0, 5)


async def test_whoever_has_not_tried_yet_is_not_missed() -> None:
    far = {"reconnect_base": 600, "reconnect_cap": 600}
    async with Throwing() as server, led(returning(server.url, "exponential", **far), clients=5) as running:
        await until(lambda: running.c.open == 5)
        server.throw_out()
        await until(lambda: running.c.reconnecting == 5)
        c = await running.drained()
        assert (c.reconnecting, c.reconnects, c.reconnects_missing) == (0, 0, 0)


async def test_messages_go_on_counting_where_they_were() -> None:
    heard: list[bytes] = []

    class ThrowingEcho(Throwing):
        welcome = False

        async def other(self, client: Connection, first: int, payload: bytes) -> None:
            heard.append(payload)
            client.send(payload, first)

    async with ThrowingEcho() as server:
        base = returning(server.url, ready="open", settle=0.02)
        messages = base.messages.model_copy(update={"exchange": "echo"})
        async with led(base.model_copy(update={"messages": messages}), clients=1) as running:
            await until(lambda: len(heard) >= 5)
            server.throw_out()
            await until(lambda: running.c.reconnects == 1)
            count = len(heard)
            await until(lambda: len(heard) >= count + 5)
            await running.drained()
    numbers = [int(payload.split(b":")[2].split(b";")[0]) for payload in heard]
    assert len(set(numbers)) == len(numbers)


async def test_who_is_to_leave_does_not_come_back() -> None:
    async with Throwing() as server, led(returning(server.url, "exponential"), clients=6) as running:
        await until(lambda: running.c.open == 6)
        server.shut = True
        server.throw_out()
        await until(lambda: running.c.reconnecting == 6)
        running.handle(Ramp(2, 0))
        await until(lambda: running.c.reconnecting == 2)
        server.shut = False
        await until(lambda: running.c.open == 2)
        running.handle(Ramp(5, 0))
        await until(lambda: running.c.open == 5)
        assert worker_numbers(running) == list(range(5))
        c = await running.drained()
        assert c.reconnects == 2


async def test_a_pause_holds_those_who_are_away() -> None:
    async with Throwing() as server, led(returning(server.url), clients=3) as running:
        await until(lambda: running.c.open == 3)
        running.handle(Pause())
        server.throw_out()
        await until(lambda: running.c.dropped == 3 and running.c.closing == 0)
        await asyncio.sleep(0.1)
        assert (running.c.attempted, running.c.reconnecting) == (3, 3)
        running.handle(Resume())
        await until(lambda: running.c.open == 3)
        await running.drained()


async def test_draining_leaves_nobody_away() -> None:
    async with Throwing() as server, led(returning(server.url, "exponential"), clients=3) as running:
        await until(lambda: running.c.open == 3)
        server.shut = True
        server.throw_out()
        await until(lambda: running.c.refused >= 3)
        c = await running.drained()
        assert (c.reconnecting, c.opening, c.open) == (0, 0, 0)
        assert c.attempted == c.ready + c.refused + c.drained


async def test_a_visitor_whose_time_is_up_while_it_is_away_stays_away() -> None:
    async with Throwing() as server, led(returning(server.url, "exponential"), clients=0) as running:
        running.handle(Arrive(0, 1000 * S, 4 * MS, 1 * S))
        await until(lambda: running.c.open == 4)
        server.shut = True
        server.throw_out()
        await until(lambda: running.c.dropped == 4)
        await until(lambda: running.c.reconnecting == 0)
        assert not running.all[0]._pool._slots._leaving
        await running.drained()


async def test_result_timeline_and_thresholds_tell_of_it() -> None:
    async with ClosingEarly(after_s=0.4) as server:
        what = scenario(server.url, clients=6, hold=2.0, reconnect="at once")
        finished = await finish(Run(what))
    connections = finished.result.connections
    assert connections.reconnects == finished.counters.reconnects >= 6
    assert connections.reconnect_attempts >= connections.reconnects
    assert finished.result.latency_ms.reconnect.count == connections.reconnects
    assert "reconnect" in finished.result.histograms
    assert sum(stage.connections.reconnects for stage in finished.result.stages) == connections.reconnects
    assert any(row["reconnects_per_s"] > 0 for row in finished.result.timeline)
    assert any(row["reconnect_p95_ms"] is not None for row in finished.result.timeline)
