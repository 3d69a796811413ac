"""GraphQL against Strawberry, both subprotocols: operations are counted as the server counts them."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest

from tests.conversations.chat import scenario
from tests.conversations.test_roles import balance, counts
from tests.load.leading import led
from tests.protocols.serving import failure, served, target, web
from tests.servers.server import until

strawberry = pytest.importorskip("strawberry", reason="strawberry-graphql is not installed")

TALK = """
[[roles]]
name = "member"
[[roles.open]]
name = "watch"
id = "ticks"
subscribe = "subscription Ticks($n: Int!) { ticks(upTo: $n) }"
operation = "Ticks"
variables = { n = 100000 }
expect = { "data.ticks" = 0 }
[roles.sequence]
of = { id = "ticks", "payload.data.ticks" = "*" }
number = "payload.data.ticks"
"""


DOUBLE = """
[[roles.loop]]
name = "double"
query = "query($n: Int!) { double(n: $n) }"
variables = { n = "{{random int 1 9}}" }
expect = { "data.double" = "*" }
"""
NOTE = """capture = { twice = "data.double" }
[[roles.loop]]
name = "note"
mutation = "mutation($n: Int!) { note(n: $n) }"
variables = { n = "{{twice}}" }
expect = { "data.note" = "{{twice}}" }
"""
ASK = DOUBLE + NOTE
ONE_EVENT = """
[[roles.loop]]
name = "double"
subscribe = "subscription($n: Int!) { one(n: $n) }"
variables = { n = "{{seq}}" }
expect = { "data.one" = "{{seq}}" }
"""


class GraphqlLog:
    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.url = ""


@contextlib.asynccontextmanager
async def serving(refuses: bool = False) -> AsyncIterator[GraphqlLog]:
    from strawberry.aiohttp.views import GraphQLView
    from strawberry.exceptions import ConnectionRejectionError

    log = GraphqlLog()

    @strawberry.type
    class Query:
        @strawberry.field
        def double(self, n: int) -> int:
            log.calls["double"] += 1
            return 2 * n

        @strawberry.field
        def fails(self) -> int:
            raise ValueError("no such thing")

    @strawberry.type
    class Mutation:
        @strawberry.mutation
        def note(self, n: int) -> int:
            log.calls["note"] += 1
            return n

    @strawberry.type
    class Subscription:
        @strawberry.subscription
        async def ticks(self, up_to: int) -> AsyncGenerator[int, None]:
            for number in range(up_to):
                log.calls["ticks"] += 1
                yield number
                await asyncio.sleep(0.05)

        @strawberry.subscription
        async def one(self, n: int) -> AsyncGenerator[int, None]:
            log.calls["double"] += 1
            yield n

    class View(GraphQLView):
        async def on_ws_connect(self, context: Any) -> Any:
            if refuses:
                raise ConnectionRejectionError({"message": "bad token"})
            return await super().on_ws_connect(context)

    app = web.Application()
    schema = strawberry.Schema(Query, Mutation, Subscription)
    view = View(schema=schema)

    async def handle(request: web.Request) -> web.StreamResponse:
        return await view(request)

    app.router.add_route("*", "/graphql", handle)  # from Python 3.14 on aiohttp does not see that a view is one
    async with served(app) as url:
        log.url = f"{url}/graphql"
        yield log


@pytest.mark.parametrize(("legacy", "asks"), [("false", ASK), ("true", ONE_EVENT)])
async def test_operations_and_events_are_counted_as_the_server_counts_them(legacy: str, asks: str) -> None:
    more = target("graphql", legacy=legacy)
    started = {"clients": 20, "every": "400ms", "more": more, "timeout": "10s"}
    async with serving() as log, led(scenario(log.url, TALK + asks, **started)) as workers:
        await until(lambda: counts(workers, "double").done >= 100 and log.calls["ticks"] >= 100)
        c = await workers.drained()
        assert c.ready == 20 and not workers.failures
        assert counts(workers, "double").begun == log.calls["double"]
        assert legacy == "true" or counts(workers, "note").begun == log.calls["note"] > 0
        assert c.sequence_received > 0 and not c.sequence_gaps
        balance(workers)


@pytest.mark.parametrize(
    ("legacy", "kind", "words"),
    [
        ("false", "close 4403", "Forbidden (connection_init was refused)"),
        ("true", "refused", "member, connect: bad token"),
    ],
)
async def test_a_refused_connection_is_named_by_the_servers_word(legacy: str, kind: str, words: str) -> None:
    more = target("graphql", legacy=legacy)
    async with serving(refuses=True) as log, led(scenario(log.url, TALK, clients=3, more=more)) as workers:
        await until(lambda: workers.c.refused == 3)
        assert failure(workers) == (kind, words)


@pytest.mark.parametrize(
    ("legacy", "query", "words"),
    [
        ("false", "{ fails }", "no such thing"),
        ("false", "{ nothing }", "Cannot query field 'nothing' on type 'Query'."),
        ("true", "{ fails }", "queries are not allowed"),
    ],
)
async def test_an_operation_with_errors_fails_under_its_message(legacy: str, query: str, words: str) -> None:
    roles = f'[[roles]]\nname = "m"\n[[roles.loop]]\nname = "ask"\nquery = "{query}"'
    async with (
        serving() as log,
        led(scenario(log.url, roles, clients=2, more=target("graphql", legacy=legacy))) as workers,
    ):
        await until(lambda: counts(workers, "ask").failed >= 4)
        assert failure(workers) == ("refused", f"m, ask: {words}")
        assert workers.c.ready == 2 and not workers.c.dropped
