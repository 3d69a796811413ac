"""SignalR against a server that nobody here wrote: that of aiosignalr, whose authors hold it against ASP.NET Core."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conversations.chat import scenario
from tests.conversations.test_roles import balance, counts
from tests.load.leading import led
from tests.protocols.serving import failure, served, target
from tests.protocols.test_signalr import CALLS
from tests.servers.server import until

WHEEL = Path("/usr/local/share/wheels/aiosignalr-0.1.1-py3-none-any.whl")
"""Not among the packages of the dev extra: its client, which is not used here, takes no websockets of today."""


@dataclass
class SignalR:
    """Where the hub is served, and what it was called for."""

    url: str = ""
    log: Counter[str] = field(default_factory=Counter)
    results: set[Any] = field(default_factory=set)


@contextlib.asynccontextmanager
async def serving(**options: float) -> AsyncIterator[SignalR]:
    """The hub of aiosignalr: Add, Count, Shout, and Ask, which calls its caller back."""
    if not WHEEL.exists():
        pytest.skip("the library aiosignalr is not fetched")
    pytest.importorskip("msgpack", reason="msgpack is not installed")
    if str(WHEEL) not in sys.path:
        sys.path.append(str(WHEEL))
    library: Any = importlib.import_module("aiosignalr.server")
    found = SignalR()

    class LibraryHub(library.Hub):
        async def on_connected(self) -> None:
            found.log["connected"] += 1

        async def on_disconnected(self, exception: Any = None) -> None:
            found.log["disconnected"] += 1

        async def add(self, a: int, b: int) -> int:
            found.log["add"] += 1
            return a + b

        async def count(self, upto: int) -> AsyncIterator[int]:
            found.log["count"] += 1
            for n in range(upto):
                yield n

        async def shout(self, text: str) -> None:
            found.log["shout"] += 1
            await self.clients.all_.send("Heard", text)

        async def ask(self) -> None:
            task = asyncio.ensure_future(self.clients.client(self.context.connection_id).invoke("Answer"))
            task.add_done_callback(lambda done: found.results.add(done.result()))

        async def fail(self) -> None:
            raise ValueError("not this one")

    settings = library.ServerOptions(enable_detailed_errors=True, **options)
    async with served(library.SignalRServer(LibraryHub, options=settings).create_application()) as url:
        found.url = f"{url}/hub"
        yield found


@pytest.mark.parametrize("negotiate", ["true", "false"])
@pytest.mark.parametrize("kind", ["json", "messagepack"])
async def test_calls_streams_and_events_are_counted_as_the_server_counts_them(kind: str, negotiate: str) -> None:
    more = target("signalr", format=f'"{kind}"', negotiate=negotiate)
    async with serving() as hub, led(scenario(hub.url, CALLS, clients=4, more=more)) as workers:
        await until(lambda: counts(workers, "shout").done >= 50)
        c = await workers.drained()
        await until(lambda: hub.log["disconnected"] == 4)
        assert c.ready == hub.log["connected"] == 4 and not workers.failures
        assert counts(workers, "add").done == hub.log["add"]
        assert counts(workers, "count").done == hub.log["count"]
        assert workers.types["item"] == 3 * counts(workers, "count").done
        assert 0 < workers.types["Heard"] <= 4 * hub.log["shout"]
        balance(workers)


@pytest.mark.parametrize("kind", ["json", "messagepack"])
async def test_the_server_gets_its_results_and_errors_have_its_words(kind: str) -> None:
    more = target("signalr", format=f'"{kind}"', result="42")
    asked = '[[roles]]\nname = "m"\n[[roles.loop]]\nname = "ask"\ninvoke = "Ask"'
    async with serving() as hub, led(scenario(hub.url, asked, more=more)) as workers:
        await until(lambda: hub.results == {42})
    for method, words in (("Fail", "not this one"), ("Missing", "Missing")):
        role = f'[[roles]]\nname = "m"\n[[roles.loop]]\nname = "odd"\ninvoke = "{method}"'
        async with serving() as hub, led(scenario(hub.url, role, more=more)) as workers:
            await until(lambda: counts(workers, "odd").failed >= 2)
            cause, told = failure(workers)
            assert cause == "refused" and told.startswith("m, odd: ") and words in told


@pytest.mark.parametrize("kind", ["json", "messagepack"])
async def test_a_client_that_pings_is_kept(kind: str) -> None:
    """The server ends the connection of a client that is silent for a second."""
    role = '[[roles]]\nname = "idle"'
    more = target("signalr", format=f'"{kind}"', ping='"200ms"')
    async with (
        serving(keep_alive_interval=0.2, client_timeout_interval=1.0) as hub,
        led(scenario(hub.url, role, clients=3, more=more)) as workers,
    ):
        await until(lambda: workers.c.received >= 9)
        assert workers.c.ready == 3 and not workers.c.dropped and not hub.log["disconnected"]
