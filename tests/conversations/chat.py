"""A small chat server that logs all that it is told, and a scenario's roles made from TOML."""

from __future__ import annotations

import asyncio
import json
import textwrap
import time
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from tests.servers.server import Connection, Server
from wstui.scenario.file import loads
from wstui.scenario.model import Scenario


class Chat(Server):
    """Answers `auth`, `join`, `say`, `beat` and `leave`; `lose`, `twice` and `delay_s` bend the answers to `say`."""

    welcome = False
    token = "good"
    lose: frozenset[int] = frozenset()  # by the number of the `say`, over all clients
    twice: frozenset[int] = frozenset()
    delay_s: Mapping[int, float] = MappingProxyType({})

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.log: list[tuple[int, dict[str, Any]]] = []
        self.says = 0
        self.sent: Counter[str] = Counter()

    def kinds(self) -> Counter[str]:
        """How many messages of each type came."""
        return Counter(str(document["type"]) for _, document in self.log)

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        document = json.loads(payload)
        self.log.append((client.number, document))
        match document["type"]:
            case "auth" if document.get("token") == self.token:
                self.say(client, type="auth_ok", user={"id": 1000 + client.number, "name": f"user {client.number}"})
            case "auth":
                self.say(client, type="auth_error", reason="bad token")
            case "join":
                self.say(client, type="joined", room=document.get("room"))
            case "say":
                self.says += 1
                if self.says in self.lose:
                    return
                answer = {"type": "said", "seq": document.get("seq"), "from": document.get("from")}
                for _ in range(2 if self.says in self.twice else 1):
                    delay = self.delay_s.get(self.says, 0.0)
                    if delay:
                        asyncio.get_running_loop().call_later(delay, lambda: self.say(client, **answer))
                    else:
                        self.say(client, **answer)
            case "beat":
                self.say(client, type="beat_ok")

    def say(self, client: Connection, **document: Any) -> None:
        self.sent[str(document["type"])] += 1
        client.say(**document)


class PublishingChat(Chat):
    """Hands what is published to all; `ages` says how old each stamp was by our clock, in ns, by who sent it."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.ages: dict[Any, list[int]] = {}

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        await super().other(client, first, payload)
        document = self.log[-1][1]
        if document["type"] == "publish":
            self.ages.setdefault(document.get("from"), []).append(time.monotonic_ns() - document["at"])
            for other in self.live.values():
                other.say(type="news", at=document["at"])


def scenario_text(
    url: str,
    roles: str,
    clients: int = 1,
    every: str = "20ms",
    head: str = "",
    more: str = "",
    timeout: str = "1500ms",
) -> str:
    """What a file says of a scenario with these roles."""
    return f"""
[target]
url = "{url}"
settle = "50ms"
close_timeout = "2s"
{textwrap.dedent(more)}
[[stages]]
name = "all"
over = "60s"
clients = {clients}
[messages]
every = "{every}"
timeout = "{timeout}"
{textwrap.dedent(head)}
{textwrap.dedent(roles)}
"""


def scenario(url: str, roles: str, **settings: Any) -> Scenario:
    """A scenario with these roles, as a file would say it."""
    made = loads(scenario_text(url, roles, **settings), "", {})
    assert isinstance(made, Scenario)
    return made
