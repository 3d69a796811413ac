"""What the tests of the Odin target share: in-process servers with short deadlines, clients, conditions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from http.client import HTTPConnection, HTTPResponse
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from wstui.odin.server import OdinServer
from wstui.odin.server_settings import Limits, ServerSettings, Timing
from wstui.odin.token import Verifier, sign

SECRET = "a secret that is long enough to sign with"
WAIT_S = 60.0


@asynccontextmanager
async def serving(**told: Any) -> AsyncIterator[OdinServer]:
    """A server on a free port. Fields of Settings, Limits and Timing are told by their names."""
    timing = {"close": 0.5, "drain": 2.0} | {n: told.pop(n) for n in list(told) if n in Timing.__slots__}
    limits = {name: told.pop(name) for name in list(told) if name in Limits.__slots__}
    verifier = told.pop("verifier", Verifier.by_secret(SECRET))
    settings = replace(ServerSettings(port=0, **told), limits=Limits(**limits), timing=Timing(**timing))
    async with OdinServer(settings, verifier) as server:
        if settings.nats_url:
            assert await server.wait_for_nats(WAIT_S)
        yield server


def url(server: OdinServer, token: str | None = None) -> str:
    return f"ws://127.0.0.1:{server.port}/ws" + (f"?token={token}" if token else "")


@asynccontextmanager
async def client(server: OdinServer, token: str | None = None, **options: Any) -> AsyncIterator[ClientConnection]:
    """A client that has been welcomed."""
    token = sign("tester", SECRET) if token is None else token
    async with connect(url(server, token), **{"compression": None, "ping_interval": None} | options) as ws:
        assert (await receive(ws))["type"] == "connection:established"
        yield ws


async def receive(ws: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(await asyncio.wait_for(ws.recv(), WAIT_S))
    return message


async def pinged(ws: ClientConnection, timestamp: Any = 1) -> list[dict[str, Any]]:
    """All messages up to the pong to a ping that is sent now, the pong last."""
    await ws.send(json.dumps({"type": "ping", "timestamp": timestamp}))
    messages = [await receive(ws)]
    while messages[-1]["type"] != "pong":
        messages.append(await receive(ws))
    return messages


async def until(condition: Callable[[], bool] | Callable[[], Awaitable[bool]]) -> None:
    """Wait for a condition; fail when it does not come."""
    async with asyncio.timeout(WAIT_S):
        while True:
            holds = condition()
            if holds if isinstance(holds, bool) else await holds:
                return
            await asyncio.sleep(0.01)


async def get(
    server: OdinServer, path: str, method: str = "GET", headers: dict[str, str] | None = None
) -> tuple[HTTPResponse, bytes]:
    """The response of an HTTP request and its body."""

    def ask() -> tuple[HTTPResponse, bytes]:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=WAIT_S)
        try:
            connection.request(method, path, headers=headers or {})
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()

    return await asyncio.to_thread(ask)


async def get_json(server: OdinServer, path: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((await get(server, path))[1])
    return document
