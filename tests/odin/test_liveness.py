"""The clock of the server: heartbeats, dead peers, slow readers, shutdown."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.odin.target import WAIT_S, client, get, pinged, receive, serving, until, url
from wstui.odin.server import OdinServer
from wstui.odin.server_settings import SlowConsumer
from wstui.odin.stats import ConnectionPhase

UPGRADE = (
    "GET /ws?token={} HTTP/1.1\r\nHost: odin\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


async def silent(server: OdinServer, token: str, receive_buffer: int = 0) -> socket.socket:
    """A client that upgrades and then neither reads nor writes."""
    sock = socket.socket()
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(sock, ("127.0.0.1", server.port))
    before = server.stats.opened
    await loop.sock_sendall(sock, UPGRADE.format(token).encode())
    await until(lambda: server.stats.opened > before)
    return sock


async def test_heartbeats_tell_everybody_the_same() -> None:
    async with serving(heartbeat=0.1) as server, client(server) as one, client(server) as two:
        first, second = await one.recv(), await two.recv()
        heartbeat = json.loads(first)
        assert heartbeat["type"] == "heartbeat"
        assert heartbeat["connectedClients"] in (1, 2)
        assert heartbeat["idleTime"] >= 0
        assert first == second or json.loads(second)["connectedClients"] == 2


@pytest.mark.parametrize("compression", [None, "deflate"])
async def test_a_dead_peer_is_found_and_one_that_answers_pings_stays(compression: str | None, token: str) -> None:
    async with (
        serving(dead_peer=1.0, compression=True) as server,
        client(server, compression=compression) as alive,
    ):
        with await silent(server, token):
            await until(lambda: server.stats.dead_peers == 1)
            await until(lambda: server.stats.phases[ConnectionPhase.OPEN] == 1)
        assert [message["type"] for message in await pinged(alive)] == ["pong"]


@pytest.mark.parametrize("policy", list(SlowConsumer))
async def test_a_slow_reader_costs_a_bounded_queue_and_harms_nobody(policy: SlowConsumer, token: str) -> None:
    bounds = {"send_queue": 10, "send_buffer_bytes": 1 << 16, "slow_consumer": policy}
    async with serving(**bounds) as server, client(server) as quick:
        with await silent(server, token, receive_buffer=4096):
            stats = server.stats
            message = json.dumps({"type": "price:update", "padding": "x" * 100_000}).encode()
            while not (stats.dropped_slow or stats.closed_slow):
                server.hub.relay(message, 0.0)
                await receive(quick)
            if policy is SlowConsumer.DROP_OLDEST:
                assert [len(c.backlog) for c in server.hub.connections if c.backlog is not None] == [10]
                assert (stats.closed_slow, stats.ejected) == (0, {})
            else:
                assert (stats.dropped_slow, stats.closed_slow) == (0, 1)
                assert stats.ejected == {"1013 reads too slowly": 1}
                await until(lambda: stats.phases[ConnectionPhase.CLOSING] == 0)  # it does not read the close either
                assert stats.close_timeouts == 1
        assert (await pinged(quick))[-1]["type"] == "pong"


async def test_a_slow_reader_that_reads_again_gets_the_latest_messages(token: str) -> None:
    async with (
        serving(send_queue=5) as server,
        connect(url(server, token), compression=None, max_queue=1, max_size=None) as ws,
    ):
        ws.transport.pause_reading()
        sent = 0
        while server.stats.dropped_slow < 20:
            sent += 1
            server.hub.relay(json.dumps({"number": sent, "padding": "x" * 100_000}).encode(), 0.0)
            await asyncio.sleep(0)
        ws.transport.resume_reading()
        numbers: list[int] = []
        while not numbers or numbers[-1] < sent:
            numbers.append((await receive(ws)).get("number", 0))
        assert numbers[-5:] == list(range(sent - 4, sent + 1))
        assert len(numbers) == sent + 1 - server.stats.dropped_slow  # one of them is the welcome


async def test_shutdown_closes_every_client_with_1001() -> None:
    async with serving() as server, client(server) as one, client(server) as two:
        await server.stop()
        for ws in (one, two):
            with pytest.raises(ConnectionClosed) as end:
                await asyncio.wait_for(ws.recv(), WAIT_S)
            assert end.value.rcvd is not None
            assert (end.value.rcvd.code, end.value.rcvd.reason) == (1001, "server shutting down")
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", server.port)


async def test_shutdown_does_not_wait_for_clients_that_do_not_leave(token: str) -> None:
    async with serving(close=60.0, drain=0.2) as server:
        with await silent(server, token):
            await server.stop()
            await until(lambda: server.stats.phases[: ConnectionPhase.CLOSED] == [0, 0, 0])


async def test_a_handshake_that_meets_the_shutdown_is_told_so(token: str) -> None:
    async with serving() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        await until(lambda: server.stats.phases[ConnectionPhase.HANDSHAKE] == 1)
        with await silent(server, token):  # keeps the shutdown waiting
            stopping = asyncio.create_task(server.stop())
            await until(lambda: server.stats.phases[ConnectionPhase.CLOSING] == 1)
            writer.write(UPGRADE.format(token).encode())
            assert b" 503 " in await asyncio.wait_for(reader.readline(), WAIT_S)
            await stopping
        writer.close()


async def test_a_client_that_connects_and_says_nothing_is_let_go() -> None:
    async with serving(handshake=0.2) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        assert await asyncio.wait_for(reader.read(), WAIT_S) == b""
        assert server.stats.refused == {"handshake timeout": 1}
        writer.close()


async def test_everything_is_answered_while_a_client_is_refused() -> None:
    async with serving(connections=1) as server, client(server) as ws:
        with pytest.raises(InvalidStatus):
            async with connect(url(server, "x")):
                pass
        assert (await get(server, "/health"))[0].status == 200
        assert (await pinged(ws))[-1]["type"] == "pong"
