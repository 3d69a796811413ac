"""WAMP against autobahn's own messages: a small router that reads and writes each frame with that library."""

from __future__ import annotations

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
from wstui.protocols.wamp import decode
from wstui.scenario.conversation.dialect import Malformed

message = pytest.importorskip("autobahn.wamp.message", reason="autobahn is not installed")
role = pytest.importorskip("autobahn.wamp.role")

TALK = """
[[roles]]
name = "member"
[[roles.open]]
name = "watch"
subscribe = "com.example.said"
[[roles.loop]]
name = "say"
publish = "com.example.said"
args = ["{{seq}}"]
kwargs = { from = "{{client}}" }
[[roles.loop]]
name = "add"
call = "com.example.add"
args = [1, "{{seq}}"]
expect = { "kwargs.ok" = true }
"""


class Router(Server):
    """One realm: hands publications to all subscribers, adds numbers, calls the procedures of clients."""

    welcome = False
    realm = "realm1"
    subprotocols = (b"wamp.2.json",)

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.log: Counter[str] = Counter()
        self.subscribers: list[Connection] = []
        self.sent = 0

    def tell(self, client: Connection, made: Any) -> None:
        client.send(json.dumps(made.marshal()).encode())

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        raw = json.loads(payload)
        read = message.__dict__
        kind = next(t for t in read.values() if getattr(t, "MESSAGE_TYPE", None) == raw[0] and hasattr(t, "parse"))
        asked = kind.parse(raw)
        self.log[kind.__name__] += 1
        match kind.__name__:
            case "Hello" if asked.realm != self.realm:
                self.tell(client, message.Abort("wamp.error.no_such_realm", "no such realm"))
            case "Hello":
                roles = {"broker": role.RoleBrokerFeatures(), "dealer": role.RoleDealerFeatures()}
                self.tell(client, message.Welcome(client.number + 1, roles))
            case "Subscribe":
                self.subscribers.append(client)
                self.tell(client, message.Subscribed(asked.request, 7))
            case "Publish":
                for one in self.subscribers:
                    if one is not client:
                        self.sent += 1
                        self.tell(one, message.Event(7, self.log["Publish"], args=asked.args, kwargs=asked.kwargs))
                self.tell(client, message.Published(asked.request, self.log["Publish"]))
            case "Call" if asked.procedure == "com.example.add":
                self.tell(client, message.Result(asked.request, args=[sum(asked.args)], kwargs={"ok": True}))
            case "Call":
                self.tell(
                    client, message.Error(message.Call.MESSAGE_TYPE, asked.request, "wamp.error.no_such_procedure")
                )
            case "Register":
                self.tell(client, message.Registered(asked.request, 9))
                self.tell(client, message.Invocation(1, 9, args=[1]))
            case "Goodbye":
                self.tell(client, message.Goodbye("wamp.close.goodbye_and_out"))


async def test_publications_and_calls_are_counted() -> None:
    async with Router() as router, led(scenario(router.url, TALK, clients=10, more=target("wamp"))) as workers:
        await until(lambda: counts(workers, "add").done >= 200)
        c = await workers.drained()
        assert c.ready == router.log["Hello"] == router.log["Subscribe"] == 10 and not workers.failures
        assert counts(workers, "say").begun == router.log["Publish"]
        assert counts(workers, "add").begun == router.log["Call"]
        assert 0 < workers.types["EVENT"] <= router.sent
        balance(workers)


async def test_a_procedure_is_registered_and_answers() -> None:
    callee = '[[roles]]\nname = "callee"\n[[roles.open]]\nname = "offer"\nregister = "com.example.mine"'
    async with Router() as router, led(scenario(router.url, callee, clients=3, more=target("wamp"))) as workers:
        await until(lambda: router.log["Yield"] == 3)
        assert workers.c.ready == 3 and not workers.failures
        await workers.drained()


async def test_errors_and_aborts_have_the_routers_words() -> None:
    async with Router() as router, led(scenario(router.url, TALK, more=target("wamp", realm='"no"'))) as workers:
        await until(lambda: workers.c.refused == 1)
        assert failure(workers) == ("refused", "member, hello: wamp.error.no_such_realm: no such realm")
    odd = '[[roles]]\nname = "caller"\n[[roles.loop]]\nname = "odd"\ncall = "no.such"'
    async with Router() as router, led(scenario(router.url, odd, more=target("wamp"))) as workers:
        await until(lambda: counts(workers, "odd").failed >= 2)
        assert failure(workers) == ("refused", "caller, odd: wamp.error.no_such_procedure")


LEAVES = st.none() | st.booleans() | st.integers() | st.text()
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


@given(JSON | st.lists(JSON).map(lambda rest: [8, *rest]))
def test_whatever_comes_is_read_or_named(value: Any) -> None:
    with contextlib.suppress(Malformed):
        (((found, _),), _) = decode(None, False, json.dumps(value).encode())
        assert isinstance(found["type"], str)
