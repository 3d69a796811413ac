"""Every protocol with a crowd of clients, with a server that falls silent, refuses, and restarts.

200 clients for 3 s; `CROWD_SECONDS=20 python -m pytest tests/protocols/test_crowds.py` takes longer, and asks RabbitMQ
as well as a small broker of ours. Errors and refusals in the words of each protocol are held in the file of each.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conversations.chat import scenario
from tests.conversations.test_roles import balance, counts
from tests.load.leading import led
from tests.protocols import (
    npm,
    test_actioncable,
    test_centrifugo,
    test_graphql,
    test_jsonrpc,
    test_mqtt,
    test_ocpp,
    test_phoenix,
    test_pusher,
    test_realtime,
    test_signalr_server,
    test_socketio,
    test_stomp,
)
from tests.protocols.serving import failure, target
from tests.protocols.stomp_server import Stomp
from tests.servers.server import Server, until
from wstui.protocols import centrifugo, pusher

SECONDS = float(os.environ.get("CROWD_SECONDS", "3"))
CLIENTS = 200
FEW = 5
FAST, SLOW = {"ping_interval": 0.2, "ping_timeout": 0.8}, {"ping_interval": 25, "ping_timeout": 60}
rails, mosquitto, rabbitmq = test_actioncable.rails, test_mqtt.broker, test_stomp.broker
Counted = Callable[[], int] | Callable[[], Awaitable[int]]
Serving = contextlib.AbstractAsyncContextManager[tuple[str, Counted]]


@dataclass(frozen=True)
class CrowdCase:
    """A server with what its own log counts of the step "say", the keys of that step, and what silence is called."""

    protocol: str
    serving: Callable[[Any, bool], Serving]
    say: str
    options: dict[str, str] = field(default_factory=dict)
    open: str = ""
    silence: str = "heartbeat"
    quick: dict[str, str] = field(default_factory=dict)  # options by which silence is seen soon

    def roles(self) -> str:
        opening = f"open = [{{ {self.open} }}]\n" if self.open else ""
        return f'[[roles]]\nname = "m"\n{opening}loop = [{{ name = "say", {self.say} }}]'

    def more(self, head: str = "", **options: str) -> str:
        return head + target(self.protocol, **self.options, **options)


def of(kind: type[Server], counted: str, quick: Any = None) -> Callable[[Any, bool], Serving]:
    """One of our small servers, by an entry of its log; `quick` settings let its silence be seen soon."""

    @contextlib.asynccontextmanager
    async def serving(_: Any, fast: bool) -> AsyncIterator[tuple[str, Counted]]:
        async with kind(**(quick or {} if fast else {})) as server:
            yield server.url, lambda: server.log[counted]  # type: ignore[attr-defined]

    return serving


def by(made: Callable[[bool], Any], log: Callable[[Any], Any], counted: str) -> Callable[[Any, bool], Serving]:
    """The server of a library, by an entry of its log."""

    @contextlib.asynccontextmanager
    async def serving(_: Any, fast: bool) -> AsyncIterator[tuple[str, Counted]]:
        async with made(fast) as found:
            yield (found[0] if isinstance(found, tuple) else found.url), lambda: log(found)[counted]

    return serving


@contextlib.asynccontextmanager
async def on_rails(request: Any, fast: bool) -> AsyncIterator[tuple[str, Counted]]:
    address = request.getfixturevalue("rails")
    before = test_actioncable.log(address).get("speak", 0)
    yield f"ws://{address}/cable", lambda: test_actioncable.log(address).get("speak", 0) - before


def in_node(script: str, package: str, counted: str) -> Callable[[Any, bool], Serving]:
    """The server of an npm package, by an entry of its log."""

    @contextlib.asynccontextmanager
    async def serving(_: Any, fast: bool) -> AsyncIterator[tuple[str, Counted]]:
        async with npm.serving(script, package) as server:

            async def count() -> int:
                return int((await server.log())[counted])

            yield server.url, count

    return serving


def broker(fixture: str, path: str = "") -> Callable[[Any, bool], Serving]:
    @contextlib.asynccontextmanager
    async def serving(request: Any, fast: bool) -> AsyncIterator[tuple[str, Counted]]:
        if fixture == "rabbitmq" and "CROWD_SECONDS" not in os.environ:
            pytest.skip("RabbitMQ takes long to start: only with CROWD_SECONDS")
        url = request.getfixturevalue(fixture)
        log = test_mqtt.LOGS.get(url)
        before = published(log) if log else 0
        # RabbitMQ logs no messages: each of its acknowledgements is awaited.
        yield url + path, lambda: published(log) - before if log else -1

    return serving


RABBITMQ = broker("rabbitmq", "/ws")


def published(log: Path) -> int:
    """The publications that Mosquitto's log names."""
    return len(re.findall(r": Received PUBLISH from ", log.read_text(errors="replace")))


