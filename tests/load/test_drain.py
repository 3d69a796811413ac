"""How clients leave that are not ready yet: connections are closed with 1000, attempts under way have their answer."""

from __future__ import annotations

import asyncio
import time

from tests.load.test_worker import MS, S, worker_at
from tests.servers.failing_handshake import HalfDeaf, Silent, Speechless
from tests.servers.server import Connection, Server, until
from wstui.load.protocol import Abort, Arrive, Drain, Ramp

SETTLING = {"ready": "open", "settle_ns": 60 * S, "exchange": "listen"}


class Held(Server):
    """Answers the upgrade when it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()

    async def answer(self, client: Connection, key: bytes) -> bool:
        await self.go.wait()
        return await super().answer(client, key)


async def test_a_drain_closes_clients_that_are_settling_with_1000() -> None:
    async with Server(welcome=False) as server, worker_at(server.url, **SETTLING) as worker:
        worker.handle(Ramp(7, 0))
        await until(lambda: server.upgraded == 7)
        c = await worker.drained(grace_ns=100 * MS)
        await until(lambda: not server.live)
    assert server.ends == {"close 1000": 7}
    assert (c.drained, c.ready, c.unreached) == (7, 0, 7)


async def test_a_drain_lets_clients_settle_that_can() -> None:
    async with Server(welcome=False) as server, worker_at(server.url, **SETTLING | {"settle_ns": 300 * MS}) as worker:
        worker.handle(Ramp(3, 0))
        await until(lambda: server.upgraded == 3)
        c = await worker.drained()
        await until(lambda: not server.live)
    assert server.ends == {"close 1000": 3} and (c.ready, c.unreached) == (3, 0)


async def test_a_ramp_down_closes_clients_that_are_settling_with_1000() -> None:
    async with Server(welcome=False) as server, worker_at(server.url, **SETTLING) as worker:
        worker.handle(Ramp(5, 0))
        await until(lambda: server.upgraded == 5)
        worker.handle(Ramp(2, 0))
        await until(lambda: worker.c.drained == 3 and worker.c.closing == 0)
        assert server.ends == {"close 1000": 3} and worker.c.opening == 2
        worker.handle(Ramp(5, 0))  # their places are free again
        await until(lambda: server.upgraded == 8)
        await worker.drained(grace_ns=0)
        await until(lambda: not server.live)
        assert server.ends == {"close 1000": 8} and worker.c.unreached == 5


async def test_a_client_without_its_welcome_is_closed_with_1000_when_the_grace_is_over() -> None:
    async with Speechless() as server, worker_at(server.url) as worker:
        worker.handle(Ramp(4, 0))
        await until(lambda: server.upgraded == 4)
        c = await worker.drained(grace_ns=300 * MS)
        await until(lambda: not server.live)
    assert server.ends == {"close 1000": 4} and c.drained == 4


async def test_a_ramp_down_in_the_middle_of_the_upgrade_closes_with_1000_once_it_is_answered() -> None:
    async with Held() as server, worker_at(server.url) as worker:
        worker.handle(Ramp(6, 0))
        await until(lambda: server.accepted == 6)
        worker.handle(Ramp(2, 0))
        server.go.set()
        await until(lambda: (worker.c.drained, worker.c.ready, worker.c.closing) == (4, 2, 0))
        assert server.ends == {"close 1000": 4}
        assert (await worker.drained()).unreached == 0


async def test_a_drain_in_the_middle_of_the_upgrade_waits_for_the_answer_and_counts_it() -> None:
    async with Held() as server, worker_at(server.url) as worker:
        worker.handle(Ramp(6, 0))
        await until(lambda: server.accepted == 6)
        worker.handle(Drain(30 * S))
        server.go.set()
        await asyncio.wait_for(worker.ended_event.wait(), 60)
        await until(lambda: not server.live)
    assert server.ends == {"close 1000": 6}
    assert (worker.c.ready, worker.c.sent, worker.c.unreached) == (6, 0, 0)


async def test_upgrades_without_an_answer_have_timed_out_at_the_end() -> None:
    async with HalfDeaf() as server, worker_at(server.url, timeout_ns=S) as worker:
        worker.handle(Ramp(10, 0))
        await until(lambda: worker.c.ready == 5)
        c = await worker.drained(grace_ns=30 * S)
    assert (c.ready, c.timed_out, c.drained, c.unreached) == (5, 5, 0, 0)
    assert server.ends["close 1000"] == 5


async def test_an_abort_cuts_a_drain_that_waits_for_connects() -> None:
    async with Silent() as server, worker_at(server.url, timeout_ns=600 * S) as worker:
        worker.handle(Ramp(3, 0))
        await until(lambda: server.accepted == 3)
        worker.handle(Drain(600 * S))
        worker.handle(Abort())
        await asyncio.wait_for(worker.ended_event.wait(), 60)
    assert (worker.c.drained, worker.c.timed_out) == (3, 0)


async def test_planned_clients_that_never_had_room_to_connect_are_counted() -> None:
    async with Silent() as server, worker_at(server.url, in_flight=4, timeout_ns=500 * MS) as worker:
        worker.handle(Ramp(20, 0))
        worker.handle(Arrive(0, 1000 * S, 3 * MS, 60 * S))
        await until(lambda: server.accepted == 4)
        worker.handle(Drain(30 * S))
        await asyncio.wait_for(worker.ended_event.wait(), 60)
    assert worker.c.timed_out + worker.c.unreached == worker.c.wanted > 20


async def test_clients_that_are_due_when_the_drain_comes_are_not_behind() -> None:
    async with Server() as server, worker_at(server.url) as worker:
        worker.handle(Ramp(1, 0))
        await until(lambda: worker.c.ready == 1)
        worker.handle(Arrive(1, 10 * S, 200 * MS, 60 * S))  # 10 a second, for 200 ms
        time.sleep(0.25)  # noqa: ASYNC251 - no tick comes in between
        worker.handle(Drain(30 * S))
        await asyncio.wait_for(worker.ended_event.wait(), 60)
    assert (worker.c.ready, worker.c.unreached) == (3, 0)
