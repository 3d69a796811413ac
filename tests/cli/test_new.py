"""`wstui new`: a live server is recognised by what it agrees to, says or answers, and its preset runs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from websockets.asyncio.server import ServerConnection, serve

from tests.conversations.test_protocol_cases import Cable
from tests.execution.test_tls import LOOPBACK, Authority
from tests.protocols import npm, test_jsonrpc, test_mqtt, test_ocpp, test_old_forms, test_wamp
from tests.protocols.serving import served, web
from tests.protocols.stomp_server import Stomp
from tests.protocols.test_actioncable import strict_rails
from tests.protocols.test_centrifugo import Centrifugo
from tests.protocols.test_crowds import mosquitto, rabbitmq
from tests.protocols.test_graphql import serving as graphql
from tests.protocols.test_phoenix import Phoenix
from tests.protocols.test_pusher import Pusher
from tests.protocols.test_realtime import RealtimeModel
from tests.protocols.test_signalr import Hub, Negotiating
from tests.servers.server import Connection, Server
from wstui.cli import wstui
from wstui.execution.preflight.detection import detect
from wstui.scenario.file import load
from wstui.scenario.model import Scenario

__all__ = ["mosquitto", "rabbitmq", "strict_rails"]


class WithoutWelcome(Server):
    """Echoes what it is told, and picks whatever subprotocol comes first."""

    welcome = False


def root(server: Any, path: str = "/ws") -> str:
    return str(server.url).removesuffix(path)


@contextlib.asynccontextmanager
async def socketio() -> AsyncIterator[str]:
    import socketio

    server, app = socketio.AsyncServer(async_mode="aiohttp"), web.Application()
    server.attach(app)
    async with served(app) as url:
        yield url


@contextlib.asynccontextmanager
async def echoing() -> AsyncIterator[str]:
    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with serve(echo, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def made(tmp_path: Path, *arguments: str) -> tuple[Result, Path]:
    file = tmp_path / "made.toml"
    command = ["new", *arguments, "--out", str(file)]
    return await asyncio.to_thread(CliRunner().invoke, wstui, command), file


@pytest.mark.parametrize(
    ("kind", "protocol"),
    [
        (Phoenix, "phoenix"),
        (Hub, "signalr"),
        (RealtimeModel, "realtime"),
        (Cable, "actioncable"),
        (Centrifugo, "centrifugo"),
        (Pusher, "pusher"),
        (WithoutWelcome, "json"),
    ],
)
async def test_a_live_server_is_recognised(kind: type[Server], protocol: str, tmp_path: Path) -> None:
    tries = kind in (Phoenix, RealtimeModel, WithoutWelcome)  # the others have no room of the preset's name
    async with kind() as server:
        url = root(server) if kind in (Phoenix, Cable) else server.url
        result, file = await made(tmp_path, url, *([] if tries else ["--no-try"]))
    assert result.exit_code == 0, result.output
    scenario = load(file)
    assert isinstance(scenario, Scenario)
    assert (scenario.target.protocol, scenario.target.url, scenario.name) == (protocol, url, "made")
    assert ("one client: ready" in result.output) == tries


async def test_clients_of_an_echo_server_wait_for_what_they_have_sent(tmp_path: Path) -> None:
    async with echoing() as url:
        result, file = await made(tmp_path, url)
    assert result.exit_code == 0 and "it sends back what it gets" in result.output
    assert "one client: ready, say held" in result.output
    scenario = load(file)
    assert isinstance(scenario, Scenario) and scenario.roles[0].loop[0].expect == {"id": "{{id}}"}


async def test_servers_of_libraries_are_recognised(tmp_path: Path) -> None:
    async with socketio() as url:
        result, file = await made(tmp_path, url)
        assert result.exit_code == 0 and "speaks socketio: the open packet of Engine.IO" in result.output
    async with graphql() as log:
        result, file = await made(tmp_path, log.url, "--force")
        assert result.exit_code == 0 and 'the subprotocol "graphql-transport-ws"' in result.output
        assert 'protocol = "graphql"' in file.read_text() and log.url in file.read_text()


async def test_servers_are_recognised_by_the_subprotocol_or_their_answer(request: pytest.FixtureRequest) -> None:
    async with (
        test_ocpp.serving(interval=600) as central,
        test_wamp.Router() as router,
        test_jsonrpc.serving(9.0) as (url, _),
    ):
        await asyncio.gather(
            recognises(root(central, "/cp"), "ocpp", 'the subprotocol "ocpp1.6"'),
            recognises(router.url, "wamp", 'the subprotocol "wamp.2.json"'),
            recognises(url, "jsonrpc", "its jsonrpc key"),
        )
    if test_mqtt.MOSQUITTO is not None:
        await recognises(request.getfixturevalue("mosquitto"), "mqtt", "its CONNACK packet")


async def test_servers_of_npm_are_recognised() -> None:
    async with (
        npm.serving("socketio_server.mjs", "socket.io") as io,
        npm.serving("graphql_server.mjs", "graphql-ws", "graphql", "ws") as graph,
    ):
        await asyncio.gather(
            recognises(io.url, "socketio", "the open packet of Engine.IO"),
            recognises(graph.url, "graphql", 'the subprotocol "graphql-transport-ws"'),
        )


async def test_old_servers_of_npm_are_recognised() -> None:
    async with (
        npm.serving(*test_old_forms.SOCKETIO, told="2") as io,
        npm.serving(*test_old_forms.GRAPHQL) as graph,
        npm.serving(*test_old_forms.SOCKJS) as sockjs,
    ):
        session, plain = f"{sockjs.url}/100/abcdefgh/websocket", f"{sockjs.url}/websocket"
        await asyncio.gather(
            recognises(io.url, "socketio", "the open packet of Engine.IO", {"version": 3}, io.url),
            recognises(graph.url, "graphql", "a message of the old graphql-ws", {"legacy": True}, graph.url),
            recognises(plain, "stomp", "its CONNECTED frame", {"subprotocol": False, "receipts": False}, plain),
            recognises(session, "stomp", "its frames inside SockJS", {"sockjs": True, "receipts": False}, session),
        )


async def test_rails_is_recognised_though_it_wants_an_origin(request: pytest.FixtureRequest) -> None:
    address = request.getfixturevalue("strict_rails")
    url = f"ws://{address}/cable"
    await recognises(url, "actioncable", 'the subprotocol "actioncable-v1-json"', {}, url)
    assert (await detect(url)).origin == f"http://{address}"


class BareWelcome(Server):
    """Says a bare welcome, as servers of Action Cable do, and no subprotocol; `pings` as those do."""

    welcome = False
    pings = False

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        pass

    async def opened(self, client: Connection) -> None:
        client.say(type="welcome")
        if self.pings:
            await asyncio.sleep(1.2)
            client.say(type="ping", message=1_700_000_000)


async def test_a_welcome_alone_is_not_action_cable() -> None:
    async with BareWelcome() as server:
        found = await detect(server.url)
    assert found.guess is not None and found.guess.protocol == "json"
    assert "without the subprotocol of actioncable, and with no ping in 4 s" in str(found)


async def test_a_welcome_and_pings_are_action_cable() -> None:
    async with BareWelcome() as server:
        server.pings = True
        await recognises(server.url, "actioncable", "its ping")


@contextlib.asynccontextmanager
async def sockjs(*, offers: bool = True, plain: bool = True) -> AsyncIterator[str]:
    """An echo inside SockJS at /echo, after its protocol's document: /info, sessions, a plain WebSocket."""

    async def info(request: web.Request) -> web.Response:
        return web.json_response({"websocket": offers, "origins": ["*:*"], "cookie_needed": False, "entropy": 7})

    async def echo(request: web.Request) -> web.WebSocketResponse:
        connection, inside = web.WebSocketResponse(), "session" in request.match_info
        await connection.prepare(request)
        if inside:
            await connection.send_str("o")
        async for message in connection:
            await connection.send_str(f"a{message.data}" if inside else message.data)
        return connection

    app = web.Application()
    app.router.add_get("/echo/info", info)
    app.router.add_get("/echo/{server}/{session}/websocket", echo)
    if plain:
        app.router.add_get("/echo/websocket", echo)
    async with served(app) as url:
        yield f"http{url.removeprefix('ws').rstrip('/')}/echo"


