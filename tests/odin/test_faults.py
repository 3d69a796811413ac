"""Faults on purpose: each does what it says, and only that."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import AsyncExitStack

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.odin.target import client, get_json, pinged, receive, serving, until, url
from wstui.odin.background_tasks import FAULTS_S, close_some
from wstui.odin.faults import Faults, FaultUnknown, parse_faults
from wstui.odin.server import OdinServer
from wstui.odin.stats import ConnectionPhase

GATE = "1008 not available for this user yet"


async def test_replies_are_late_by_the_delay() -> None:
    async with serving(faults=Faults(delay=0.1)) as server, client(server) as ws:
        began = time.monotonic()
        await pinged(ws)
        assert time.monotonic() - began > 0.09  # a loop may count in whole milliseconds


async def test_a_delayed_reply_to_a_client_that_left_is_nobodys_fault() -> None:
    async with serving(faults=Faults(delay=0.05)) as server:
        async with client(server) as ws:
            await ws.send('{"type":"ping","timestamp":1}')
            await until(lambda: server.stats.pongs == 1)
        await until(lambda: server.stats.phases[ConnectionPhase.CLOSED] == 1)
        await asyncio.sleep(0.06)
        assert server.stats.errors == 0


async def test_a_freeze_stops_everything_for_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    stood_still: list[float] = []
    monkeypatch.setattr(time, "sleep", stood_still.append)
    async with serving(faults=Faults(freeze=3.0, freeze_at=0.05)) as server, client(server) as ws:
        await until(lambda: stood_still == [3.0])
        assert (await pinged(ws))[-1]["type"] == "pong"


async def relayed(server: OdinServer, count: int) -> int:
    """How many of `count` messages a client gets."""
    async with client(server) as ws:
        for number in range(count):
            server.hub.relay(f'{{"type":"trade:executed","number":{number}}}'.encode(), 0.0)
        return len(await pinged(ws)) - 1


async def test_deliveries_are_dropped_by_their_share() -> None:
    async with serving(faults=Faults(drop=0.25, seed=1)) as server:
        got = await relayed(server, 1000)
        assert 650 < got < 850
        assert server.stats.delivered == got


async def test_deliveries_are_doubled_by_their_share() -> None:
    async with serving(faults=Faults(duplicate=0.25, seed=1)) as server:
        assert 1150 < await relayed(server, 1000) < 1350


async def test_a_share_of_the_clients_is_turned_away_after_the_upgrade(token: str) -> None:
    async with serving(faults=Faults(refuse=0.5, seed=1)) as server:
        codes = []
        for _ in range(40):
            async with connect(url(server, token), compression=None) as ws:
                try:
                    welcome = await receive(ws)
                    assert welcome["rolloutPercentage"] == 50
                    codes.append(welcome["type"])
                except ConnectionClosed as end:
                    assert end.rcvd is not None
                    codes.append(f"{end.rcvd.code} {end.rcvd.reason}")
        assert set(codes) == {"connection:established", GATE}
        assert server.stats.opened == 40
        assert server.stats.ejected == {GATE: codes.count(GATE)}


async def test_a_share_of_the_clients_is_closed_each_minute() -> None:
    async with serving(faults=Faults(close_per_minute=0.5, seed=3)) as server, AsyncExitStack() as clients:
        everybody = [await clients.enter_async_context(client(server)) for _ in range(40)]
        dice = random.Random(3)
        for _ in range(round(60 / FAULTS_S)):
            close_some(server.hub, 0.5, dice)
        gone = 40 - server.stats.phases[ConnectionPhase.OPEN]
        assert 5 < gone < 30
        assert server.stats.ejected == {"1011 closed on purpose": gone}
        await until(lambda: sum(ws.close_code == 1011 for ws in everybody) == gone)


async def test_a_storm_closes_its_share_at_once_again_and_again() -> None:
    assert parse_faults(["storm=50%/200ms"]).active == {"storm": 0.5, "storm_every": 0.2}
    async with serving(faults=parse_faults(["storm=50%/200ms"], 1)) as server, AsyncExitStack() as clients:
        everybody = [await clients.enter_async_context(client(server)) for _ in range(8)]
        await until(lambda: server.stats.ejected.get("1012 restarting on purpose", 0) >= 6)
        await until(lambda: sum(ws.close_code == 1012 for ws in everybody) >= 6)


@pytest.mark.parametrize("text", ["storm", "storm=50%", "storm=50%/", "storm=150%/1s", "storm=5/1s"])
def test_a_storm_needs_a_share_and_a_period(text: str) -> None:
    with pytest.raises(FaultUnknown, match="storm"):
        parse_faults([text])


async def test_strays_get_what_they_did_not_ask_for() -> None:
    async with serving(faults=parse_faults(["stray=50%"], 1)) as server, client(server) as ws, client(server) as other:
        for one in (ws, other):
            await one.send('{"type":"unsubscribe","tokens":["all"]}')
        await other.send('{"type":"subscribe","tokens":["BTC"]}')
        await receive(other)
        await pinged(ws)
        for number in range(200):
            server.hub.relay(f'{{"type":"price:update","tokenId":"BTC","number":{number}}}'.encode(), 0.0)
        assert 60 < len(await pinged(ws)) - 1 < 140
        assert len(await pinged(other)) - 1 == 200  # whoever asked gets everything, once


async def test_memory_that_leaks_is_seen_in_stats() -> None:
    async def resident(server: OdinServer) -> float:
        (process,) = (await get_json(server, "/stats"))["processes"]
        return float(process["rssBytes"])

    async with serving(faults=parse_faults(["leak=4800MiB/min"])) as server:  # 40 MiB each half second
        before = await resident(server)

        async def has_grown() -> bool:
            return await resident(server) > before + (35 << 20)

        await until(has_grown)


async def test_metrics_lie_when_told_to_and_health_does_not() -> None:
    async with serving(faults=Faults(lie=True)) as server, client(server):
        server.hub.relay(b"{}", 0.0)
        metrics = await get_json(server, "/metrics")
        assert metrics["connectionCount"] == -1
        assert metrics["messagesDelivered"] > 1
        assert (await get_json(server, "/health"))["websocket"] == {"currentConnections": 1, "totalDelivered": 1}
        assert (await get_json(server, "/stats"))["faults"] == {"lie": True}
