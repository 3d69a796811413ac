"""The ten lines of each protocol's page, as they stand there but for the address, against a server of that protocol."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conversations.test_roles import counts
from tests.load.leading import led
from tests.manual.examples import block
from tests.protocols import (
    npm,
    test_actioncable,
    test_centrifugo,
    test_jsonrpc,
    test_mqtt,
    test_ocpp,
    test_phoenix,
    test_pusher,
    test_realtime,
    test_signalr,
    test_wamp,
)
from tests.protocols.serving import served, web
from tests.protocols.stomp_server import Stomp
from tests.servers.server import Connection, until
from wstui.scenario.conversation.known_dialects import DIALECTS
from wstui.scenario.file import loads
from wstui.scenario.model import Scenario

strawberry = pytest.importorskip("strawberry", reason="strawberry-graphql is not installed")
rails, mosquitto = test_actioncable.rails, test_mqtt.broker
__all__ = ["mosquitto", "rails"]
Serving = contextlib.AbstractAsyncContextManager[str]
CLIENTS = 3
REST = f"""
[[stages]]
name = "hold"
over = "60s"
clients = {CLIENTS}
[messages]
every = "200ms"
timeout = "10s"
"""


def of(made: Callable[[], Any]) -> Callable[[Any], Serving]:
    """A server, by what has its URL."""

    @contextlib.asynccontextmanager
    async def serving(_: Any) -> AsyncIterator[str]:
        async with made() as found:
            yield found[0] if isinstance(found, tuple) else found.url

    return serving


@contextlib.asynccontextmanager
async def fixture(request: Any, name: str) -> AsyncIterator[str]:
    found: str = request.getfixturevalue(name)
    yield found if "://" in found else f"ws://{found}"


class PagePhoenix(test_phoenix.Phoenix):
    """Answers what the page pushes."""

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        await super().other(client, first, payload.replace(b'"new_msg"', b'"echo"'))


@strawberry.type
class Thing:
    id: int = 7


@strawberry.type
class PageQuery:
    @strawberry.field
    def me(self) -> Thing:
        return Thing()


@strawberry.type
class PageSubscription:
    @strawberry.subscription
    async def posts(self) -> AsyncGenerator[Thing, None]:
        yield Thing()


@contextlib.asynccontextmanager
async def graphql(_: Any) -> AsyncIterator[str]:
    from strawberry.aiohttp.views import GraphQLView

    view = GraphQLView(schema=strawberry.Schema(PageQuery, subscription=PageSubscription))

    async def handle(request: Any) -> Any:
        return await view(request)

    app = web.Application()
    app.router.add_route("*", "/graphql", handle)
    async with served(app) as url:
        yield url


SERVERS: dict[str, Callable[[Any], Serving]] = {
    "socketio": of(lambda: npm.serving("socketio_server.mjs", "socket.io")),
    "graphql": graphql,
    "actioncable": lambda request: fixture(request, "rails"),
    "centrifugo": of(test_centrifugo.Centrifugo),
    "jsonrpc": of(lambda: test_jsonrpc.serving(9.0)),
    "ocpp": of(lambda: test_ocpp.serving(interval=600)),
    "wamp": of(test_wamp.Router),
    "mqtt": lambda request: fixture(request, "mosquitto"),
    "pusher": of(test_pusher.Pusher),
    "signalr": of(test_signalr.Negotiating),
    "stomp": of(Stomp),
    "phoenix": of(PagePhoenix),
    "realtime": of(test_realtime.RealtimeModel),
}


def test_each_protocol_has_a_page_whose_lines_are_run() -> None:
    assert SERVERS.keys() | {"json", "raw", "lines"} == DIALECTS.keys()


@pytest.mark.parametrize("protocol", SERVERS)
async def test_the_lines_of_a_page_load_a_server(protocol: str, request: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if protocol == "socketio":
        monkeypatch.setenv("TOKEN", "good")
    async with SERVERS[protocol](request) as url:
        address = f'url = "ws://{urlsplit(url).netloc}'
        text, changed = re.subn(r'(?m)^url = "ws://[^/"?]+', address, block(f"{protocol}-example"))
        scenario = loads(text + REST, "", {})
        assert isinstance(scenario, Scenario) and changed == 1
        (role,) = scenario.roles
        loop, rest = ({step.name for step in steps if step.name} for steps in (role.loop, (*role.open, *role.leave)))
        async with led(scenario) as workers:
            await until(lambda: workers.c.ready == CLIENTS)
            await until(lambda: all(counts(workers, name).done >= 2 * CLIENTS for name in loop))
            await workers.drained()
            assert loop and not workers.failures
            assert all(counts(workers, name).done == CLIENTS for name in rest)