async def test_sockjs_is_recognised_at_its_base(tmp_path: Path) -> None:
    async with sockjs() as url:
        for base in (url, f"ws{url.removeprefix('http')}/"):
            result, file = await made(tmp_path, base, "--force")
            assert result.exit_code == 0, result.output
            assert "this is SockJS, and what it carries is not STOMP: clients use its plain WebSocket" in result.output
            scenario = load(file)
            assert isinstance(scenario, Scenario)
            assert scenario.target.url == f"ws{url.removeprefix('http')}/websocket"
            assert "one client: ready, say held" in result.output


async def test_sockjs_that_carries_stomp_is_loaded_as_its_clients_do(tmp_path: Path) -> None:
    async with npm.serving(*test_old_forms.SOCKJS) as server:
        for base in (server.url, f"http{server.url.removeprefix('ws')}"):
            options = {"sockjs": True, "receipts": False}
            await recognises(base, "stomp", "its frames inside SockJS", options, server.url)
        result, _ = await made(tmp_path, server.url)
    assert result.exit_code == 0 and "subscribe held, publish held" in result.output


async def test_sockjs_without_a_websocket_says_so(tmp_path: Path) -> None:
    async with sockjs(offers=False) as url:
        result, file = await made(tmp_path, url)
    assert (result.exit_code, file.exists()) == (3, False)
    assert "is SockJS without WebSocket (its /info says websocket: false)" in result.output


