"""Servers that go wrong when connections end, or clients come back."""

from __future__ import annotations

from tests.servers.server import Connection
from tests.truth.case import Case, failed, passed, unreachable
from tests.truth.case_server import Target, after, closes, http, later, nothing, some

LISTEN = {"exchange": "listen"}


async def swallow(server: Target, client: Connection, first: int, payload: bytes) -> None:
    """Read frames and obey none."""
    while await client.reader.read(65536):
        pass


async def swallow_and_reset(server: Target, client: Connection, first: int, payload: bytes) -> None:
    await client.reader.read(65536)
    client.reset()


async def swallow_and_talk(server: Target, client: Connection, first: int, payload: bytes) -> None:
    await client.reader.read(65536)
    for _ in range(20):
        server.send(client, b"still here")
    await client.reader.read()


async def only_once(server: Target, client: Connection, key: bytes) -> bool:
    """Let in the first four, and nobody after them."""
    if client.number >= server.case.clients:
        return await http("503 Service Unavailable")(server, client, key)
    return await server.switch(client, key)


CASES = [
    Case("our close frame is not answered", passed(), opened=swallow, messages=LISTEN, target={"close_timeout": 0.3}),
    Case("our close frame is answered by a reset", passed(), opened=swallow_and_reset, messages=LISTEN),
    Case(
        "talk after our close frame",
        passed(),
        opened=swallow_and_talk,
        messages=LISTEN,
        target={"close_timeout": 0.3},
        lossy=True,
    ),
    Case("replies that come while the run drains", passed(), message=later(0.6), zero=("abandoned", "reply_timeouts")),
    Case(
        "replies that never come while the run drains",
        failed("timeout unanswered", finding="no replies"),
        message=after(3, nothing),
        messages={"timeout": 0.4},
        zero=("abandoned",),
    ),
    Case(
        "closed with 1000 while clients settle",
        unreachable("close 1000 refused"),
        opened=closes(1000),
        target={"settle": 2.0},
    ),
    Case(
        "every other client is closed while it settles",
        failed("close 1001 refused", finding="refusals"),
        opened=some(closes(1001, "going away"), nothing),
        target={"settle": 2.0},
        hold=3.0,
    ),
    Case(
        "dropped clients that come back",
        failed("close 1012 dropped", "timeout unanswered", finding="drops"),
        message=after(2, closes(1012, "restart")),
        target={"reconnect": "at once"},
        hold=3.0,
        more=("reconnects",),
        lossy=True,
        settled=False,
    ),
    Case(
        "dropped clients that are not let in again",
        failed("close 1012 dropped", "timeout unanswered", "http 503 refused", finding="refusals"),
        answer=only_once,
        message=after(2, closes(1012, "restart")),
        target={"reconnect": "at once", "reconnect_attempts": 2},
        hold=3.0,
        more=("reconnects_given_up",),
        lossy=True,
        settled=False,
    ),
]
