"""Clients that want some tokens only: acknowledged, and nothing comes that they did not ask for."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.execution.running import Finished, finish, scenario
from tests.servers.server import Connection, Server
from wstui.execution.run.result_figures import figure
from wstui.load.subscription import tokens_of
from wstui.odin.server import OdinServer
from wstui.odin.server_settings import AuthMode, ServerSettings
from wstui.report.formats.console import summary
from wstui.scenario.errors import ScenarioError
from wstui.scenario.file import loads
from wstui.scenario.model import Messages, Scenario, Threshold

NAMES = ["BTC", "eth", "SOL", "DOGE"]
LIMITS = [Threshold(metric="subscribe.acks", limit=">= 100%"), Threshold(metric="subscribe.leaks", limit="<= 0")]


def subscribing(url: str, *, each: int = 1, exchange: str = "odin", clients: int = 8, hold: float = 1.0) -> Scenario:
    asked = scenario(url, clients=clients, hold=hold, thresholds=LIMITS)
    messages = Messages(exchange=exchange, every=0.2, timeout=10, subscribe=NAMES, subscribe_each=each)  # type: ignore[arg-type]
    return asked.model_copy(update={"messages": messages})


@contextlib.asynccontextmanager
async def market() -> AsyncIterator[tuple[str, list[str]]]:
    """A server that relays an update of each token in turn, and what it relays that is about none or several."""
    async with OdinServer(ServerSettings(port=0, auth=AuthMode.OFF), None) as server:
        loop, names = asyncio.get_running_loop(), [name.upper() for name in NAMES]

        async def trade() -> None:
            for number in range(10**6):
                for name in names:
                    update = {"type": "price:update", "tokenId": name, "number": number}
                    server.hub.relay(json.dumps(update).encode(), loop.time())
                batch = {"type": "batch:update", "number": number, "updates": [{"tokenId": n} for n in names[:2]]}
                server.hub.relay(json.dumps(batch).encode(), loop.time())
                server.hub.relay(json.dumps({"type": "market:stats", "number": number}).encode(), loop.time())
                await asyncio.sleep(0.05)

        trading = asyncio.create_task(trade())
        yield f"ws://127.0.0.1:{server.port}/ws", names
        trading.cancel()


@pytest.mark.parametrize(("each", "exchange"), [(1, "odin"), (2, "listen"), (0, "odin")])
async def test_a_server_that_filters_leaks_nothing(each: int, exchange: str) -> None:
    async with market() as (url, _):
        finished = await finish(subscribing(url, each=each, exchange=exchange))
    result = finished.result
    assert result.passed, result.verdict.reason
    assert result.subscriptions is not None
    assert (result.subscriptions.asked, result.subscriptions.acknowledged, result.subscriptions.filter_leaks) == (
        8,
        8,
        0,
    )
    assert result.messages.by_type["subscription:ack"] == 8
    assert result.messages.by_type["price:update"] > 8, "what was asked for did come"
    assert result.fanout is None, "no message is meant for all"
    assert figure(result, "subscribe.acks") == 100 and figure(result, "subscribe.leaks") == 0
    assert "acknowledged 8" in summary(result)


class Chatty(Server):
    """Acknowledges subscriptions and sends everything to everybody all the same."""

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        document: dict[str, Any] = json.loads(payload)
        if document["type"] == "subscribe":
            client.say(type="price:update", tokenId="XRP", before=True)  # was on its way
            client.say(type="subscription:ack", subscriptions=self.acknowledged(document["tokens"]))
            client.say(type="price:update", tokenId=document["tokens"][0].lower())
            client.say(type="price:update", tokenId="XRP")
            client.say(type="batch:update", updates=[{"tokenId": "XRP"}, {"tokenId": document["tokens"][0]}])
            client.say(type="market:stats")
            client.say(type="odd", tokenId=7, updates=[{"tokenId": None}])

    def acknowledged(self, tokens: list[str]) -> list[str]:
        return tokens


class WrongAcknowledger(Chatty):
    """Acknowledges something else."""

    def acknowledged(self, tokens: list[str]) -> list[str]:
        return [*tokens, "all"]


def failed(finished: Finished, kind: str) -> int:
    return finished.failures.get(kind, 0)


async def test_what_comes_after_the_acknowledgement_and_was_not_asked_for_is_a_leak() -> None:
    async with Chatty() as server:
        finished = await finish(subscribing(server.url, hold=0.5))
    result = finished.result
    assert result.subscriptions is not None and result.subscriptions.filter_leaks == 8
    assert not result.passed and "subscribe.leaks was 8" in result.verdict.reason
    assert failed(finished, "leak") == 8
    assert '"XRP"' in finished.details[0]


async def test_an_acknowledgement_of_something_else_is_none() -> None:
    async with WrongAcknowledger() as server:
        finished = await finish(subscribing(server.url, hold=0.5))
    result = finished.result
    assert result.subscriptions is not None and result.subscriptions.acknowledged == 0
    assert failed(finished, "subscription") == 8
    assert result.subscriptions.filter_leaks == 0, "nobody knows yet what the server thinks it should send"


async def test_a_server_that_never_acknowledges_is_counted_so() -> None:
    async with Server() as server:
        finished = await finish(subscribing(server.url, hold=0.5))
    assert figure(finished.result, "subscribe.acks") == 0


def test_tokens_are_read_from_whatever_a_server_sends() -> None:
    assert tokens_of(b'{"tokenId":"btc"}') == {"BTC"}
    assert tokens_of(b'{"updates":[{"tokenId":"A"},{"tokenId":"b"},{}]}') == {"A", "B"}
    for odd in (b"", b"null", b"[]", b'{"updates":7}', b'{"updates":[1]}', b"\xff", b"[" * 10_000, b'{"tokenId":{}}'):
        assert tokens_of(odd) == frozenset()


def test_nobody_can_take_more_tokens_than_there_are() -> None:
    text = '[[stages]]\nname = "hold"\nover = "1s"\nclients = 1\n[messages]\nsubscribe = ["A"]\nsubscribe_each = 2\n'
    with pytest.raises(ScenarioError, match=r"messages\.subscribe_each = 2"):
        loads(text)
