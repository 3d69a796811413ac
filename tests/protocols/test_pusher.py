"""Pusher Channels: a small server of its protocol, that checks signatures by Pusher's own library for backends.

The client library pysher is held against that server as well as ours.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import pytest

from tests.conversations.chat import scenario
from tests.conversations.test_roles import balance, counts
from tests.load.leading import led
from tests.protocols.serving import failure, target
from tests.servers.server import Connection, Server, until
from wstui.scenario.errors import ScenarioError
from wstui.scenario.secret_fields import mask_of
from wstui.scenario.trust import sends_away

pusher = pytest.importorskip("pusher", reason="the library pusher is not installed")

SECRET = "a secret of the app"
TALK = """
[[roles]]
name = "member"
[[roles.open]]
name = "public"
subscribe = "news"
[[roles.open]]
name = "private"
subscribe = "private-room"
[[roles.open]]
name = "presence"
subscribe = "presence-room"
user = { user_id = "{{client}}", user_info = { name = "Zoë {{client}}", tags = [{ a = 1 }] } }
[[roles.loop]]
name = "typing"
publish = "private-room"
event = "client-typing"
data = { n = "{{seq}}" }
"""


class Pusher(Server):
    """One app: subscriptions, client events to the others of a private channel, pings."""

    welcome = False
    idle_s: float = 120

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.app = pusher.Pusher(app_id="1", key="app-key", secret=SECRET)
        self.log: Counter[str] = Counter()
        self.users: list[Any] = []
        self.members: dict[str, list[Connection]] = {}

    async def opened(self, client: Connection) -> None:
        established = {"socket_id": f"{client.number}.7", "activity_timeout": self.idle_s}
        self.say(client, "pusher:connection_established", json.dumps(established))

    def say(self, client: Connection, event: str, data: Any, **more: Any) -> None:
        client.send(json.dumps({"event": event, "data": data} | more).encode())

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        asked = json.loads(payload)
        self.log[asked["event"]] += 1
        match asked["event"]:
            case "pusher:ping":
                self.say(client, "pusher:pong", {})
            case "pusher:subscribe":
                self.subscribe(client, **asked["data"])
            case event if event.startswith("client-"):
                for member in self.members[asked["channel"]]:
                    if member is not client:
                        self.say(member, event, asked["data"], channel=asked["channel"])

    def subscribe(self, client: Connection, channel: str, auth: str = "", channel_data: str | None = None) -> None:
        user = json.loads(channel_data) if channel_data else None
        if channel.startswith(("private-", "presence-")):
            signed = f"{client.number}.7:{channel}" + (f":{channel_data}" if channel_data else "")
            right = pusher.signature.sign(SECRET, signed)
            if auth != f"app-key:{right}":
                told = {"type": "AuthError", "error": "The connection is unauthorized.", "status": 401}
                self.say(client, "pusher:subscription_error", told, channel=channel)
                return
        if user:
            self.users.append(user)
        self.members.setdefault(channel, []).append(client)
        self.say(client, "pusher_internal:subscription_succeeded", "{}", channel=channel)


OURS: dict[str, Any] = {"more": target("pusher", key='"app-key"', secret='"{{env PUSHER_SECRET}}"')}


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSHER_SECRET", SECRET)


async def test_a_client_library_gets_on_with_this_server() -> None:
    pysher = pytest.importorskip("pysher", reason="the library pysher is not installed")
    async with Pusher() as server:
        client = pysher.Pusher("app-key", secret=SECRET, secure=False, custom_host="127.0.0.1", port=server.port)
        joined = asyncio.Event()
        loop = asyncio.get_running_loop()

        def connected(_: str) -> None:
            channel = client.subscribe("private-room")
            channel.bind("pusher_internal:subscription_succeeded", lambda _: loop.call_soon_threadsafe(joined.set))

        client.connection.bind("pusher:connection_established", connected)
        client.connect()
        try:
            await asyncio.wait_for(joined.wait(), 20)
        finally:
            await asyncio.to_thread(client.disconnect, 5)


async def test_signatures_are_right_and_events_are_counted() -> None:
    async with Pusher() as server, led(scenario(server.url, TALK, clients=5, **OURS)) as workers:
        await until(lambda: counts(workers, "typing").done >= 100)
        c = await workers.drained()
        assert c.ready == 5 and server.log["pusher:subscribe"] == 15 and not workers.failures
        assert {user["user_id"] for user in server.users} == {str(number) for number in range(5)}
        assert server.users[0]["user_info"]["tags"] == [{"a": 1}]
        assert counts(workers, "typing").begun == server.log["client-typing"]
        assert workers.types["client-typing"] > 0
        balance(workers)


async def test_pings_go_both_ways() -> None:
    idle = '[[roles]]\nname = "idle"'
    async with Pusher(idle_s=0.05) as server, led(scenario(server.url, idle, clients=2, **OURS)) as workers:
        await until(lambda: server.log["pusher:ping"] >= 10)
        for client in list(server.live.values()):
            server.say(client, "pusher:ping", {})
        await until(lambda: server.log["pusher:pong"] >= 2)
        await workers.drained()
        assert not workers.failures


async def test_a_wrong_signature_has_the_servers_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSHER_SECRET", "another")
    async with Pusher() as server, led(scenario(server.url, TALK, **OURS)) as workers:
        await until(lambda: workers.c.refused == 1)
        assert failure(workers) == ("refused", "member, private: The connection is unauthorized.")


@pytest.mark.parametrize(
    ("step", "options", "problem"),
    [
        ('publish = "private-a"\nevent = "typing"', "", "must begin with client-"),
        ('subscribe = "presence-a"', "", "names nobody"),
        ('subscribe = "a"\nuser = { user_id = 1 }', "", "presence-"),
        ('subscribe = "private-a"', "none", "is signed"),
        ('publish = "a"\nsubscribe = "b"', "", "says one of"),
    ],
)
def test_steps_that_no_server_accepts(step: str, options: str, problem: str) -> None:
    role = f'[[roles]]\nname = "r"\n[[roles.open]]\nname = "s"\n{step}'
    with pytest.raises(ScenarioError, match=problem):
        scenario("ws://127.0.0.1:9/", role, more=target("pusher") if options else OURS["more"])


def test_variables_in_the_options_of_a_protocol_are_told_and_masked() -> None:
    made = scenario("ws://127.0.0.1:9/", TALK, **OURS)
    assert "PUSHER_SECRET" in sends_away(made) and mask_of(made)(f"x {SECRET} y") == "x *** y"
