"""Against servers of npm: socket.io and graphql-ws, which most people run, and the WAMP router fox-wamp."""

from __future__ import annotations

import pytest

from tests.conversations.chat import scenario
from tests.conversations.test_roles import balance, counts
from tests.load.leading import Workers, led
from tests.protocols import npm, test_graphql, test_socketio, test_wamp
from tests.protocols.serving import failure, target
from tests.servers.server import until


def said(workers: Workers) -> list[tuple[str, str]]:
    return [(group.kind, group.message) for group in workers.failures]


SOCKETIO = ("socketio_server.mjs", "socket.io")
GRAPHQL = ("graphql_server.mjs", "graphql-ws", "graphql", "ws")
WAMP = ("wamp_router.mjs", "fox-wamp")


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


CALLEE = """
[[roles]]
name = "callee"
open = [{ name = "offer", register = "com.example.own.{{client}}" }]
loop = [{ name = "own", call = "com.example.own.{{client}}", args = [1], expect = { "args.0" = 7 } }]
"""


async def test_publications_and_calls_are_counted_as_fox_wamp_counts_them() -> None:
    more = target("wamp", result="[7]")
    async with npm.serving(*WAMP) as server:
        async with led(scenario(server.url, test_wamp.TALK, clients=10, more=more, timeout="10s")) as workers:
            await until(lambda: counts(workers, "add").done >= 100)
            c = await workers.drained()
            assert c.ready == 10 and not workers.failures and workers.types["EVENT"] > 0
            balance(workers)
        log = await server.log()
        assert (log["hello"], log["subscribe"], log["goodbye"]) == (10, 10, 10)
        assert counts(workers, "say").begun == log["publish"] and counts(workers, "add").begun == log["call"]
        async with led(scenario(server.url, CALLEE, clients=3, more=more)) as workers:
            await until(lambda: counts(workers, "own").done >= 30)
            assert workers.c.ready == 3 and not workers.failures
            await workers.drained()
        log = await server.log()
        assert log["register"] == 3 and log["yield"] == workers.types["INVOCATION"]


@pytest.mark.parametrize(("ticket", "ready"), [("good", 2), ("bad", 0)])
async def test_fox_wamp_lets_in_who_has_a_ticket(ticket: str, ready: int) -> None:
    more = target("wamp", ticket=f'"{ticket}"', user='"user-{{client}}"')
    async with (
        npm.serving(*WAMP, told="tickets") as server,
        led(scenario(server.url, test_wamp.TALK, clients=2, more=more)) as workers,
    ):
        await until(lambda: workers.c.ready == ready and workers.c.refused == 2 - ready)
        if not ready:
            assert failure(workers) == ("refused", "member, ticket: wamp.error.authentication_failed")


async def test_fox_wamp_knows_no_such_procedure() -> None:
    odd = '[[roles]]\nname = "caller"\n[[roles.loop]]\nname = "odd"\ncall = "no.such"'
    async with (
        npm.serving(*WAMP) as server,
        led(scenario(server.url, odd, more=target("wamp"))) as workers,
    ):
        await until(lambda: counts(workers, "odd").failed >= 2)
        kind, words = failure(workers)
        assert kind == "refused" and words.startswith("caller, odd: wamp.error.no_such_procedure")
