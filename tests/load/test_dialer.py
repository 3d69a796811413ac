"""The ways to a target, in one worker: proxies real and broken, other addresses, Unix sockets, all of a name's."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.load.leading import Workers, led
from tests.servers.proxy import REAL, ConnectProxy, available, real_proxy
from tests.servers.server import Connection, GuestBook, Server, until
from wstui.load.tunnel import bridge
from wstui.scenario.model import Messages, Scenario, Stage, Target

CREDENTIALS = "tester:pass%word"


def target(url: str, clients: int = 5, **settings: Any) -> Scenario:
    settings = {"connect_timeout": 20.0, "close_timeout": 2.0, **settings}
    return Scenario(
        target=Target(url=url, **settings),
        stages=[Stage(name="all", over=60.0, clients=clients)],
        messages=Messages(exchange="odin", every=0.02, timeout=5.0),
    )


@contextlib.asynccontextmanager
async def loaded(scenario: Scenario, clients: int = 5) -> AsyncIterator[Workers]:
    async with led(scenario) as workers:
        await until(lambda: workers.c.ready == clients and workers.c.matched >= 2 * clients)
        yield workers
        await workers.drained()
    assert not workers.failures


async def failed(scenario: Scenario, outcome: str = "failed", clients: int = 5) -> str:
    """How all attempts end, as one message; no other failure is there."""
    async with led(scenario) as workers:
        await until(lambda: getattr(workers.c, outcome) == clients)
        (group,) = workers.failures
    assert (group.kind, group.count, group.local) == ("proxy", clients, False)
    return group.message


@pytest.mark.parametrize("credentials", ["", CREDENTIALS])
@pytest.mark.parametrize("kind", REAL)
async def test_real_proxies_carry_the_load(kind: str, credentials: str, tmp_path: Path) -> None:
    if reason := available(kind):
        pytest.skip(reason)
    async with Server() as server, real_proxy(kind, tmp_path, credentials.replace("%", "")) as proxy:
        login = f"{credentials.replace('%', '')}@" if credentials else ""
        url = proxy.replace("://", f"://{login}")
        if credentials:  # first: pproxy remembers who has been let in
            assert "proxy 127.0.0.1:" in await failed(target(server.url, proxy=proxy))
            wrong = proxy.replace("://", "://tester:wrong@")
            assert "wrong" not in await failed(target(server.url, proxy=wrong))
        assert server.accepted == 0
        async with loaded(target(server.url, proxy=url)):
            pass
        assert (server.ends, server.accepted) == ({"close 1000": 5}, 5)


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
async def test_a_socks_proxy_is_asked_for_a_name_or_an_address(scheme: str, tmp_path: Path) -> None:
    if reason := available("microsocks"):
        pytest.skip(reason)
    async with Server() as server, real_proxy("microsocks", tmp_path) as proxy:
        url = f"ws://localhost:{server.port}/ws"
        async with loaded(target(url, proxy=proxy.replace("socks5h", scheme))):
            pass


async def test_an_http_proxy_is_asked_with_connect_and_its_credentials_alone() -> None:
    async with Server() as server, ConnectProxy(credentials="us er:p@ss:word") as proxy:
        login = proxy.url.replace("://", "://us%20er:p%40ss%3Aword@")
        async with loaded(target(f"ws://localhost:{server.port}/ws", proxy=login)):
            assert set(proxy.asked) == {f"localhost:{server.port}"} and proxy.tunnels == 5
    assert all(b"Upgrade" not in head for head in proxy.heads)


@pytest.mark.parametrize(
    ("answer", "cut", "words"),
    [
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", False, "HTTP 403 Forbidden"),
        (b"HTTP/1.0 407 Auth\r\nProxy-Authenticate: Basic realm=x\r\n\r\n", False, "it wants a user and a password"),
        (b"HTTP/1.1 407 Auth\r\nProxy-Authenticate: Negotiate\r\n\r\n", False, "wants Negotiate credentials"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n<html>", True, "HTTP 502 Bad Gateway: it could not reach the target"),
        (b"HTTP/1.1 504\n\n", False, "HTTP 504: it could not reach the target"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://x/\r\n\r\n", False, "HTTP 302 Found"),
        (b"", True, "closed the connection before it answered CONNECT"),
        (b"HTTP/1.1 200 Conn", True, "closed the connection before it answered CONNECT after HTTP/1.1 200 Conn"),
        (b"SSH-2.0-OpenSSH\r\n", False, "does not answer with HTTP: SSH-2.0-OpenSSH"),
        (b"\x05\x00", False, "does not answer with HTTP"),
        (b"HTTP/1.1 abc\r\n\r\n", False, "without a status"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, False, "header larger than 64 KiB"),
        (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101 Switching\r\n\r\n", False, "sent unexpected bytes"),
    ],
)
async def test_what_a_proxy_does_wrong_is_its_own_failure(answer: bytes, cut: bool, words: str) -> None:
    async with Server() as server, ConnectProxy(answer=answer) as proxy:
        proxy.cut = cut
        message = await failed(target(server.url, proxy=proxy.url))
        assert message.startswith(f"the proxy 127.0.0.1:{proxy.port}") and words in message
        assert server.accepted == 0


async def test_a_proxy_that_cannot_reach_the_target_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"ws://127.0.0.1:{free.getsockname()[1]}/ws"
    async with ConnectProxy() as proxy:
        assert "could not reach the target" in await failed(target(nobody, proxy=proxy.url))
    if not available("microsocks"):
        async with real_proxy("microsocks", tmp_path) as proxy_url:
            assert "asked by SOCKS 5: connection refused" in (await failed(target(nobody, proxy=proxy_url)))


@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h", "https"])
async def test_a_proxy_where_nobody_listens_is_told_as_the_proxys(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    message = await failed(target("ws://127.0.0.1:1/ws", proxy=f"{scheme}://127.0.0.1:{port}"))
    assert message == f"the proxy 127.0.0.1:{port} can't be reached: connection refused"
    assert "the name" not in message


async def test_a_proxy_whose_name_is_not_known_is_told_as_the_proxys() -> None:
    message = await failed(target("ws://127.0.0.1:1/ws", proxy="http://proxy.invalid:3128"))
    assert message.startswith("the proxy proxy.invalid:3128 is not known")


@pytest.mark.parametrize(("scheme", "owed"), [("http", "answer to CONNECT"), ("socks5h", "answer to SOCKS")])
async def test_a_proxy_that_does_not_answer_is_timed_out_as_the_proxys(scheme: str, owed: str) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10_000)
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    async with Server() as server, await asyncio.start_server(hang, "127.0.0.1", 0) as silent:
        url = f"{scheme}://127.0.0.1:{silent.sockets[0].getsockname()[1]}"
        message = await failed(target(server.url, proxy=url, connect_timeout=0.3), "timed_out")
        assert message == f"no {owed} from the proxy within 0.3 s"


async def test_a_target_that_hangs_behind_a_sound_proxy_is_the_targets() -> None:
    class Hanging(Server):
        async def answer(self, client: Any, key: bytes) -> bool:
            await client.reader.read()
            return False

    async with (
        Hanging() as server,
        ConnectProxy() as proxy,
        led(target(server.url, proxy=proxy.url, connect_timeout=0.5)) as workers,
    ):
        await until(lambda: workers.c.timed_out == 5)
        (group,) = workers.failures
    assert group.kind == "connect timeout" and "upgrade" in group.message


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad\r\n\r\n",
        b"\x05",
        b"\x05\xff",
        b"\x05\x00\x05\x02\x00\x01",
        b"\x05\x00\x05\x63\x00\x01",
        b"\x04Z",
    ],
)
async def test_garbage_from_a_socks_proxy_is_its_own_failure(answer: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(answer[:2])
        if answer[2:]:
            await reader.read(100)
            writer.write(answer[2:])
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as proxy:
        url = f"socks5h://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
        assert "SOCKS 5" in await failed(target("ws://127.0.0.1:1/ws", proxy=url))


async def test_another_address_is_connected_to_under_the_name_in_the_url() -> None:
    async with GuestBook() as server:
        async with loaded(target("ws://shop.example:8443/ws", connect_to=f"127.0.0.1:{server.port}")):
            pass
        async with ConnectProxy() as proxy:
            there = target("ws://shop.example:8443/ws", connect_to=f"127.0.0.1:{server.port}", proxy=proxy.url)
            async with loaded(there):
                assert set(proxy.asked) == {f"127.0.0.1:{server.port}"}
    assert {client.headers[b"host"] for client in server.came} == {b"shop.example:8443"}


async def test_an_ipv6_address_is_written_in_brackets() -> None:
    async with (
        Server(host="::1") as server,
        loaded(target("ws://shop.example/ws", connect_to=f"[::1]:{server.port}")),
    ):
        pass


async def test_a_unix_socket_is_loaded_like_any_server(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"

    class OnUnixSocket(GuestBook):
        async def __aenter__(self) -> Any:
            # A backlog that is soon full: what is refused for the moment is tried again.
            self._server = await asyncio.start_unix_server(self._connected, path, backlog=1)
            return self

    async with OnUnixSocket() as server:
        async with loaded(target(f"ws+unix:{path}:/chat?room=1", clients=60), clients=60):
            pass
        assert server.ends == {"close 1000": 60}
    assert {(client.path, client.headers[b"host"]) for client in server.came} == {(b"/chat?room=1", b"localhost")}
    async with led(target(f"ws+unix:{tmp_path / 'none.sock'}:/")) as workers:
        await until(lambda: workers.c.failed == 5)
        (group,) = workers.failures
    assert (group.kind, group.message) == ("connect", "the socket does not exist")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The look-ups of shop.test, which has three addresses."""
    looked_up = socket.getaddrinfo
    asked = []

    def several(host: Any, port: Any, *args: Any, **settings: Any) -> Any:
        if host != "shop.test":
            return looked_up(host, port, *args, **settings)
        asked.append(host)
        entry = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*entry, (f"127.0.0.{n}", port)) for n in (2, 3, 4, 2)]

    monkeypatch.setattr(socket, "getaddrinfo", several)
    return asked


