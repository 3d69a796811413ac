"""Old forms against the servers that spoke them: Socket.IO 2, subscriptions-transport-ws, STOMP inside SockJS."""

from __future__ import annotations

import pytest

from tests.conversations.chat import scenario
from tests.conversations.test_roles import balance, counts
from tests.load.leading import led
from tests.protocols import npm, test_graphql, test_socketio
from tests.protocols.serving import failure, target
from tests.protocols.test_npm_servers import said
from tests.servers.server import until

SOCKETIO = ("socketio_server.mjs", "socket.io-2")
GRAPHQL = ("graphql_legacy_server.mjs", "subscriptions-transport-ws")
SOCKJS = ("sockjs_server.mjs", "stomp-broker-js")
IDLE = '[[roles]]\nname = "m"'

# -- Socket.IO 2 -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("namespace", ["/", "/chat?token=good"])
async def test_events_are_counted_as_socket_io_2_counts_them(namespace: str) -> None:
    more = target("socketio", version="3", namespace=f'"{namespace}"')
    async with npm.serving(*SOCKETIO, told="2") as server:
        async with led(scenario(server.url, test_socketio.TALK, clients=10, more=more, timeout="10s")) as workers:
            await until(lambda: counts(workers, "blob").done >= 60 and workers.c.pongs >= 10)
            c = await workers.drained()
            assert c.ready == 10 and not workers.failures
            balance(workers)
        log = await server.log()
        assert (len(set(log["ids"])), log["join"]) == (10 if namespace == "/" else 20, 10)
        assert counts(workers, "say").done == log["say"] and counts(workers, "blob").begun == log["blob"]
        assert log["pings"] >= workers.c.pongs and set(log["gone"]) <= {
            "client namespace disconnect",
            "transport close",
        }


@pytest.mark.parametrize(
    ("namespace", "words"),
    [("/chat?token=bad", "not allowed"), ("/nowhere", "Invalid namespace")],
)
async def test_socket_io_2_refuses_in_its_words(namespace: str, words: str) -> None:
    more = target("socketio", version="3", namespace=f'"{namespace}"')
    async with (
        npm.serving(*SOCKETIO, told="2") as server,
        led(scenario(server.url, IDLE, clients=2, more=more)) as workers,
    ):
        await until(lambda: workers.c.refused == 2)
        assert failure(workers) == ("refused", f"m, connect: {words}")


async def test_socket_io_2_says_goodbye() -> None:
    role = f'{IDLE}\nloop = [{{ emit = "bye" }}]'
    async with (
        npm.serving(*SOCKETIO, told="2") as server,
        led(scenario(server.url, role, clients=2, more=target("socketio", version="3"))) as workers,
    ):
        await until(lambda: workers.c.dropped == 2)
        assert ("goodbye", "m: the server left the namespace (41)") in said(workers)


# -- GraphQL -----------------------------------------------------------------------------------------------------------


async def test_operations_are_counted_as_subscriptions_transport_ws_counts_them() -> None:
    more = target("graphql", legacy="true")
    async with npm.serving(*GRAPHQL) as server:
        async with led(
            scenario(server.url, test_graphql.TALK + test_graphql.DOUBLE, clients=10, more=more, timeout="10s")
        ) as workers:
            await until(lambda: counts(workers, "double").done >= 60 and workers.types.get("ka", 0) >= 20)
            c = await workers.drained()
            assert c.ready == 10 and not workers.failures and c.sequence_received > 0 and not c.sequence_gaps
            balance(workers)
        log = await server.log()
        assert counts(workers, "double").begun == log["double"] and log["begun"] == log["double"] + 10


@pytest.mark.parametrize(
    ("options", "step", "found"),
    [
        ({"payload": '{ token = "bad" }'}, 'query = "{ double(n: 1) }"', ("refused", "m, connect: not you")),
        ({}, 'query = "{ fails }"', ("refused", "m, ask: no such thing")),
        ({}, 'query = "{ nothing }"', ("refused", 'm, ask: Cannot query field "nothing" on type "Query".')),
        (
            {},
            'subscribe = "subscription { broken }"',
            ("server error", "m: Cannot return null for non-nullable field Subscription.broken."),
        ),
        (
            {"legacy": "false"},
            'query = "{ double(n: 1) }"',
            ("close 1002", "protocol error"),
        ),
    ],
)
async def test_subscriptions_transport_ws_refuses_and_fails_in_its_words(
    options: dict[str, str], step: str, found: tuple[str, str]
) -> None:
    role = f'{IDLE}\nloop = [{{ name = "ask", {step} }}]'
    more = target("graphql", **{"legacy": "true"} | options)
    async with npm.serving(*GRAPHQL) as server, led(scenario(server.url, role, clients=2, more=more)) as workers:
        await until(lambda: bool(workers.failures))
        assert found in said(workers)


# -- SockJS ------------------------------------------------------------------------------------------------------------

ECHO = """
[[roles]]
name = "member"
[[roles.open]]
name = "listen"
subscribe = "/topic/echo"
[[roles.loop]]
name = "echo"
publish = "/app/echo"
body = { n = "{{seq}}", from = "{{client}}", text = '"quoted" \\' }
expect = { type = "message", "body.n" = "{{seq}}", "body.from" = "{{client}}" }
"""


@pytest.mark.parametrize(("path", "sockjs"), [("", "true"), ("/websocket", "false")])
async def test_messages_are_counted_as_a_broker_inside_sockjs_counts_them(path: str, sockjs: str) -> None:
    """The broker sends no RECEIPT, and counts characters for bytes."""
    more = target("stomp", sockjs=sockjs, receipts="false", subprotocol="false")
    started = {"clients": 5, "every": "200ms", "more": more, "timeout": "20s"}
    async with npm.serving(*SOCKJS) as server:
        async with led(scenario(server.url + path, ECHO, **started)) as workers:
            await until(lambda: counts(workers, "echo").done >= 30)
            c = await workers.drained()
            assert c.ready == 5 and not c.dropped and not workers.failures
            balance(workers)
        log = await server.log()
        assert log["connected"] == log["subscribed"] == 5 and log["sent"] == counts(workers, "echo").begun
