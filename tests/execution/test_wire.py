"""What goes over the wire besides messages: compression, subprotocols, headers, origin."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

from tests.execution.running import finish
from tests.load.leading import led
from tests.servers.server import until
from wstui.load.frames import plain_size
from wstui.scenario.conversation.role import Role
from wstui.scenario.model import Messages, Scenario, Stage, Target


class Echo:
    """Echoes, and remembers with whom it spoke."""

    def __init__(self) -> None:
        self.connections: list[ServerConnection] = []
        self.fragments = False

    async def serve(self, connection: ServerConnection) -> None:
        self.connections.append(connection)
        async for message in connection:
            if self.fragments:
                middle = len(message) // 2
                await connection.send([message[:middle], message[middle:]])
            else:
                await connection.send(message)


@contextlib.asynccontextmanager
async def echoing(**settings: Any) -> AsyncIterator[tuple[Echo, str]]:
    echo = Echo()
    async with serve(echo.serve, "127.0.0.1", 0, **settings) as server:
        yield echo, f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"


def talking(
    url: str, *, size: int = 1000, exchange: str = "echo", roles: Sequence[Role] = (), **target: Any
) -> Scenario:
    return Scenario(
        target=Target(
            url=url, ready="open", settle=0.05, health="off", connect_timeout=10.0, close_timeout=3.0, **target
        ),
        stages=[Stage(name="ramp", over=0.1, clients=3), Stage(name="hold", over=0.7)],
        messages=Messages(exchange=exchange, every=0.02, timeout=10.0, size=size),  # type: ignore[arg-type]
        roles=list(roles),
    )


@pytest.mark.parametrize("fragments", [False, True])
async def test_compressed_bytes_are_counted_as_on_the_wire_and_as_inflated(fragments: bool) -> None:
    async with echoing(compression="deflate") as (echo, url):
        echo.fragments = fragments
        async with led(talking(url, compression=True), clients=3) as running:
            await until(lambda: running.c.matched >= 60)
            c = await running.drained()
        assert all(connection.protocol.extensions for connection in echo.connections)
        assert c.matched == c.sent == c.received and c.unmatched == 0
        # A message in pieces ends with an empty frame. What else there is: the handshake, and the closing frame.
        frames = plain_size(500) * 2 + plain_size(0) if fragments else plain_size(1000)
        heads = sum(len(connection.response.serialize()) for connection in echo.connections if connection.response)
        assert c.bytes_received + c.compression_saved_received == heads + c.received * frames + 3 * plain_size(2)
        assert 0 < c.bytes_sent + c.compression_saved_sent - c.sent * plain_size(1000, mask=4) < 3 * 500
        assert c.bytes_received < c.received * 500 and c.bytes_sent < c.sent * 500 + 3 * 500


async def test_what_cannot_be_compressed_costs_a_little() -> None:
    noise = os.urandom(1500).hex()
    role = Role.model_validate({"name": "one", "loop": [{"hex": noise, "expect": {"hex": noise[:100]}}]})
    async with echoing(compression="deflate") as (_, url):
        async with led(talking(url, compression=True, exchange="roles", roles=[role]), clients=1) as running:
            await until(lambda: running.c.matched >= 1)
            assert -100 < running.c.compression_saved_sent < 1500 * running.c.sent
            c = await running.drained()
        assert c.matched == c.sent


@pytest.mark.parametrize(("offered", "compression"), [(True, None), (False, "deflate")])
async def test_without_compression_on_both_sides_nothing_is_compressed(offered: bool, compression: Any) -> None:
    async with echoing(compression=compression) as (_, url):
        async with led(talking(url, compression=offered), clients=2) as running:
            await until(lambda: running.c.matched >= 10)
            c = await running.drained()
        assert (c.compression_saved_sent, c.compression_saved_received) == (0, 0)
        assert c.bytes_received > c.received * 1000


async def test_a_server_may_compress_every_message_by_itself() -> None:
    extension = ServerPerMessageDeflateFactory(
        server_no_context_takeover=True, client_no_context_takeover=True, server_max_window_bits=10
    )
    async with echoing(compression=None, extensions=[extension]) as (_, url):
        async with led(talking(url, compression=True), clients=2) as running:
            await until(lambda: running.c.matched >= 20)
            c = await running.drained()
        assert c.matched == c.sent and c.compression_saved_received > 0 < c.compression_saved_sent


async def test_a_message_that_inflates_beyond_the_limit_ends_the_connection() -> None:
    async with echoing(compression="deflate") as (_, url):
        scenario = talking(url, compression=True, size=20_000, max_size=10_000)
        async with led(scenario, clients=1) as running:
            await until(lambda: running.c.dropped == 1)
            assert "too large" in {group.kind for group in running.failures}
            await running.drained()


async def test_ping_frames_are_not_compressed() -> None:
    async with echoing(compression="deflate") as (_, url):
        async with led(talking(url, compression=True, exchange="ping"), clients=2) as running:
            await until(lambda: running.c.matched >= 20)
            c = await running.drained()
        assert c.matched == c.sent and (c.compression_saved_sent, c.compression_saved_received) == (0, 0)


async def test_result_and_process_know_of_compression() -> None:
    async with echoing(compression="deflate") as (_, url):
        finished = await finish(talking(url, compression=True))
    messages = finished.result.messages
    assert messages.bytes_received_inflated > 2 * messages.bytes_received
    assert messages.bytes_sent_inflated > 2 * messages.bytes_sent
    parts = [stage.messages.bytes_sent_inflated for stage in finished.result.stages]
    assert sum(parts) == messages.bytes_sent_inflated


async def test_subprotocols_headers_and_origin_reach_the_server() -> None:
    async with echoing(subprotocols=["v2.chat"], compression=None) as (echo, url):
        scenario = talking(
            url,
            subprotocols=["v3.chat", "v2.chat"],
            headers={"X-Tenant": "blue", "Cookie": "session=abc"},
            origin="https://app.example.com",
        )
        async with led(scenario, clients=2) as running:
            await until(lambda: running.c.matched >= 4)
            await running.drained()
        finished = await finish(scenario)
        assert finished.counters.ready == 3
    for connection in echo.connections:
        assert connection.subprotocol == "v2.chat"
        assert connection.request is not None
        headers = connection.request.headers
        assert headers["Sec-WebSocket-Protocol"] == "v3.chat, v2.chat"
        assert (headers["X-Tenant"], headers["Cookie"]) == ("blue", "session=abc")
        assert headers["Origin"] == "https://app.example.com"
    assert len(echo.connections) == 5


async def test_an_origin_that_is_not_welcome_is_refused() -> None:
    async with echoing(origins=["https://app.example.com"], compression=None) as (_, url):
        scenario = talking(url, origin="https://elsewhere.example.com")
        async with led(scenario, clients=2) as running:
            await until(lambda: running.c.refused == 2)
            await running.drained()
            assert {group.kind for group in running.failures} == {"http 403"}
