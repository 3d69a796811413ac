"""Everything goes the same way: the first client, the health endpoints, and workers of their own."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.execution.running import Finished, finish, scenario
from tests.execution.test_tls import (
    Authority,
    Signed,
    authority,
    echoing,
    encrypted,
    folder,
    outcome,
    server_certificate,
)
from tests.servers.proxy import ConnectProxy, available, real_proxy
from tests.servers.server import Server
from wstui.execution.preflight.checklist import Check, CheckMark
from wstui.execution.preflight.preflight import preflight
from wstui.execution.preflight.probe import Probe, Unreachable, probe
from wstui.odin.server import OdinServer
from wstui.odin.server_settings import AuthMode, ServerSettings
from wstui.report.analysis.diagnosis import findings
from wstui.report.formats import markdown
from wstui.report.formats.console import summary
from wstui.scenario.model import Scenario

__all__ = ["authority", "folder", "server_certificate"]
LOGIN = "me:pass%3Aword@"


@contextlib.asynccontextmanager
async def odin() -> AsyncIterator[OdinServer]:
    async with OdinServer(ServerSettings(port=0, auth=AuthMode.OFF), None) as server:
        yield server


async def look(scenario: Scenario) -> dict[str, Check]:
    return {check.name: check async for check in preflight([scenario])}


def reports(finished: Finished) -> list[str]:
    """What a person may read of a run."""
    result = finished.result
    return [summary(result), result.to_json(), markdown.render(result)]


async def test_a_run_its_first_client_and_its_health_go_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with odin() as server, ConnectProxy(credentials="me:pass:word") as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.replace("://", f"://{LOGIN}"))
        asked = scenario(f"ws://127.0.0.1:{server.port}/ws", clients=4, health="auto")
        found = await look(asked)
        assert {name for name, check in found.items() if check.mark is CheckMark.FAIL} == set()
        assert found["route"].text == f"through the proxy http://***@127.0.0.1:{proxy.port} (HTTP_PROXY)"
        assert "healthy" in found["health"].text
        assert len(proxy.asked) == proxy.tunnels >= 5  # probe, reply, health, metrics, stats
        before = proxy.tunnels
        finished = await finish(asked)
        assert finished.counters.ready == 4 and proxy.tunnels >= before + 7
        assert finished.result.target is not None and finished.result.target.state == "healthy"
    route = finished.result.route
    assert route is not None and (route.proxy, route.proxy_from) == (f"http://***@127.0.0.1:{proxy.port}", "HTTP_PROXY")
    for text in reports(finished):
        assert f"127.0.0.1:{proxy.port}" in text and "HTTP_PROXY" in text
        assert "pass:word" not in text and "pass%3Aword" not in text
    json.loads(finished.result.to_json())


async def test_a_socks_proxy_takes_all_of_it_too(tmp_path: Path) -> None:
    if reason := available("microsocks"):
        pytest.skip(reason)
    async with odin() as server, real_proxy("microsocks", tmp_path, "me:word") as proxy:
        url = proxy.replace("://", "://me:word@")
        asked = scenario(f"ws://localhost:{server.port}/ws", clients=4, health="auto", proxy=url)
        found = await look(asked)
        assert {name for name, check in found.items() if check.mark is CheckMark.FAIL} == set()
        assert "healthy" in found["health"].text
        finished = await finish(asked)
        assert finished.counters.ready == 4 and not finished.failures


async def test_a_proxy_that_refuses_is_named_by_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    async with odin() as server, ConnectProxy(credentials="me:right") as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url.replace("://", "://me:wrong-word@"))
        asked = scenario(f"ws://127.0.0.1:{server.port}/ws", clients=4)
        with pytest.raises(Unreachable) as refused:
            await probe(asked)
        assert "HTTP 407" in refused.value.what and "ALL_PROXY" in refused.value.what
        assert "--proxy" in refused.value.fix and "wrong-word" not in str(refused.value)
        finished = await finish(asked)
    assert finished.failures == {"proxy": 4} and finished.counters.failed == 4
    verdict = finished.result.verdict
    assert verdict.unreachable and not verdict.passed
    assert "the proxy 127.0.0.1" in findings(finished.result)[0].evidence
    assert all("wrong-word" not in text for text in reports(finished))


async def test_a_proxy_that_refuses_some_is_a_finding_of_its_own() -> None:
    async with odin() as server, ConnectProxy(answer=b"HTTP/1.1 403 Forbidden\r\n\r\n") as proxy:
        proxy.every = 2
        finished = await finish(scenario(f"ws://127.0.0.1:{server.port}/ws", clients=8, proxy=proxy.url))
    assert finished.failures == {"proxy": 4} and finished.counters.ready == 4
    (finding,) = [finding for finding in findings(finished.result) if finding.cause == "proxy"]
    assert "4 of 8 attempts" in finding.evidence and "HTTP 403" in finding.evidence


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nX: "])
async def test_the_first_client_does_not_wait_forever_for_a_proxy(answer: bytes) -> None:
    async with ConnectProxy(answer=answer) as proxy:
        asked = scenario("ws://127.0.0.1:1/ws", proxy=proxy.url, connect_timeout=0.3)
        with pytest.raises(Unreachable, match=r"no answer to CONNECT from the proxy within 0\.3 s"):
            await probe(asked)


async def test_no_proxy_leaves_the_proxy_out_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.0/8")
    async with Server() as server:
        found = await look(scenario(server.url))
        assert found["welcome"].mark is CheckMark.PASS
        assert found["route"].text == "no proxy (NO_PROXY has 127.0.0.0/8)"
        monkeypatch.delenv("NO_PROXY")
        assert (await look(scenario(server.url, proxy="off")))["welcome"].mark is CheckMark.PASS


@pytest.mark.parametrize("through", ["http", "https"])
async def test_tls_goes_through_a_proxy_to_the_target(
    through: str, authority: Authority, server_certificate: Signed
) -> None:
    tls = None
    if through == "https":
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(server_certificate.cert_file, server_certificate.key_file)
    async with echoing(server_certificate) as url, ConnectProxy(credentials="me:pw", tls=tls) as proxy:
        asked = encrypted(url, ca_file=authority.file, proxy=proxy.url.replace("://", "://me:pw@"))
        seen = await probe(asked, Probe())
        assert [step.name for step in seen.steps] == ["connect", "tls", "upgrade", "settle"]
        assert await outcome(asked) == (3, 0, [])
        finished = await finish(asked)
        assert finished.counters.ready == 3 and finished.counters.matched > 10 and proxy.tunnels == 7
        # The certificate is held against the name in the URL, not against the proxy.
        moved = {"connect_to": url.removeprefix("wss://").rstrip("/"), "proxy": proxy.url.replace("://", "://me:pw@")}
        ready, failed, failures = await outcome(encrypted("wss://shop.example/", ca_file=authority.file, **moved))
        assert (ready, failed) == (0, 3) and all(text.startswith("tls: ") for text in failures), failures


async def test_an_https_proxy_carries_plain_targets_and_has_to_be_trusted(
    authority: Authority, server_certificate: Signed
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(server_certificate.cert_file, server_certificate.key_file)
    async with odin() as server, ConnectProxy(tls=tls) as proxy:
        url = f"ws://127.0.0.1:{server.port}/ws"
        asked = scenario(url, clients=3, health="auto", proxy=proxy.url, ca_file=authority.file)
        assert "healthy" in (await look(asked))["health"].text
        finished = await finish(asked)
        assert finished.counters.ready == 3 and not finished.failures
        stranger = await finish(scenario(url, clients=3, proxy=proxy.url))
    assert stranger.failures == {"proxy": 3} and "certificate not trusted" in stranger.messages[0]


async def test_another_address_keeps_the_name_in_tls(authority: Authority, server_certificate: Signed) -> None:
    async with echoing(server_certificate) as url:
        place = url.removeprefix("wss://").rstrip("/")
        asked = encrypted("wss://localhost:9/", ca_file=authority.file, connect_to=place)
        await probe(asked)
        assert await outcome(asked) == (3, 0, [])
        ready, failed, failures = await outcome(
            encrypted("wss://shop.example/", ca_file=authority.file, connect_to=place)
        )
    assert (ready, failed) == (0, 3) and all(
        text.startswith("tls: the server's certificate is for another name") for text in failures
    )


async def test_an_address_to_connect_to_is_named_when_nobody_is_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        place = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(Unreachable, match=rf"nothing listens on {place} \(target.connect_to\)"):
        await probe(scenario("ws://shop.example/ws", connect_to=place))


async def test_a_unix_socket_is_checked_and_loaded(tmp_path: Path) -> None:
    folder = tempfile.mkdtemp(dir="/tmp")  # short: a console has 80 columns
    path = Path(folder, "app.sock")
    health = []

    class Local(Server):
        async def __aenter__(self) -> Any:
            import asyncio

            self._server = await asyncio.start_unix_server(self._connected, path, backlog=100)
            return self

        async def _serve(self, client: Any) -> None:
            head = await client.reader.readuntil(b"\r\n\r\n")
            if b"Upgrade: websocket" not in head:
                health.append(head.split(b" ")[1])
                body = b'{"status":"healthy"}'
                client.write(
                    b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(body), body)
                )
                return
            client.reader._buffer[:0] = head
            await super()._serve(client)

    async with Local() as server:
        asked = scenario(f"ws+unix:{path}:/ws?room=1", clients=4, health="auto")
        found = await look(asked)
        assert {name for name, check in found.items() if check.mark is CheckMark.FAIL} == set()
        assert found["route"].text == f"over the Unix socket {path}" and "healthy" in found["health"].text
        finished = await finish(asked)
        assert finished.counters.ready == 4 and not finished.failures and server.ends["close 1000"] >= 6
    assert b"/health" in health and all(path.name in text for text in reports(finished))
    shutil.rmtree(folder)
    with pytest.raises(Unreachable, match="nothing listens on"):
        await probe(scenario(f"ws+unix:{tmp_path / 'none.sock'}:/ws"))


async def test_connections_are_counted_by_address() -> None:
    async with Server(host="0.0.0.0") as server:
        finished = await finish(scenario(f"ws://127.0.0.1:{server.port}/ws", clients=4, spread_addresses=True))
    route = finished.result.route
    assert route is not None and route.addresses == {"127.0.0.1": 4} and "127.0.0.1 × 4" in route.text
