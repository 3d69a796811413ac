"""What clients and server say to each other: welcome, pings, subscriptions, broken and big frames."""

from __future__ import annotations

import asyncio
import json

import pytest
from websockets.exceptions import ConnectionClosed

from tests.odin.target import WAIT_S, client, get_json, pinged, receive, serving, until
from wstui.odin.connection import Connection
from wstui.odin.stats import ConnectionPhase


async def closed(ws: object, code: int) -> str:
    with pytest.raises(ConnectionClosed) as end:
        async with asyncio.timeout(WAIT_S):
            while True:
                await ws.recv()  # type: ignore[attr-defined]
    assert end.value.rcvd is not None
    assert end.value.rcvd.code == code
    return end.value.rcvd.reason


@pytest.mark.parametrize("timestamp", ["1700000000000", "1.50", "-1e3", '"text, as it is"', "null", '"ä€"'])
async def test_a_pong_echoes_the_timestamp_verbatim_and_nothing_else(timestamp: str) -> None:
    async with serving() as server, client(server) as ws:
        await ws.send('{"seq": 7, "clientId": "me", "timestamp": ' + timestamp + ', "type":"ping"}')
        answer = await asyncio.wait_for(ws.recv(), WAIT_S)
        assert f'"originalTimestamp":{timestamp},' in str(answer)
        pong = json.loads(answer)
        assert set(pong) == {"type", "timestamp", "nonce", "originalTimestamp", "latency"}
        stamp, _, tail = pong["nonce"].partition("-")
        assert int(stamp) == pong["timestamp"]
        assert len(tail) == 16 and int(tail, 16) >= 0


async def test_pongs_tell_the_latency_and_have_nonces_of_their_own() -> None:
    async with serving() as server, client(server) as ws:
        pongs = [(await pinged(ws, 1_000))[-1] for _ in range(50)]
        assert len({pong["nonce"] for pong in pongs}) == 50
        assert all(pong["latency"] == pong["timestamp"] - 1_000 for pong in pongs)
        assert (await get_json(server, "/stats"))["messages"]["receivedByType"]["ping"] == 50


async def test_many_pings_in_one_write_are_answered_in_order() -> None:
    async with serving() as server, client(server) as ws:
        for number in range(300):
            await ws.send(json.dumps({"type": "ping", "timestamp": number}))
        assert [(await receive(ws))["originalTimestamp"] for _ in range(300)] == list(range(300))


async def test_subscriptions_are_acknowledged_as_a_whole() -> None:
    async with serving() as server, client(server) as ws:
        await ws.send('{"type":"subscribe","tokens":["btc","ETH"]}')
        ack = await receive(ws)
        assert (ack["type"], ack["subscriptions"]) == ("subscription:ack", ["BTC", "ETH", "all"])
        await ws.send('{"type":"unsubscribe","tokens":["all","ETH"]}')  # is not answered
        await ws.send('{"type":"subscribe","tokens":[]}')
        assert (await receive(ws))["subscriptions"] == ["BTC"]


@pytest.mark.parametrize("compressed", [False, True])
async def test_messages_arrive_whole_however_they_are_fragmented_or_compressed(compressed: bool) -> None:
    options = {"compression": "deflate"} if compressed else {}
    async with serving(compression=True) as server, client(server, **options) as ws:
        assert bool(ws.protocol.extensions) is compressed
        await ws.send(iter(['{"type":"pi', 'ng","timestamp"', ":4", "2}"]))
        assert (await receive(ws))["originalTimestamp"] == 42
        await ws.send('{"type":"ping","timestamp":1,"padding":"' + "x" * 30_000 + '"}')
        assert (await receive(ws))["originalTimestamp"] == 1
        await asyncio.wait_for(await ws.ping(), WAIT_S)
        assert (await pinged(ws, 2))[-1]["originalTimestamp"] == 2


async def test_unknown_types_are_counted_and_otherwise_ignored() -> None:
    async with serving() as server, client(server) as ws:
        await ws.send('{"type":"sing"}')
        assert (await pinged(ws))[-1]["type"] == "pong"
        assert server.stats.received_by_type == {"unknown": 1}
        assert server.stats.malformed == 0


async def test_a_client_that_closes_gets_its_close_back() -> None:
    async with serving() as server:
        async with client(server) as ws:
            await ws.close(1000, "done")
            assert ws.close_code == 1000
        await until(lambda: server.stats.phases == [0, 0, 0, 1])
        assert server.stats.ejected == {}


async def test_a_flood_of_messages_ends_with_1008_and_others_are_undisturbed() -> None:
    async with serving(message_rate_per_client=20.0) as server, client(server) as flood, client(server) as calm:
        for _ in range(50):
            await flood.send('{"type":"ping","timestamp":1}')
        assert await closed(flood, 1008) == "message rate limit"
        assert (await pinged(calm))[-1]["type"] == "pong"
        assert server.stats.ejected == {"1008 message rate limit": 1}


@pytest.mark.parametrize("limit", ["message_rate", "message_rate_per_address"])
async def test_the_message_rate_of_all_and_of_an_address_is_limited_too(limit: str) -> None:
    async with serving(**{limit: 5.0}) as server, client(server) as ws:
        for _ in range(20):
            await ws.send('{"type":"ping","timestamp":1}')
        assert await closed(ws, 1008) == "message rate limit"


async def test_an_idle_connection_keeps_no_message_and_no_backlog() -> None:
    async with serving() as server, client(server) as ws:
        await pinged(ws)
        await ws.send(iter(["{}", " "]))
        await asyncio.wait_for(await ws.ping(), WAIT_S)
        (connection,) = server.hub.connections
        assert isinstance(connection, Connection)
        assert connection._fragments is None and connection.backlog is None and not connection._request
        assert server.stats.phases[ConnectionPhase.OPEN] == 1
