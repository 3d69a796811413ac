"""`wstui record`: clients talk through the proxy as if it were the server, and all that passes is in the file."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import json
import os
import pty
import re
import select
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import websockets
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tests.cli.commands import call, start
from tests.conversations.chat import Chat
from tests.servers.server import PATIENCE_S
from tests.waiting import wait_until
from wstui.cli.record_lines import RecordLines
from wstui.recording.recording import Recorder
from wstui.recording.recording_proxy import RecordingProxy, TrafficLine, made_certificate
from wstui.recording.session import RecordedSession, value_of
from wstui.recording.sources import read_session
from wstui.scenario.file import loads
from wstui.scenario.model import Scenario


class Recording:
    """A proxy for one server, what it showed, and the session in its file."""

    def __init__(self, url: str, path: Path, *, http: bool = False, most: int = 1 << 20, **target: object) -> None:
        made = loads("", "", {}, {"target.url": url, **{f"target.{k}": v for k, v in target.items()}}, complete=False)
        assert isinstance(made, Scenario)
        self.path = path / "recording.jsonl"
        self.shown: list[TrafficLine] = []
        self.recorder = Recorder(self.path, url, most)
        self.proxy = RecordingProxy(made, self.recorder, self.shown.append, http=http)
        self.port = 0

    @property
    def session(self) -> RecordedSession:
        return read_session(self.path)


@contextlib.asynccontextmanager
async def recording(
    url: str, path: Path, tls: ssl.SSLContext | None = None, http: bool = False, most: int = 1 << 20, **target: object
) -> AsyncIterator[Recording]:
    made = Recording(url, path, http=http, most=most, **target)
    made.port = await made.proxy.start("127.0.0.1", 0, tls)
    try:
        yield made
    finally:
        await made.proxy.stop()
        made.recorder.finish()


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)
    await connection.close(4000, "bye")


@contextlib.asynccontextmanager
async def echo_server(**settings: object) -> AsyncIterator[str]:
    async with serve(echo, "127.0.0.1", 0, **settings) as server:  # type: ignore[arg-type]
        yield f"ws{'s' * ('ssl' in settings)}://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


async def test_what_passes_is_recorded_message_by_message_for_many_clients(tmp_path: Path) -> None:
    async with echo_server(subprotocols=["chat.v1"]) as url, recording(f"{url}/here?x=1", tmp_path) as made:

        async def talk(number: int) -> None:
            headers = {"Cookie": f"id={number}"}
            origin = f"http://127.0.0.1:{made.port}"
            async with connect(
                f"ws://127.0.0.1:{made.port}",
                subprotocols=["chat.v1"],  # type: ignore[list-item]
                additional_headers=headers,
                origin=origin,  # type: ignore[arg-type]
            ) as client:
                assert client.subprotocol == "chat.v1"
                for message in (f"hällo {number}", bytes([number, 255]), "x" * 70_000):
                    await client.send(message)
                    assert await client.recv() == message
                await client.send(["in ", "three ", "parts"])
                assert await client.recv() == "in three parts"

        await asyncio.gather(*map(talk, range(1, 5)))
    session = made.session
    assert len(session.connections) == 4 and made.proxy.count == {"connections": 4, "messages": 4 * 8}
    for connection in session.connections:
        number = int(value_of(connection.request, "cookie").removeprefix("id="))
        assert connection.url == f"{url}/here?x=1" and connection.status == 101 and connection.close == "1000 by client"
        assert value_of(connection.request, "origin") == url.replace("ws", "http")
        assert "permessage-deflate" in value_of(connection.answer, "sec-websocket-extensions")
        assert [frame.data for frame in connection.frames if frame.sent] == [
            frame.data for frame in connection.frames if not frame.sent
        ]
        assert connection.frames[0].data == f"hällo {number}" and connection.frames[2].data == bytes([number, 255])
        assert connection.frames[-1].data == "in three parts"


async def test_a_client_that_does_not_read_holds_up_its_server_and_fills_no_memory(tmp_path: Path) -> None:
    said = 0

    async def flood(connection: ServerConnection) -> None:
        nonlocal said
        with contextlib.suppress(ConnectionClosed):
            while True:
                await connection.send(b"x" * 65_536)
                said += 1

    async with serve(flood, "127.0.0.1", 0, compression=None) as server:
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        async with (
            recording(url, tmp_path, most=1 << 20) as made,
            connect(f"ws://127.0.0.1:{made.port}", max_queue=1) as client,
        ):
            still = before = 0
            async with asyncio.timeout(PATIENCE_S):
                while still < 20:
                    await asyncio.sleep(0.02)
                    still, before = (still + 1 if said == before > 0 else 0), said
            held = said * 65_536
            # What the sockets of both connections and the buffers between them take.
            assert 0 < held < 48 << 20, held
            assert [await client.recv() for _ in range(3)] == [b"x" * 65_536] * 3
            client.transport.abort()
    assert made.path.stat().st_size < 4 << 20


async def test_a_refusal_passes_to_the_client_as_it_is(tmp_path: Path) -> None:
    async with echo_server(process_request=lambda c, _: c.respond(401, "no token\n")) as url:
        async with recording(url, tmp_path) as made:
            with pytest.raises(websockets.InvalidStatus) as refused:
                await connect(f"ws://127.0.0.1:{made.port}/")
        assert refused.value.response.status_code == 401 and refused.value.response.body == b"no token\n"
    assert made.session.connections[0].status == 401


async def test_a_target_that_is_not_there_is_told_to_both_sides(tmp_path: Path) -> None:
    async with recording("ws://127.0.0.1:9", tmp_path) as made:
        with pytest.raises(websockets.InvalidStatus) as refused:
            await connect(f"ws://127.0.0.1:{made.port}/")
    assert refused.value.response.status_code == 502
    assert any("can't be reached" in str(passed.data) for passed in made.shown)


async def test_the_certificate_of_the_target_is_checked_and_the_listener_may_have_one_made(tmp_path: Path) -> None:
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    async with echo_server(ssl=made_certificate()) as url:
        async with recording(url, tmp_path, made_certificate()) as made:
            with pytest.raises(websockets.InvalidStatus):
                await connect(f"wss://127.0.0.1:{made.port}/", ssl=trusting)
        assert any("certificate" in str(passed.data) for passed in made.shown)
        made.path.unlink()
        async with (
            recording(url, tmp_path, made_certificate(), insecure=True) as made,
            connect(f"wss://127.0.0.1:{made.port}/", ssl=trusting) as client,
        ):
            await client.send("a")
            assert await client.recv() == "a"
    assert [frame.data for frame in made.session.connections[0].frames] == ["a", "a"]


async def test_a_full_recording_stops_and_clients_go_on(tmp_path: Path) -> None:
    async with (
        echo_server() as url,
        recording(url, tmp_path, most=2000) as made,
        connect(f"ws://127.0.0.1:{made.port}/") as client,
    ):
        for _ in range(50):
            await client.send("y" * 100)
            assert await client.recv() == "y" * 100
    assert made.recorder.is_full and made.path.stat().st_size <= 2000 and made.proxy.count["messages"] == 100


class RedirectingSite(http.server.BaseHTTPRequestHandler):
    """Sets a cookie at a login, and sends whoever asks for / elsewhere."""

    def do_GET(self) -> None:
        self.send_response(302)
        self.send_header("Location", f"http://{self.headers['Host']}/page")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = json.dumps({"token": "t-12345", "got": json.loads(body), "origin": self.headers["Origin"]}).encode()
        self.send_response(200)
        self.send_header("Set-Cookie", "sid=s-12345; Path=/; Domain=site.example; Secure; HttpOnly")
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(answer), answer))

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def site() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), RedirectingSite)
    RedirectingSite.protocol_version = "HTTP/1.1"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


async def request(port: int, text: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(text.replace("\n", "\r\n").encode())
    answer = (await reader.read()).decode()
    writer.close()
    return answer


async def test_http_beside_it_is_passed_with_both_names_exchanged_and_recorded(tmp_path: Path) -> None:
    with site() as port:
        async with recording(f"ws://127.0.0.1:{port}/ws", tmp_path, http=True) as made:
            ours = f"http://127.0.0.1:{made.port}"
            moved = await request(made.port, "GET / HTTP/1.1\nHost: x\n\n")
            body = '{"password": "pw"}'
            answer = await request(
                made.port, f"POST /in HTTP/1.1\nHost: x\nOrigin: {ours}\nContent-Length: {len(body)}\n\n{body}"
            )
    assert f"Location: {ours}/page" in moved
    head, _, content = answer.partition("\r\n\r\n")
    assert "Set-Cookie: sid=s-12345; Path=/; HttpOnly" in head and "chunked" not in head
    assert json.loads(content) == {"token": "t-12345", "got": {"password": "pw"}, "origin": f"http://127.0.0.1:{port}"}
    first, login = made.session.requests
    assert (first.method, first.url, first.status) == ("GET", f"http://127.0.0.1:{port}/", 302)
    assert login.body == body and "t-12345" in login.answer_body and value_of(login.answer, "set-cookie")


async def test_http_is_not_passed_unless_asked_for(tmp_path: Path) -> None:
    async with recording("ws://127.0.0.1:9", tmp_path) as made:
        assert "--http" in await request(made.port, "GET / HTTP/1.1\nHost: x\n\n")
        assert "502" in await request(made.port, "nonsense\n\n")


async def test_the_command_shows_messages_without_secrets_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    async with Chat(token="good-token-1") as server:
        process = start("record", server.url, "--listen", "127.0.0.1:0", "--out", "r.jsonl", cwd=tmp_path)
        assert process.stdout is not None
        first = await asyncio.to_thread(process.stdout.readline)
        address = re.search(r"ws://\S+", first)
        assert address is not None, first
        async with connect(address[0]) as client:
            await client.send(json.dumps({"type": "auth", "token": "good-token-1"}))
            assert "auth_ok" in str(await client.recv())
            for hidden in (
                "CONNECT\npasscode:well-hidden\n\n\0",
                "a=1&secret=well-hidden",
                '["{\\"pin_token\\":44774477}"]',
            ):
                await client.send(hidden)
        path = tmp_path / "r.jsonl"
        await asyncio.to_thread(wait_until, lambda: '"close"' in path.read_text(), "the close is recorded")
        process.send_signal(signal.SIGINT)
        out, err = await asyncio.to_thread(process.communicate)
    assert (process.returncode, err) == (0, "")
    assert (
        '#1 → {"type": "auth", "token": "***"}' in out and '#1 ← {"type":"auth_ok"' in out and "good-token" not in out
    )
    assert "well-hidden" not in out and "44774477" not in out and "passcode:***" in out
    assert "1 connections, 5 messages" in out and "only you can read it" in out and "wstui import r.jsonl" in out
    assert path.stat().st_mode & 0o777 == 0o600 and "good-token-1" in path.read_text()


def test_a_binary_message_shows_its_kind_and_not_the_password_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    lines = RecordLines(quiet=False, only="", url="ws://127.0.0.1:1")
    connect_packet = b"\x10\x1e\x00\x04MQTT\x04\xc2\x00<\x00\x01c\x00\x01u\x00\x0chunter2hunter"
    lines.show(TrafficLine(0.1, 1, True, connect_packet, []))
    shown = capsys.readouterr().out + capsys.readouterr().err
    assert f"<{len(connect_packet)} bytes> 10 1e 00 04 …" in shown
    assert b"hunter".hex(" ") not in shown and "hunter" not in shown


async def test_at_a_terminal_keys_pause_filter_save_and_end(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    read = bytearray()

    async def until_shown(text: str) -> None:
        for _ in range(600):
            while select.select([ours], [], [], 0)[0]:
                read.extend(os.read(ours, 4096))
            if text in read.decode("utf-8", "replace"):
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"{text!r} is not in {read.decode('utf-8', 'replace')}")

    async with echo_server() as url:
        command = [sys.executable, "-m", "wstui", "record", url, "--listen", "127.0.0.1:0", "--out", "r.jsonl"]
        process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=tmp_path)
        try:
            await until_shown("space pauses")
            address = re.search(r"ws://[\d.:]+/", read.decode())
            assert address is not None
            async with connect(address[0]) as client:

                async def say(text: str) -> None:
                    await client.send(text)
                    await client.recv()

                await say("first")
                await until_shown("← first")
                os.write(ours, b" ")
                await until_shown("paused")
                await say("second")
                os.write(ours, b"s")
                await until_shown("so far are in r-1.jsonl")
                assert b"second" not in read
                os.write(ours, b" ")
                await until_shown("← second")
                os.write(ours, b"/thi\r")
                await until_shown("lines with 'thi'")
                await say("fourth")
                await say("third")
                await until_shown("← third")
                assert b"fourth" not in read
            os.write(ours, b"q")
            await until_shown("next: wstui import r.jsonl")
            assert await asyncio.to_thread(process.wait, 20) == 0
        finally:
            process.kill()
            os.close(ours)
            os.close(theirs)
    assert "second" in (tmp_path / "r-1.jsonl").read_text() and "fourth" in (tmp_path / "r.jsonl").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("http://a.example/",), "ws://"),
        (("ws://a.example/", "--listen", "0.0.0.0:80"), "only loopback is listened on: 127.0.0.1:80"),
        (("ws://a.example/", "--listen", "here"), "write host:port"),
        (("ws://a.example/", "--most", "much"), "--most much"),
        (("ws://a.example/", "--cert", "none.pem"), "--cert none.pem can't be used: No such file"),
        (("ws://a.example/", "--out", "/nowhere/r.jsonl"), "/nowhere/r.jsonl can't be written"),
    ],
)
def test_wrong_usage_is_told_with_its_fix(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    status, _, err = call("record", *arguments, cwd=tmp_path)
    assert status == 2 and words in err and "Traceback" not in err
    assert not list(tmp_path.iterdir())