async def test_all_addresses_of_a_name_are_taken_in_turn(asked: list[str]) -> None:
    async with GuestBook(host="0.0.0.0") as server:
        url = f"ws://shop.test:{server.port}/ws"
        async with loaded(target(url, clients=6, spread_addresses=True), clients=6) as workers:
            assert workers.all[0]._connector.dialer.opened == dict.fromkeys(("127.0.0.2", "127.0.0.3", "127.0.0.4"), 2)
        assert len(asked) == 1
        async with loaded(target(url, clients=4), clients=4):
            pass
    seen = [client.writer.get_extra_info("sockname")[0] for client in server.came]
    assert sorted(seen[:6]) == sorted(["127.0.0.2", "127.0.0.3", "127.0.0.4"] * 2) and set(seen[6:]) == {"127.0.0.2"}


async def test_failures_are_counted_by_the_address_that_they_are_of(asked: list[str]) -> None:
    class Partly(Server):
        host = "0.0.0.0"

        async def answer(self, client: Connection, key: bytes) -> bool:
            if client.writer.get_extra_info("sockname")[0] != "127.0.0.3":
                return await super().answer(client, key)
            client.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
            return False

    async with Partly() as server:
        url = f"ws://shop.test:{server.port}/ws"
        for asks in (target(url, clients=6, spread_addresses=True), target(url, clients=6)):
            async with led(asks, clients=6) as workers:
                await until(lambda: workers.c.ready + workers.c.refused == 6)
                groups = [(group.kind, group.addresses) for group in workers.failures]
                assert groups == ([("http 503", {"127.0.0.3": 2})] if asks.target.spread_addresses else [])


async def test_a_port_that_nobody_listens_on_is_told_with_its_address(asked: list[str]) -> None:
    async with Server(host="127.0.0.2") as server:
        asks = target(f"ws://shop.test:{server.port}/ws", clients=6, spread_addresses=True)
        async with led(asks, clients=6) as workers:
            await until(lambda: workers.c.ready + workers.c.failed == 6)
            (group,) = workers.failures
            assert (group.kind, group.addresses) == ("connect", {"127.0.0.3": 2, "127.0.0.4": 2})


async def test_a_bridge_holds_a_sender_up_whose_receiver_does_not_read() -> None:
    loop = asyncio.get_running_loop()
    far, near = socket.socketpair()
    far.setblocking(False)
    transport, _ = await loop.create_unix_connection(asyncio.Protocol, sock=near)
    sent = idle = received = 0
    with far, await bridge(loop, transport) as receiver:
        while idle < 20 and sent < 64 << 20:
            try:
                sent += far.send(bytes(65536))
                idle = 0
            except BlockingIOError:
                idle += 1
                await asyncio.sleep(0.01)
        assert sent < 8 << 20, "the bridge keeps what nobody reads"
        while received < sent:
            received += len(await loop.sock_recv(receiver, 1 << 20))
    transport.abort()
