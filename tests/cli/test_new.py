"""`wstui new`: a live server is recognised by what it agrees to, says or answers, and its preset runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.conversations.test_protocol_cases import Cable
from tests.protocols.serving import served, web
from tests.protocols.test_centrifugo import Centrifugo
from tests.protocols.test_graphql import serving as graphql
from tests.protocols.test_phoenix import Phoenix
from tests.protocols.test_pusher import Pusher
from tests.protocols.test_realtime import Model
from tests.protocols.test_signalr import Hub
from tests.servers.server import Server
from wstui.cli import wstui
from wstui.scenario.file import load
from wstui.scenario.model import Scenario


class Silent(Server):
    """Echoes what it is told, and picks whatever subprotocol comes first."""

    welcome = False


def root(server: Any) -> str:
    return str(server.url).removesuffix("/ws")


@contextlib.asynccontextmanager
async def socketio() -> AsyncIterator[str]:
    import socketio

    server, app = socketio.AsyncServer(async_mode="aiohttp"), web.Application()
    server.attach(app)
    async with served(app) as url:
        yield url


async def made(tmp_path: Path, *arguments: str) -> tuple[Result, Path]:
    file = tmp_path / "made.toml"
    command = ["new", *arguments, "--out", str(file)]
    return await asyncio.to_thread(CliRunner().invoke, wstui, command), file


@pytest.mark.parametrize(
    ("kind", "protocol"),
    [
        (Phoenix, "phoenix"),
        (Hub, "signalr"),
        (Model, "realtime"),
        (Cable, "actioncable"),
        (Centrifugo, "centrifugo"),
        (Pusher, "pusher"),
        (Silent, "json"),
    ],
)
async def test_a_live_server_is_recognised(kind: type[Server], protocol: str, tmp_path: Path) -> None:
    tries = kind in (Phoenix, Model, Silent)  # the others have no room of the preset's name
    async with kind() as server:
        url = root(server) if kind in (Phoenix, Cable) else server.url
        result, file = await made(tmp_path, url, *([] if tries else ["--no-try"]))
    assert result.exit_code == 0, result.output
    scenario = load(file)
    assert isinstance(scenario, Scenario)
    assert (scenario.target.protocol, scenario.target.url, scenario.name) == (protocol, url, "made")
    assert ("one client: ready" in result.output) == tries


async def test_servers_of_libraries_are_recognised(tmp_path: Path) -> None:
    async with socketio() as url:
        result, file = await made(tmp_path, url)
        assert result.exit_code == 0 and "speaks socketio: the open packet of Engine.IO" in result.output
    async with graphql() as log:
        result, file = await made(tmp_path, log.url, "--force")
        assert result.exit_code == 0 and 'the subprotocol "graphql-transport-ws"' in result.output
        assert 'protocol = "graphql"' in file.read_text() and log.url in file.read_text()


async def test_a_secret_in_the_url_is_not_written(tmp_path: Path) -> None:
    async with Phoenix() as server:
        url = f"{root(server)}/socket/websocket?token=abcdef123456"
        result, file = await made(tmp_path, url, "--no-try")
    assert result.exit_code == 0, result.output
    assert "abcdef123456" not in file.read_text() + result.output


async def test_what_can_not_be_looked_at_is_said(tmp_path: Path) -> None:
    for arguments, status, words in (
        (["ws://127.0.0.1:1"], 3, "check the address, and start the server"),
        (["http://localhost"], 2, "not a WebSocket URL"),
        (["--protocol", "socketoi"], 2, "did you mean socketio?"),
        ([], 2, "needs a URL, or --protocol NAME"),
    ):
        result, file = await made(tmp_path, *arguments)
        assert (result.exit_code, file.exists()) == (status, False) and words in result.output
    result, file = await made(tmp_path, "--protocol", "mqtt")
    assert result.exit_code == 0 and "${WS_URL" in file.read_text()
    result, file = await made(tmp_path, "--protocol", "mqtt")
    assert result.exit_code == 2 and "is there already" in result.output


async def test_a_refusing_server_is_named(tmp_path: Path) -> None:
    async with served(web.Application()) as url:
        result, file = await made(tmp_path, url)
    assert result.exit_code == 3 and "lets no WebSocket client in (HTTP 404)" in result.output
    assert not file.exists()
