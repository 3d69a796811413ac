"""Centrifugo: a small server of its protocol, which the official client of Python is held against as well as ours."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conversations.chat import scenario
from tests.conversations.test_roles import balance, counts
from tests.load.leading import led
from tests.protocols.serving import failure, target
from tests.servers.server import Connection, Server, until
from wstui.protocols.centrifugo import decode

TALK = """
[[roles]]
name = "member"
[[roles.open]]
name = "join"
subscribe = "room"
[[roles.loop]]
name = "say"
publish = "room"
data = { text = "{{random text 8}}", n = "{{seq}}" }
[[roles.loop]]
name = "add"
rpc = "add"
data = [1, 2]
expect = { "data.sum" = 3 }
"""


class Centrifugo(Server):
    """Channels without history; pings as often as it says; answers several commands of a frame in one frame."""

    welcome = False
    token = ""
    ping_s = 25.0

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.log: Counter[str] = Counter()
        self.members: list[Connection] = []

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        replies = [self.reply(client, json.loads(line)) for line in payload.splitlines()]
        if found := [reply for reply in replies if reply is not None]:
            client.send(b"\n".join(json.dumps(reply).encode() for reply in found))

    def reply(self, client: Connection, asked: dict[str, Any]) -> dict[str, Any] | None:
        kind = next((name for name in asked if name != "id"), "pong")
        self.log[kind] += 1
        match kind:
            case "connect" if asked["connect"].get("token", "") != self.token:
                return {"id": asked["id"], "error": {"code": 109, "message": "token expired"}}
            case "connect":
                if self.ping_s < 1:
                    asyncio.get_running_loop().call_later(self.ping_s, self.beat, client)
                return {
                    "id": asked["id"],
                    "connect": {"client": str(client.number), "ping": max(round(self.ping_s), 1), "pong": True},
                }
            case "subscribe":
                self.members.append(client)
                return {"id": asked["id"], "subscribe": {}}
            case "publish":
                push = {"push": {"channel": "room", "pub": {"data": asked["publish"]["data"]}}}
                for member in self.members:
                    member.send(json.dumps(push).encode())
                return {"id": asked["id"], "publish": {}}
            case "rpc" if asked["rpc"]["method"] == "add":
                return {"id": asked["id"], "rpc": {"data": {"sum": sum(asked["rpc"]["data"])}}}
            case "rpc":
                return {"id": asked["id"], "error": {"code": 104, "message": "method not found"}}
        return None

    def beat(self, client: Connection) -> None:
        client.send(b"{}")
        asyncio.get_running_loop().call_later(self.ping_s, self.beat, client)


async def test_the_official_client_gets_on_with_this_server() -> None:
    centrifuge = pytest.importorskip("centrifuge", reason="centrifuge-python is not installed")
    async with Centrifugo(token="good") as server:
        client = centrifuge.Client(server.url, token="good")
        await client.connect()
        subscription = client.new_subscription("room")
        await subscription.subscribe()
        await client.ready()
        await subscription.ready()
        await subscription.publish({"n": 1})
        assert (await client.rpc("add", [1, 2])).data == {"sum": 3}
        await client.disconnect()
        assert server.log["connect"] == server.log["subscribe"] == server.log["publish"] == 1


async def test_publications_and_calls_are_counted() -> None:
    more = target("centrifugo", token='"good"')
    async with Centrifugo(token="good") as server, led(scenario(server.url, TALK, clients=5, more=more)) as workers:
        await until(lambda: counts(workers, "add").done >= 100)
        c = await workers.drained()
        assert c.ready == server.log["connect"] == server.log["subscribe"] == 5 and not workers.failures
        assert counts(workers, "say").begun == server.log["publish"]
        assert counts(workers, "add").begun == server.log["rpc"]
        assert workers.types["pub"] >= counts(workers, "say").done
        balance(workers)


async def test_the_ping_of_the_server_is_answered() -> None:
    idle = '[[roles]]\nname = "idle"'
    async with (
        Centrifugo(ping_s=0.05) as server,
        led(scenario(server.url, idle, clients=2, more=target("centrifugo"))) as workers,
    ):
        await until(lambda: server.log["pong"] >= 20)
        assert workers.c.ready == 2 and workers.types["ping"] >= 20
        await workers.drained()


async def test_errors_have_the_servers_words() -> None:
    async with (
        Centrifugo(token="good") as server,
        led(scenario(server.url, TALK, more=target("centrifugo"))) as workers,
    ):
        await until(lambda: workers.c.refused == 1)
        assert failure(workers) == ("refused", "member, connect: token expired (109)")
    odd = '[[roles]]\nname = "caller"\n[[roles.loop]]\nname = "odd"\nrpc = "none"'
    async with Centrifugo() as server, led(scenario(server.url, odd, more=target("centrifugo"))) as workers:
        await until(lambda: counts(workers, "odd").failed >= 2)
        assert failure(workers) == ("refused", "caller, odd: method not found (104)")


@pytest.mark.parametrize(
    ("code", "reason", "words"),
    [
        (3505, "channel limit", "channel limit (too many channels of this connection)"),
        (3506, "inappropriate protocol", "inappropriate protocol (binary data for a client that speaks JSON)"),
        (3507, "permission denied", "permission denied"),
        (3499, "", "clients come back"),
        (4501, "banned", "banned (a code of the application: clients do not come back)"),
        (3509, "", "too many errors"),
    ],
)
async def test_a_close_has_its_reason_and_what_its_code_means(code: int, reason: str, words: str) -> None:
    class Closing(Centrifugo):
        async def other(self, client: Connection, first: int, payload: bytes) -> None:
            client.close(code, reason)

    async with Closing() as server, led(scenario(server.url, TALK, more=target("centrifugo"))) as workers:
        await until(lambda: workers.c.refused == 1)
        assert failure(workers) == (f"close {code}", words)


LEAVES = st.none() | st.booleans() | st.integers() | st.text()
KEYS = st.text() | st.sampled_from(["id", "connect", "ping", "error", "push"])
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner))


@given(st.lists(JSON), st.integers(0, 30))
def test_whatever_comes_is_read(values: list[Any], cut: int) -> None:
    payload = b"\n".join(json.dumps(value).encode() for value in values)
    with contextlib.suppress(UnicodeDecodeError):
        found, _ = decode(None, False, payload[: max(len(payload) - cut, 0)])
        assert all(isinstance(document["type"], str) for document, _ in found if isinstance(document, dict))
