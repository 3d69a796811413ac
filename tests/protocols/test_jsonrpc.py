"""JSON-RPC against the library jsonrpcserver, with subscriptions as Ethereum nodes push them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from tests.conversations.chat import scenario
from tests.conversations.test_roles import balance, counts
from tests.load.leading import led
from tests.protocols.serving import failure, target
from tests.servers.server import until

jsonrpcserver = pytest.importorskip("jsonrpcserver", reason="jsonrpcserver is not installed")

NODE = """
[[roles]]
name = "reader"
[[roles.open]]
name = "heads"
call = "eth_subscribe"
params = ["newHeads"]
expect = { "0" = "0x1" }
[[roles.loop]]
name = "add"
call = "add"
params = [1, "{{seq}}"]
expect = { sum = "*" }
capture = { last = "sum" }
[[roles.loop]]
name = "seen"
notify = "seen"
params = { sum = "{{last}}" }
[roles.sequence]
of = { method = "eth_subscription" }
number = "params.result.number"
"""


@contextlib.asynccontextmanager
async def serving(every_s: float = 0.01) -> AsyncIterator[tuple[str, Counter[str]]]:
    log: Counter[str] = Counter()

    def eth_subscribe(kind: str) -> Any:
        log["subscribed"] += 1
        return jsonrpcserver.Success(["0x1"])

    def add(one: int, other: int) -> Any:
        log["add"] += 1
        return jsonrpcserver.Success({"sum": one + other})

    def seen(sum: int) -> Any:
        log["seen"] += 1
        return jsonrpcserver.Success()

    def eth_block_number() -> Any:
        return jsonrpcserver.Success("0x10")

    methods = {"eth_subscribe": eth_subscribe, "eth_blockNumber": eth_block_number, "add": add, "seen": seen}

    async def accept(connection: ServerConnection) -> None:
        async def push() -> None:
            for number in range(100_000):
                await asyncio.sleep(every_s)
                result = {"subscription": "0x1", "result": {"number": number}}
                await connection.send(json.dumps({"jsonrpc": "2.0", "method": "eth_subscription", "params": result}))

        pushing = asyncio.create_task(push())
        async for message in connection:
            if answer := jsonrpcserver.dispatch(message, methods=methods):
                await connection.send(answer)
        pushing.cancel()

    async with serve(accept, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/", log


async def test_calls_notifications_and_pushes_are_counted() -> None:
    async with serving() as (url, log), led(scenario(url, NODE, clients=10, more=target("jsonrpc"))) as workers:
        await until(lambda: counts(workers, "add").done >= 200 and workers.types.get("eth_subscription", 0) >= 100)
        c = await workers.drained()
        assert c.ready == log["subscribed"] == 10 and not workers.failures
        assert counts(workers, "add").done == log["add"]
        await until(lambda: counts(workers, "seen").done == log["seen"])
        assert workers.c.sequence_received > 100 and workers.c.sequence_gaps == 0
        balance(workers)


async def test_an_error_fails_the_step_under_the_servers_word() -> None:
    odd = '[[roles]]\nname = "reader"\n[[roles.loop]]\nname = "odd"\ncall = "no_such"'
    async with serving() as (url, _), led(scenario(url, odd, clients=1, more=target("jsonrpc"))) as workers:
        await until(lambda: counts(workers, "odd").failed >= 2)
        assert failure(workers) == ("refused", "reader, odd: Method not found (-32601)")