CASES = [
    CrowdCase(
        "socketio",
        by(lambda fast: test_socketio.serving(**(FAST if fast else SLOW)), lambda log: log.events, "join"),
        'emit = "join", data = { room = "r1" }, ack = true, expect = { ok = true }',
    ),
    CrowdCase(
        "graphql",
        by(lambda _: test_graphql.serving(), lambda log: log.calls, "double"),
        'query = "{ double(n: 2) }", expect = { "data.double" = 4 }',
        quick={"ping": '"400ms"'},
    ),
    CrowdCase(
        "actioncable",
        on_rails,
        'perform = "speak", channel = { channel = "ChatChannel", room = "{{client}}" }, data = { n = "{{seq}}" }, '
        'expect = { "message.n" = "{{seq}}" }',
        {},
        'name = "join", subscribe = { channel = "ChatChannel", room = "{{client}}" }',
        "timeout",
    ),
    CrowdCase(
        "centrifugo",
        of(test_centrifugo.Centrifugo, "rpc", {"ping_s": 0.5}),
        'rpc = "add", data = [1, 2], expect = { "data.sum" = 3 }',
    ),
    CrowdCase(
        "jsonrpc",
        by(lambda _: test_jsonrpc.serving(9.0), lambda found: found[1], "add"),
        'call = "add", params = [1, 2], expect = { sum = 3 }',
        silence="timeout",
    ),
    CrowdCase(
        "ocpp",
        by(lambda fast: test_ocpp.serving(interval=1 if fast else 600), lambda log: log.calls, "StartTransaction"),
        'call = "StartTransaction", data = { connectorId = 1, idTag = "a", meterStart = 0, '
        'timestamp = "{{timestamp iso}}" }',
    ),
    CrowdCase(
        "wamp",
        in_node("wamp_router.mjs", "fox-wamp", "call"),
        'call = "com.example.add", args = [1, 2]',
        silence="timeout",
    ),
    CrowdCase(
        "mqtt", broker("mosquitto"), 'publish = "own/{{client}}", payload = "x", qos = 2', quick={"keep_alive": '"1s"'}
    ),
    CrowdCase(
        "pusher",
        of(test_pusher.Pusher, "pusher:subscribe", {"idle_s": 0.3}),
        'subscribe = "room-{{seq}}"',
    ),
    CrowdCase(
        "signalr",
        by(lambda _: test_signalr_server.serving(), lambda hub: hub.log, "add"),
        'invoke = "Add", args = [1, 2], expect = { result = 3 }',
        quick={"silence": '"1s"', "ping": '"300ms"'},
    ),
    CrowdCase(
        "stomp",
        of(Stomp, "SEND"),
        'publish = "/topic/own.{{client}}", body = "x"',
        test_stomp.USER,
        quick=test_stomp.FAST,
    ),
    CrowdCase(
        "stomp",
        RABBITMQ,
        'publish = "/topic/own.{{client}}", body = "x"',
        test_stomp.USER,
        quick=test_stomp.FAST,
    ),
    CrowdCase(
        "phoenix",
        of(test_phoenix.Phoenix, "echo"),
        'push = "echo", data = { n = "{{seq}}" }, reply = true, expect = { n = "{{seq}}" }',
        {"topic": '"room:{{client}}"'},
        quick={"heartbeat": '"400ms"'},
    ),
    CrowdCase(
        "realtime",
        of(test_realtime.RealtimeModel, "response.create"),
        'text = "hello", respond = true',
        silence="timeout",
    ),
]
NAMES = [case.protocol + "-rabbitmq" * (case.serving is RABBITMQ) for case in CASES]
each = pytest.mark.parametrize("case", CASES, ids=NAMES)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSHER_SECRET", test_pusher.SECRET)
    monkeypatch.setattr(centrifugo, "_SLACK_MS", 1000)
    monkeypatch.setattr(pusher, "PONG_WITHIN", "1s")


