"""From NATS to the clients: who gets what, duplicates, NATS lost and back."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import nats as nats_client
import pytest
from nats.aio.client import Client
from websockets.asyncio.client import ClientConnection

from tests.odin.target import WAIT_S, client, get, get_json, pinged, receive, serving, until
from wstui.odin.nats_server import NatsServer
from wstui.odin.server import OdinServer
from wstui.odin.server_settings import ServerSettings


@asynccontextmanager
async def published(url: str) -> AsyncIterator[Client]:
    connection = await nats_client.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


def price(token: str, nonce: str) -> bytes:
    return json.dumps({"type": "price:update", "tokenId": token, "nonce": nonce, "timestamp": 1}).encode()


async def send(connection: Client, server: OdinServer, *messages: tuple[str, bytes]) -> None:
    """Publish, and wait until the server has seen every message."""
    stats = server.stats

    def seen() -> int:
        return stats.published + stats.duplicates + stats.unreadable

    before = seen()
    for subject, data in messages:
        await connection.publish(subject, data)
    await until(lambda: seen() == before + len(messages))


async def nonces(ws: ClientConnection) -> list[Any]:
    """The nonces of all that was relayed to a client until now."""
    return [message["nonce"] for message in (await pinged(ws))[:-1]]


async def test_everybody_gets_the_bytes_that_were_published(nats: str) -> None:
    async with serving(nats_url=nats) as server, client(server) as one, client(server) as two:
        async with published(nats) as connection:
            data = b'{"type":"price:update", "tokenId":"BTC",  "price":1.50}'
            await send(connection, server, ("odin.token.BTC.price", data))
        assert [await one.recv(), await two.recv()] == [data.decode()] * 2
        assert server.stats.delivered == 2


async def test_all_subjects_of_the_protocol_are_relayed(nats: str) -> None:
    subjects = [f"odin.token.ETH.{kind}" for kind in ("price", "volume", "holders")]
    subjects += ["odin.token.batch.update", "odin.trades.ETH", "odin.market.statistics"]
    async with serving(nats_url=nats) as server, client(server) as ws, published(nats) as connection:
        await send(connection, server, *((subject, price("ETH", subject)) for subject in subjects))
        assert sorted(await nonces(ws)) == sorted(subjects)
        assert server.stats.duplicates == 0  # the batch subject is not received twice


async def test_a_filter_passes_only_its_tokens_and_nothing_twice(nats: str) -> None:
    async with serving(nats_url=nats) as server, client(server) as ws, client(server) as everything:
        await ws.send('{"type":"unsubscribe","tokens":["all"]}')
        await ws.send('{"type":"subscribe","tokens":["BTC"]}')
        await receive(ws)
        await everything.send('{"type":"subscribe","tokens":["BTC"]}')
        await receive(everything)
        batch = {"type": "batch:update", "nonce": "batch", "updates": [{"tokenId": "ETH"}, {"tokenId": "BTC"}]}
        async with published(nats) as connection:
            await send(
                connection,
                server,
                ("odin.token.BTC.price", price("BTC", "btc")),
                ("odin.token.ETH.price", price("ETH", "eth")),
                ("odin.token.batch.update", json.dumps(batch).encode()),
                ("odin.market.statistics", b'{"type":"market:stats","nonce":"market"}'),
            )
        assert sorted(await nonces(ws)) == ["batch", "btc"]
        assert sorted(await nonces(everything)) == ["batch", "btc", "eth", "market"]


async def test_a_nonce_passes_once(nats: str) -> None:
    async with serving(nats_url=nats) as server, client(server) as ws, published(nats) as connection:
        subject = "odin.token.BTC.price"
        await send(connection, server, *[(subject, price("BTC", nonce)) for nonce in "aabab"])
        assert await nonces(ws) == ["a", "b"]
        metrics = await get_json(server, "/metrics")
        assert (metrics["duplicatesDropped"], metrics["messagesPublished"]) == (3, 2)


@pytest.mark.parametrize("data", [b"", b"no json", b'{"a":', b"\xff\xfe", b'"\xff"', b"[" * 100_000])
async def test_what_is_no_json_is_counted_and_not_relayed(nats: str, data: bytes) -> None:
    async with serving(nats_url=nats) as server, client(server) as ws, published(nats) as connection:
        await send(connection, server, ("odin.trades.BTC", data))
        assert len(await pinged(ws)) == 1
        assert server.stats.unreadable == 1


@pytest.mark.parametrize("data", [b"null", b"[1, 2]", b'{"type":7,"nonce":[],"timestamp":"x","updates":{}}'])
async def test_json_of_any_shape_is_relayed(nats: str, data: bytes) -> None:
    async with serving(nats_url=nats) as server, client(server) as ws, published(nats) as connection:
        await send(connection, server, ("odin.trades.BTC", data))
        assert await ws.recv() == data.decode()
        assert server.stats.published_by_type == {"unknown": 1}


@pytest.mark.parametrize("timestamp", ["-1e308", "1e308", "-" + "9" * 400, "9" * 400, "0", "true"])
async def test_a_timestamp_that_is_none_tells_nothing_of_the_latency(nats: str, timestamp: str) -> None:
    data = b'{"type":"price:update","timestamp":%b}' % timestamp.encode()
    async with serving(nats_url=nats) as server, client(server) as ws, published(nats) as connection:
        await send(connection, server, *[("odin.trades.BTC", data)] * 2)
        assert [await ws.recv(), await ws.recv()] == [data.decode()] * 2
        metrics = await get_json(server, "/metrics")
        assert (metrics["peakLatency"], metrics["averageLatency"], metrics["errors"]) == (None, None, 0)


async def test_clients_stay_when_nats_goes_and_hear_more_when_it_is_back() -> None:
    async with NatsServer() as broker, serving(nats_url=broker.url) as server, client(server) as ws:
        assert (await get_json(server, "/health"))["status"] == "healthy"
        await broker.stop()
        await until(lambda: not server.stats.nats_connected)
        response, body = await get(server, "/health")
        assert response.status == 503
        health = json.loads(body)
        assert (health["status"], health["nats"]) == ("degraded", "disconnected")
        assert (await pinged(ws))[-1]["type"] == "pong"

        async with NatsServer(port=broker.port):
            await until(lambda: server.stats.nats_connected)
            async with published(broker.url) as connection:
                await send(connection, server, ("odin.trades.BTC", price("BTC", "back")))
            assert (await receive(ws))["nonce"] == "back"
            assert (await get_json(server, "/health"))["status"] == "healthy"
            assert (await get_json(server, "/metrics"))["reconnectionCount"] == 1


async def test_a_server_waits_for_a_nats_that_comes_later() -> None:
    async with NatsServer() as broker:
        await broker.stop()
        async with serving() as reference:  # tells nothing of NATS, and is not degraded by that
            assert (await get_json(reference, "/health"))["nats"] == "disconnected"
            assert (await get_json(reference, "/health"))["status"] == "healthy"
        server = OdinServer(ServerSettings(port=0, nats_url=broker.url), None)
        await server.start()
        try:
            assert (await get(server, "/health"))[0].status == 503
            async with NatsServer(port=broker.port):
                assert await server.wait_for_nats(WAIT_S)
                assert (await get(server, "/health"))[0].status == 200
        finally:
            await server.stop()
