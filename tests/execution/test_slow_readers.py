"""Clients that stop reading: which ones, what becomes of them, and that the others are judged without them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable

from hypothesis import given
from hypothesis import strategies as st

from tests.execution.running import Finished, finish, scenario
from tests.servers.server import PATIENCE_S, Server, until
from wstui.execution.run.commands import CompletePlan
from wstui.execution.run.result_figures import figure
from wstui.execution.run.run import Run
from wstui.load.slow_readers import is_slow
from wstui.odin.server import OdinServer
from wstui.odin.server_settings import AuthMode, Limits, ServerSettings, SlowConsumer
from wstui.report.formats.console import summary
from wstui.scenario.model import Messages, Scenario, Stage, Threshold

LIMITS = [
    Threshold(metric="slow_readers.closed", limit=">= 100%"),
    Threshold(metric="connections.dropped", limit="<= 0"),
    Threshold(metric="messages.timed_out", limit="<= 0"),
    Threshold(metric="fanout.completeness", limit=">= 100%"),
]


def slow(url: str, share: float = 0.25, clients: int = 8, hold: float = 1.5, workers: int = 1) -> Scenario:
    asked = scenario(url, clients=clients, hold=hold, workers=workers, thresholds=LIMITS)
    return asked.model_copy(update={"messages": Messages(every=0.2, timeout=10, slow_readers=share, fanout_window=0.5)})


@given(st.integers(0, 100), st.integers(1, 5000))
def test_the_share_is_exact_for_any_number_of_clients(percent: int, clients: int) -> None:
    assert sum(is_slow(number, percent / 100) for number in range(clients)) == clients * percent // 100


def test_the_slow_ones_are_spread() -> None:
    assert [number for number in range(20) if is_slow(number, 0.25)] == [3, 7, 11, 15, 19]


@contextlib.asynccontextmanager
async def broadcasting(policy: SlowConsumer) -> AsyncIterator[tuple[str, OdinServer]]:
    """A server that sends each client far more than the kernel holds for one that does not read."""
    limits = Limits(send_queue=8)
    async with OdinServer(
        ServerSettings(port=0, auth=AuthMode.OFF, slow_consumer=policy, limits=limits), None
    ) as server:

        async def talk() -> None:
            padding = b"x" * 100_000
            for number in itertools.count():
                server.hub.broadcast(b'{"type":"price:update","n":%d,"pad":"%b"}' % (number, padding))
                await asyncio.sleep(0.04)  # others on this machine may keep a client from reading for a second

        talking = asyncio.create_task(talk())
        yield f"ws://127.0.0.1:{server.port}/ws", server
        talking.cancel()


async def ended_when(asked: Scenario, condition: Callable[[], bool]) -> Finished:
    """Run until every client is ready and has heard broadcasts, and something is so."""
    run = Run(asked.model_copy(update={"stages": [*asked.stages[:-1], Stage(name="hold", over=PATIENCE_S)]}))
    running = asyncio.create_task(finish(run))
    await until(lambda: run.status.counters.ready == asked.peak_clients and condition())
    seen = run.status.counters
    await until(lambda: run.status.counters.sent > seen.sent + 8 and run.status.counters.received > seen.received + 8)
    run.send(CompletePlan())
    return await running


async def test_a_server_that_gives_them_up_keeps_the_others_well() -> None:
    async with broadcasting(SlowConsumer.CLOSE) as (url, server):
        finished = await ended_when(slow(url, workers=2), lambda: server.stats.closed_slow == 2)
    result = finished.result
    assert result.slow_readers is not None
    assert (result.slow_readers.clients, result.slow_readers.closed) == (2, 2)
    assert result.slow_readers.endings == {"close 1013: reads too slowly": 2}
    assert result.connections.ready == 8 and result.connections.dropped == 0
    assert result.passed, result.verdict.reason
    assert figure(result, "slow_readers.closed") == 100
    assert "the server ended 2" in summary(result)
    assert finished.failures == {}, "what was expected is no failure"


async def test_a_server_that_drops_their_messages_keeps_them() -> None:
    async with broadcasting(SlowConsumer.DROP_OLDEST) as (url, server):
        finished = await ended_when(slow(url), lambda: server.stats.dropped_slow > 0)
    result = finished.result
    assert result.slow_readers is not None and (result.slow_readers.clients, result.slow_readers.closed) == (2, 0)
    broken = {outcome.metric for outcome in result.verdict.thresholds if not outcome.passed}
    assert broken == {"slow_readers.closed"}, "the others were well"


async def test_the_slow_ones_say_nothing_and_leave_in_order() -> None:
    async with Server() as server:
        finished = await finish(slow(server.url, share=1.0, hold=0.5))
        assert server.messages.total() == 0
        assert server.ends == {"close 1000": 8}
    assert finished.counters.slow_readers == 8 and finished.counters.sent == 0
    assert finished.result.duration_s < 30