class TcpRelay:
    """Passes bytes on to a server; it can keep back what the server says, and end all connections at once."""

    def __init__(self, url: str) -> None:
        self.host, _, self.port = url.removeprefix("ws://").partition("/")[0].partition(":")
        self.path = url.removeprefix("ws://").partition("/")[2]
        self.silent = self.refuses = False
        self.open: set[asyncio.StreamWriter] = set()
        self.url = ""

    async def __aenter__(self) -> TcpRelay:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/{self.path}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()

    def cut(self) -> None:
        for writer in [*self.open]:
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuses:
            writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
            writer.close()
            return
        there, back = await asyncio.open_connection(self.host, int(self.port))
        ends = {writer, back}
        self.open |= ends
        await asyncio.gather(self._pass(reader, back, False), self._pass(there, writer, True))
        self.open -= ends

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, down: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if not (down and self.silent):
                    writer.write(data)
        writer.close()


@each
async def test_a_crowd_is_counted_as_the_server_counts_it(case: CrowdCase, request: Any) -> None:
    async with case.serving(request, False) as (url, counted):
        started = scenario(url, case.roles(), clients=CLIENTS, every="1s", more=case.more(), head='arrivals = "jitter"')
        patient = started.messages.model_copy(update={"timeout": 60.0})  # how fast the servers are is not asked here
        started = started.model_copy(update={"messages": patient})
        async with led(started) as workers:
            await until(lambda: workers.c.ready == CLIENTS)
            await asyncio.sleep(SECONDS)
            c = await workers.drained()
            say = counts(workers, "say")
            logged = counted()
            logged = logged if isinstance(logged, int) else await logged
            assert not workers.failures and c.dropped == say.lost == say.failed == 0
            assert say.begun >= CLIENTS and logged in (-1, say.begun)
            balance(workers)


@each
async def test_a_server_that_falls_silent_is_named(case: CrowdCase, request: Any) -> None:
    async with case.serving(request, True) as (url, _), TcpRelay(url) as relay:
        started = scenario(relay.url, case.roles(), clients=FEW, every="100ms", more=case.more(**case.quick))
        async with led(started) as workers:
            await until(lambda: workers.c.ready == FEW and counts(workers, "say").done >= FEW)
            relay.silent = True
            await until(lambda: any(group.kind == case.silence for group in workers.failures))
            assert {group.kind for group in workers.failures} <= {"heartbeat", "timeout"}
            if case.silence == "timeout":
                await until(lambda: counts(workers, "say").lost >= 1)
                assert any(group.message == "m, say: no reply within 1.5s" for group in workers.failures)


@each
async def test_a_restart_drops_all_and_all_come_back(case: CrowdCase, request: Any) -> None:
    more = case.more('reconnect = "at once"\n')
    async with case.serving(request, False) as (url, _), TcpRelay(url) as relay:
        started = scenario(relay.url, case.roles(), clients=FEW, every="100ms", more=more)
        async with led(started) as workers:
            await until(lambda: workers.c.ready == FEW)
            relay.cut()
            await until(lambda: workers.c.ready == 2 * FEW)
            done = counts(workers, "say").done
            await until(lambda: counts(workers, "say").done >= done + FEW)
            assert workers.c.dropped == FEW and workers.c.failed == workers.c.refused == 0
            assert failure(workers)[0] in ("reset", "closed", "timeout", "network"), failure(workers)
            relay.refuses = True
            relay.cut()
            await until(lambda: workers.c.refused >= FEW)
            assert any(group.kind == "http 503" for group in workers.failures)