async def test_sockjs_of_which_nothing_more_is_known_is_proposed_as_probable() -> None:
    async with sockjs(plain=False) as url:
        found = await detect(url)
    assert found.guess is not None and (found.guess.options, found.guess.certain) == ({"sockjs": True}, False)
    assert "probably speaks stomp" in str(found) and found.url == f"ws{url.removeprefix('http')}"


async def test_a_small_broker_of_stomp_is_recognised() -> None:
    async with Stomp() as server:
        await recognises(server.url, "stomp", 'the subprotocol "v12.stomp"', {}, server.url)


async def test_a_hub_is_only_asked_for_a_connection_if_it_answers() -> None:
    async with Hub() as bare, Negotiating() as hub:
        for server, options in ((bare, {"negotiate": False}), (hub, {})):
            await recognises(server.url, "signalr", "records that end in 0x1e", options, server.url)


async def test_a_broker_of_stomp_is_recognised(request: pytest.FixtureRequest) -> None:
    if "CROWD_SECONDS" not in os.environ:
        pytest.skip("RabbitMQ takes long to start: only with CROWD_SECONDS")
    await recognises(f"{request.getfixturevalue('rabbitmq')}/ws", "stomp", 'the subprotocol "v12.stomp"')


async def recognises(url: str, protocol: str, why: str, options: Mapping[str, Any] | None = None, at: str = "") -> None:
    seen = await detect(url)
    found = seen.guess
    assert found is not None and (found.protocol, found.why, found.certain) == (protocol, why, True)
    assert options is None or (found.options, seen.url) == (options, at)


async def test_the_version_of_a_server_decides_its_steps(tmp_path: Path) -> None:
    async with test_ocpp.serving("2.0.1", interval=600) as central:
        result, file = await made(tmp_path, root(central, "/cp"))
    assert result.exit_code == 0, result.output
    told = 'it speaks ocpp (version = "2.0.1"): the subprotocol "ocpp2.0.1"'
    assert told in result.output and central.calls["StatusNotification"] == 1
    assert 'version = "2.0.1"' in file.read_text() and "StartTransaction" not in file.read_text()


async def test_a_secret_in_the_url_is_not_written(tmp_path: Path) -> None:
    async with Phoenix() as server:
        url = f"{root(server)}/socket/websocket?token=abcdef123456"
        result, file = await made(tmp_path, url, "--no-try")
    assert result.exit_code == 0, result.output
    assert "abcdef123456" not in file.read_text() + result.output
    assert "set AUTH_TOKEN before a run" in result.output


async def test_what_can_not_be_looked_at_is_said(tmp_path: Path) -> None:
    for arguments, status, words in (
        (["ws://127.0.0.1:1"], 3, "(connection refused): check the address, and start the server"),
        (["wss://127.0.0.1:1", "--ca-file", "/nowhere.pem"], 3, "(No such file or directory): check --ca-file"),
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


async def test_a_server_that_wants_a_token_is_not_a_wrong_path(tmp_path: Path) -> None:
    async def refuse(request: web.Request) -> web.Response:
        return web.Response(status=401)

    app = web.Application()
    app.router.add_get("/{path:.*}", refuse)
    async with served(app) as url:
        result, _ = await made(tmp_path, url)
    assert result.exit_code == 3 and "(HTTP 401): give a token in the URL" in result.output


async def test_a_certificate_of_ones_own_is_named_and_written(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "authority")
    signed = authority.sign("server", LOOPBACK)

    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(signed.cert_file, signed.key_file)
    async with serve(echo, "127.0.0.1", 0, ssl=tls) as server:
        url = f"wss://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        refused, file = await made(tmp_path, url)
        assert refused.exit_code == 3 and "name its authority with --ca-file" in refused.output
        assert not file.exists()
        named, file = await made(tmp_path, url, "--ca-file", authority.file)
        assert named.exit_code == 0 and f'ca_file = "{authority.file}"' in file.read_text()
        accepted, _ = await made(tmp_path, url, "--insecure", "--force")
        assert accepted.exit_code == 0 and accepted.output.rstrip().endswith("--insecure")
