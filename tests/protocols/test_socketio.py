"""Socket.IO against python-socketio: its own server, its own packets, and what its log counts."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.conversations.chat import scenario
from tests.conversations.test_roles import balance, counts
from tests.load.leading import led
from tests.protocols.serving import failure, served, web
from tests.protocols.serving import target as protocol
from tests.servers.server import Connection, Server, until

socketio = pytest.importorskip("socketio", reason="python-socketio is not installed")

TALK = """
[[roles]]
name = "member"
[[roles.open]]
name = "join"
emit = "join"
data = { room = "r{{client}}" }
ack = true
expect = { ok = true }
capture = { who = "id" }
[[roles.loop]]
name = "say"
emit = "say"
data = { n = "{{seq}}", from = "{{who}}", text = "{{random text 20}}" }
ack = true
expect = { n = "{{seq}}", from = "{{who}}" }
[[roles.loop]]
name = "blob"
emit = "blob"
args = [1, "two"]
attach = ["AAEC/w==", "AwQ="]
expect = { event = "bytes", "args.0" = 6 }
"""


class SocketioLog:
    """What the server got."""

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()
        self.sids: set[str] = set()
        self.gone: list[str] = []
        self.sio: Any = None
        self.url = ""


@contextlib.asynccontextmanager
async def serving(namespace: str = "/", token: str = "", **settings: Any) -> AsyncIterator[SocketioLog]:
    log = SocketioLog()
    sio = log.sio = socketio.AsyncServer(async_mode="aiohttp", **{"ping_interval": 0.3, "ping_timeout": 5} | settings)

    async def connect(sid: str, environ: Any, auth: Any) -> None:
        if token and (auth or {}).get("token") != token:
            raise socketio.exceptions.ConnectionRefusedError("not allowed", {"code": 7})
        log.sids.add(sid)

    async def disconnect(sid: str, reason: str) -> None:
        log.gone.append(reason)

    async def join(sid: str, data: Any) -> Any:
        log.events["join"] += 1
        return {"ok": data["room"].startswith("r"), "id": sid}

    async def say(sid: str, data: Any) -> Any:
        assert data["from"] == sid
        log.events["say"] += 1
        return {"n": data["n"], "from": data["from"]}

    async def blob(sid: str, number: int, word: str, one: bytes, two: bytes) -> None:
        assert (number, word, one, two) == (1, "two", b"\0\1\2\xff", b"\3\4")
        log.events["blob"] += 1
        await sio.emit("bytes", (len(one + two), one, {"deep": two}), to=sid, namespace=namespace)

    for handler in (connect, disconnect, join, say, blob):
        sio.on(handler.__name__, handler, namespace=namespace)
    app = web.Application()
    sio.attach(app)
    async with served(app) as log.url:
        yield log
        await sio.shutdown()


def target(**options: str) -> str:
    return protocol("socketio", **options)


@pytest.mark.parametrize("namespace", ["/", "/chat"])
async def test_events_acks_and_attachments_are_counted_as_the_server_counts_them(namespace: str) -> None:
    more = target(namespace=f'"{namespace}"', auth='{ token = "good" }')
    async with serving(namespace, "good") as log, led(scenario(log.url, TALK, clients=20, more=more)) as workers:
        await until(lambda: counts(workers, "blob").done >= 400)
        c = await workers.drained()
        assert c.ready == len(log.sids) == log.events["join"] == 20 and not workers.failures
        assert counts(workers, "say").done == log.events["say"]
        assert counts(workers, "blob").begun == log.events["blob"]
        assert workers.types["bytes"] >= counts(workers, "blob").done
        await until(lambda: len(log.gone) == 20)
        assert set(log.gone) == {"client disconnect"}
        balance(workers)


async def test_the_ping_of_the_server_is_answered() -> None:
    listener = '[[roles]]\nname = "listener"'
    async with (
        serving(ping_interval=0.1, ping_timeout=0.2) as log,
        led(scenario(log.url, listener, clients=5, more=target())) as workers,
    ):
        await until(lambda: workers.types.get("ping", 0) >= 50)
        assert workers.c.ready == 5 and not log.gone
        await workers.drained()


async def test_a_refused_namespace_is_a_refused_attempt_under_the_servers_word() -> None:
    more = target(auth='{ token = "bad" }')
    async with serving(token="good") as log, led(scenario(log.url, TALK, clients=3, more=more)) as workers:
        await until(lambda: workers.c.refused == 3)
        assert failure(workers) == ("refused", "member, connect: not allowed")


async def test_a_disconnect_by_the_server_is_its_goodbye() -> None:
    async with serving() as log, led(scenario(log.url, TALK, clients=3, more=target())) as workers:
        await until(lambda: workers.c.ready == 3)
        for sid in log.sids:
            await log.sio.disconnect(sid)
        await until(lambda: workers.c.dropped == 3)
        told = {(group.kind, group.message): group.count for group in workers.failures}
        assert told["goodbye", "member: the server left the namespace (41)"] == 3


class Quiet(Server):
    """Opens a session and never pings."""

    welcome = False

    async def opened(self, client: Connection) -> None:
        client.send(b'0{"sid":"a","pingInterval":200,"pingTimeout":100,"upgrades":[],"maxPayload":1000}')

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        if payload.startswith(b"40"):
            client.send(b'40{"sid":"b"}')


async def test_a_server_that_stops_its_pings_is_left_after_its_own_deadline() -> None:
    listener = '[[roles]]\nname = "listener"'
    async with Quiet() as server, led(scenario(server.url, listener, clients=2, more=target())) as workers:
        await until(lambda: workers.c.dropped == 2)
        assert failure(workers) == ("heartbeat", 'listener: no type = "ping" from the server within 300ms')
