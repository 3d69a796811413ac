"""Socket.IO and GraphQL against the servers that most people run: npm's socket.io and graphql-ws."""

from __future__ import annotations

import pytest

from tests.conversations.chat import scenario
from tests.conversations.test_roles import balance, counts
from tests.load.leading import Workers, led
from tests.protocols import npm, test_graphql, test_socketio
from tests.protocols.serving import failure, target
from tests.servers.server import until


def said(workers: Workers) -> list[tuple[str, str]]:
    return [(group.kind, group.message) for group in workers.failures]


SOCKETIO = ("socketio_server.mjs", "socket.io")
GRAPHQL = ("graphql_server.mjs", "graphql-ws", "graphql", "ws")


@pytest.mark.parametrize(
    "options", [{}, {"namespace": '"/chat"', "auth": '{ token = "good" }'}, {"version": "3"}], ids=str
)
async def test_events_are_counted_as_socket_io_counts_them(options: dict[str, str]) -> None:
    more = target("socketio", **options)
    async with npm.serving(*SOCKETIO) as server:
        async with led(scenario(server.url, test_socketio.TALK, clients=10, more=more, timeout="10s")) as workers:
            await until(lambda: counts(workers, "blob").done >= 60)
            c = await workers.drained()
            assert c.ready == 10 and not workers.failures
            balance(workers)
        log = await server.log()
        assert (len(log["ids"]), log["join"]) == (10, 10)
        assert counts(workers, "say").done == log["say"] and counts(workers, "blob").begun == log["blob"]


async def test_socket_io_refuses_and_says_goodbye_in_its_words() -> None:
    bad = target("socketio", namespace='"/chat"', auth='{ token = "bad" }')
    async with npm.serving(*SOCKETIO) as server:
        async with led(scenario(server.url, test_socketio.TALK, clients=2, more=bad)) as workers:
            await until(lambda: workers.c.refused == 2)
            assert failure(workers) == ("refused", "member, connect: not allowed")
        role = '[[roles]]\nname = "m"\nloop = [{ emit = "bye" }]'
        async with led(scenario(server.url, role, clients=2, more=target("socketio"))) as workers:
            await until(lambda: workers.c.dropped == 2)
            assert ("goodbye", "m: the server left the namespace (41)") in said(workers)


async def test_operations_are_counted_as_graphql_ws_counts_them() -> None:
    more = target("graphql", ping='"3s"')
    async with npm.serving(*GRAPHQL) as server:
        talk = test_graphql.TALK + test_graphql.ASK
        async with led(scenario(server.url, talk, clients=10, more=more, timeout="10s")) as workers:
            await until(lambda: counts(workers, "note").done >= 60 and workers.c.pongs > 0)
            c = await workers.drained()
            assert not workers.failures and c.ready == 10 and c.sequence_received > 0 and not c.sequence_gaps
            balance(workers)
        log = await server.log()
        assert (counts(workers, "double").begun, counts(workers, "note").begun) == (log["double"], log["note"])
        assert log["pings"] > 0


@pytest.mark.parametrize(
    ("options", "query", "found"),
    [
        (
            {"payload": '{ token = "bad" }'},
            "{ double(n: 1) }",
            ("close 4403", "Forbidden (connection_init was refused)"),
        ),
        ({}, "{ fails }", ("refused", "m, ask: no such thing")),
        ({}, "{ nothing }", ("refused", 'm, ask: Cannot query field "nothing" on type "Query".')),
        (
            {"legacy": "true"},
            "{ fails }",
            ("handshake", "invalid upgrade: no subprotocol was granted, of those asked for (graphql-ws)"),
        ),
    ],
)
async def test_graphql_ws_refuses_and_fails_in_its_words(
    options: dict[str, str], query: str, found: tuple[str, str]
) -> None:
    role = f'[[roles]]\nname = "m"\nloop = [{{ name = "ask", query = "{query}" }}]'
    async with (
        npm.serving(*GRAPHQL) as server,
        led(scenario(server.url, role, clients=2, more=target("graphql", **options))) as workers,
    ):
        await until(lambda: bool(workers.failures))
        assert found in said(workers)
