"""The publisher over a real NATS server: subjects, types, periods, rate, size, NATS lost and back."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import nats as nats_client
import pytest
from nats.aio.msg import Msg

from tests.odin.target import WAIT_S, until
from wstui.odin.nats_server import NatsServer, find_nats_server
from wstui.odin.price_simulator import TOKENS
from wstui.odin.publisher import Publisher, PublishPlan
from wstui.servers.child_process import ChildProcess

FIELDS = {
    "trade:executed": {"tradeId", "tokenId", "userId", "side", "price", "amount"},
    "price:update": {"tokenId", "price", "priceChange24h", "percentChange24h", "volume24h", "source"},
    "batch:update": {"updates", "source"},
    "volume:update": {"tokenId", "volume24h", "trades24h", "source"},
    "holder:update": {"tokenId", "holders", "change24h", "source"},
    "market:stats": {
        "totalMarketCap",
        "totalVolume24h",
        "totalTrades24h",
        "activeTokens",
        "topGainers",
        "topLosers",
    },
}


@asynccontextmanager
async def listening(url: str) -> AsyncIterator[list[Msg]]:
    """What is published on any Odin subject, as it comes."""
    connection = await nats_client.connect(url, max_reconnect_attempts=-1, reconnect_time_wait=0.1)
    heard: list[Msg] = []

    async def hear(message: Msg) -> None:
        heard.append(message)

    await connection.subscribe("odin.>", cb=hear)
    await connection.flush()
    try:
        yield heard
    finally:
        await connection.close()


@asynccontextmanager
async def publishing(url: str, plan: PublishPlan) -> AsyncIterator[Publisher]:
    publisher = Publisher(url, plan)
    await asyncio.wait_for(publisher.connect(), WAIT_S)
    task = asyncio.create_task(publisher.run())
    try:
        yield publisher
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def content(message: Msg) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(message.data)
    return document


async def test_every_type_comes_on_its_subject_with_its_fields_and_numbers(nats: str) -> None:
    async with listening(nats) as heard, publishing(nats, PublishPlan(speed=10_000, seed=1)):
        await until(lambda: {content(message)["type"] for message in heard[-500:]} == set(FIELDS))
    sequences = [content(message)["sequence"] for message in heard]
    assert sequences == list(range(1, len(heard) + 1))
    assert len({content(message)["nonce"] for message in heard}) == len(heard)
    for message in heard:
        fields = content(message)
        kind, token = fields["type"], fields.get("tokenId")
        assert set(fields) - FIELDS[kind] == {"type", "timestamp", "nonce", "sequence"}
        assert (
            message.subject
            == {
                "trade:executed": f"odin.trades.{token}",
                "price:update": f"odin.token.{token}.price",
                "batch:update": "odin.token.batch.update",
                "volume:update": f"odin.token.{token}.volume",
                "holder:update": f"odin.token.{token}.holders",
                "market:stats": "odin.market.statistics",
            }[kind]
        )
        assert token is None or token in TOKENS


async def test_a_price_follows_each_trade(nats: str) -> None:
    async with listening(nats) as heard, publishing(nats, PublishPlan(tokens=("ETH",), speed=500)):
        await until(lambda: len(heard) >= 20)
    kinds = [content(message)["type"] for message in heard]
    at = kinds.index("trade:executed")
    trade, price = content(heard[at]), content(heard[at + 1])
    assert price["type"] == "price:update"
    assert (price["tokenId"], price["price"], price["source"]) == ("ETH", trade["price"], "trade")


async def test_a_rate_and_a_size_make_a_throughput_test(nats: str) -> None:
    plan = PublishPlan(tokens=("BTC", "SOL"), rate=2_000, size=700, speed=0.001)
    async with listening(nats) as heard, publishing(nats, plan) as publisher:
        await until(lambda: len(heard) >= 600)
        assert publisher.skipped == 0
    assert {len(message.data) for message in heard} == {700}
    assert {content(message)["tokenId"] for message in heard} == {"BTC", "SOL"}


async def test_a_publisher_comes_back_when_nats_does_and_tells_what_it_skipped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    logging.getLogger("wstui.odin").propagate = True
    caplog.set_level(logging.INFO, "wstui.odin")
    async with NatsServer() as broker, publishing(broker.url, PublishPlan(rate=500, statistics=0.05)) as publisher:
        await until(lambda: publisher.published.total() > 10)
        await broker.stop()
        await until(lambda: publisher.skipped > 0)
        async with NatsServer(port=broker.port), listening(broker.url) as heard:
            await until(lambda: publisher.reconnects == 1)
            await until(lambda: len(heard) > 10)
            await until(lambda: any(getattr(r, "reconnects", 0) == 1 for r in caplog.records))
    last = [record for record in caplog.records if record.getMessage() == "published"][-1]
    assert vars(last)["skipped"] > 0
    assert vars(last)["by_type"]["price:update"] > 10


@asynccontextmanager
async def guarded() -> AsyncIterator[str]:
    """A NATS server that wants a password, as host and port."""
    argv = [str(find_nats_server()), "-a", "127.0.0.1", "-p", "-1", "--user", "bob", "--pass", "sesame-open"]
    server = ChildProcess("nats-server", argv, ready="Server is ready")
    await server.start(WAIT_S)
    try:
        yield next(line.rpartition(" on ")[2] for line in server.lines if "Listening for client" in line)
    finally:
        await server.stop(WAIT_S)


async def test_who_waits_for_nats_says_why_once_and_without_the_password(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("wstui.odin").propagate = True
    caplog.set_level(logging.DEBUG, "wstui.odin")

    def warned() -> list[logging.LogRecord]:
        return [record for record in caplog.records if record.levelno == logging.WARNING]

    async with guarded() as place:
        publisher = Publisher(f"nats://bob:wrong-word@{place}", PublishPlan())
        waiting = asyncio.create_task(publisher.connect())
        await until(lambda: len(caplog.records) >= 4)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        errors = [vars(record)["error"] for record in warned()]
        assert any("Authorization Violation" in error for error in errors) and len(errors) == len(set(errors))
        assert {(record.getMessage(), vars(record)["url"]) for record in warned()} == {
            ("no connection to NATS; retrying", f"nats://{place}")
        }
        async with publishing(f"nats://bob:sesame-open@{place}", PublishPlan(rate=100)) as sound:
            await until(lambda: sound.published.total() > 0)
    told_all = caplog.text + " ".join(str(vars(record)) for record in caplog.records)
    assert "wrong-word" not in told_all and "sesame-open" not in told_all
