"""The target as real processes: the ready line, signals, and nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import jwt
import nats as nats_client
import psutil
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.odin.target import SECRET, WAIT_S, pinged, receive, until
from tests.odin.test_liveness import UPGRADE
from tests.odin.test_security import forged
from wstui.odin.demo_system import DemoTarget
from wstui.odin.nats_server import NatsServerNotFound
from wstui.odin.token import sign
from wstui.servers.child_process import ChildProcess, ProcessFailed


@contextmanager
def running(command: str, *options: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A command in a process of its own, and where it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-c", f"from wstui.cli.odin import {command}; {command}()", *options],
        env={**os.environ, "JWT_SECRET": SECRET, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    try:
        match = re.fullmatch(r"ready (\S+)\n", line)
        assert match, process.communicate(timeout=WAIT_S)
        yield process, match[1]
    finally:
        process.kill()
        process.communicate()


@asynccontextmanager
async def client(url: str, secret: str = SECRET) -> AsyncIterator[ClientConnection]:
    async with connect(f"{url}?token={sign('ann', secret)}", compression=None) as ws:
        assert (await receive(ws))["type"] == "connection:established"
        yield ws


def ask(url: str, path: str) -> dict[str, Any]:
    with urlopen(url.replace("ws://", "http://").removesuffix("/ws") + path, timeout=WAIT_S) as response:
        document: dict[str, Any] = json.load(response)
        return document


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_server_cleanly(number: int) -> None:
    with running("server", "--port", "0") as (process, url):
        async with client(url) as ws:
            process.send_signal(number)
            with pytest.raises(ConnectionClosed) as end:
                await asyncio.wait_for(ws.recv(), WAIT_S)
            assert end.value.rcvd is not None
            assert end.value.rcvd.code == 1001
        _, errors = await asyncio.to_thread(process.communicate, timeout=WAIT_S)
        assert process.returncode == 0
        assert "running without NATS" in errors
        assert "Traceback" not in errors


async def test_a_client_that_answers_no_ping_is_dead_and_counted() -> None:
    with running("server", "--port", "0", "--auth", "off", "--dead-peer", "0.4", NATS_URL="") as (_, url):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2].split("/")[0]))
        writer.write(UPGRADE.format("none").encode())
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            await asyncio.wait_for(reader.read(), WAIT_S)  # welcome, ping, and the end
        stats: dict[str, Any] = await asyncio.to_thread(ask, url, "/stats")
        assert (stats["connections"]["deadPeers"], stats["connections"]["open"]) == (1, 0)
        writer.close()


async def test_an_embedded_nats_comes_and_goes_with_the_server() -> None:
    with running("server", "--port", "0", "--embedded-nats", "--log-json", NATS_URL="") as (process, url):
        assert (await asyncio.to_thread(ask, url, "/health"))["nats"] == "connected"
        (broker,) = psutil.Process(process.pid).children()
        process.kill()
        await until(lambda: gone(broker.pid))
        _, errors = process.communicate()
        assert [json.loads(line)["level"] for line in errors.splitlines()] == ["info"] * 3


async def test_limits_hold_for_all_clients_together() -> None:
    options = ("--port", "0", "--auth", "off", "--connect-rate", "40", "--max-connections", "30")
    with running("server", *options, NATS_URL="") as (_, url):
        answers: Counter[int] = Counter()
        clients = []
        for _number in range(50):
            try:
                clients.append(await connect(url, compression=None))
                answers[101] += 1
            except InvalidStatus as refusal:
                answers[refusal.response.status_code] += 1
        assert answers[101] == 30 and answers[503] >= 10 and set(answers) <= {101, 503, 429}

        async def all_told() -> bool:
            stats = await asyncio.to_thread(ask, url, "/stats")
            metrics = await asyncio.to_thread(ask, url, "/metrics")
            return bool(
                stats["refused"].get("connection limit") == answers[503]
                and stats["refused"].get("connection rate limit", 0) == answers[429]
                and stats["connections"]["open"] == metrics["connectionCount"] == 30
            )

        await until(all_told)
        for ws in clients:
            await ws.close()

        async def there_is_room_again() -> bool:
            try:
                await (await connect(url, compression=None)).close()
            except InvalidStatus:
                return False
            return True

        await until(there_is_room_again)


@pytest.mark.parametrize("limit", ["--message-rate", "--message-rate-per-address"])
async def test_a_flood_is_one_flood_whichever_clients_it_is_spread_over(limit: str) -> None:
    options = ("--port", "0", "--auth", "off", limit, "30")
    with running("server", *options, NATS_URL="") as (_, url):
        clients = [await connect(url, compression=None) for _ in range(12)]

        async def flooded() -> bool:
            # 60 messages at once are a flood, though no client has sent 30 of them. If they were slow: once more.
            for _number in range(5):
                for ws in clients:
                    with contextlib.suppress(ConnectionClosed):
                        await ws.send('{"type":"ping","timestamp":1}')
            for _tenth in range(20):
                await asyncio.sleep(0.1)
                if any(ws.close_code == 1008 for ws in clients):
                    return True
            return False

        await until(flooded)
        for ws in clients:
            await ws.close()


async def test_the_demo_target_is_whole_and_ends_whole_in_any_thread() -> None:
    lines: list[str] = []
    pids: list[int] = []

    async def use() -> None:
        async with DemoTarget(lines.append, publisher_options=("--speed", "100")) as target:
            assert set(target.pids) == {"nats", "server", "publisher"}
            # A terminal sends Ctrl-C to a group: the run must drain before its target goes.
            assert all(os.getpgid(pid) != os.getpgid(0) for pid in target.pids.values())
            pids.extend(target.pids.values())
            async with connect(f"{target.ws_url}?token={target.token}") as ws:
                kinds = {(await receive(ws))["type"] for _ in range(4)}
                assert {"connection:established", "trade:executed", "price:update"} <= kinds
                assert (await pinged(ws))[-1]["type"] == "pong"
            listed = [part for pid in pids for part in psutil.Process(pid).cmdline()]
            assert psutil.Process(target.pids["server"]).environ()["JWT_SECRET"] not in " ".join(listed)
        lines.append("ended")

    thread = threading.Thread(target=lambda: asyncio.run(use()))
    thread.start()
    await asyncio.to_thread(thread.join)
    words = [line.partition(" ")[0] for line in lines]
    assert words == ["starting", "starting", "starting", "ready", "ended"]
    assert all(gone(pid) for pid in pids)


async def test_a_demo_target_that_can_not_start_says_why_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = DemoTarget(server_options=("--fault", "explode"))
    with pytest.raises(ProcessFailed, match="explode"):
        await target.start()
    assert all(gone(pid) for pid in target.pids.values())
    monkeypatch.setenv("NATS_SERVER", "/does/not/exist")
    with pytest.raises(NatsServerNotFound, match="/does/not/exist"):
        async with DemoTarget():
            pass


DEMO = """
import asyncio
from wstui.odin.demo_system import DemoTarget
async def main():
    async with DemoTarget() as target:
        print(*target.pids.values(), flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""
FLAG = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "from wstui.cli.odin import server; server()",
                          "--port", "0", "--die-with-parent"], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize(("script", "count"), [(DEMO, 3), (FLAG, 1)], ids=["demo", "--die-with-parent"])
async def test_kill_9_of_the_parent_leaves_nothing(script: str, count: int) -> None:
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == count
    assert not any(gone(pid) for pid in pids)
    parent.kill()
    parent.communicate()
    await until(lambda: all(gone(pid) for pid in pids))


async def test_a_child_that_ends_at_once_is_reported_with_its_last_words() -> None:
    child = ChildProcess("the tester", [sys.executable, "-c", "print('I give up'); exit(3)"], ready="never")
    with pytest.raises(ProcessFailed, match=r"the tester ended at once with status 3; it said:\s+I give up"):
        await child.start(WAIT_S)


async def test_a_child_that_is_never_ready_is_ended() -> None:
    child = ChildProcess("the tester", [sys.executable, "-c", "import time; time.sleep(60)"], ready="never")
    with pytest.raises(ProcessFailed, match="not ready within"):
        await child.start(0.3)
    assert not child.running


async def test_the_publisher_is_ready_when_it_is_connected_and_ends_cleanly(nats: str) -> None:
    with running("publisher", "--nats-url", nats, "--rate", "100") as (process, url):
        assert url == nats
        process.terminate()
        _, errors = await asyncio.to_thread(process.communicate, timeout=WAIT_S)
        assert process.returncode == 0
        assert "ended" in errors
        assert "Traceback" not in errors


async def test_a_rate_that_is_out_of_reach_keeps_no_publisher_from_ending(nats: str) -> None:
    with running("publisher", "--nats-url", nats, "--rate", "1e9") as (process, _):
        listener = await nats_client.connect(nats)
        await (await listener.subscribe("odin.token.*.price")).next_msg(timeout=WAIT_S)
        await listener.close()
        process.terminate()
        await asyncio.to_thread(process.communicate, timeout=WAIT_S)
        assert process.returncode == 0


async def test_a_public_key_admits_what_its_private_key_has_signed_and_nothing_else(tmp_path: Path) -> None:
    keys: dict[str, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey] = {
        "RS256": rsa.generate_private_key(65537, 2048),
        "ES256": ec.generate_private_key(ec.SECP256R1()),
    }
    claims = {"userId": "ann", "exp": 1 << 40}
    for algorithm, key in keys.items():
        spki = serialization.PublicFormat.SubjectPublicKeyInfo
        pem = key.public_key().public_bytes(serialization.Encoding.PEM, spki)
        (tmp_path / algorithm).write_bytes(pem)
        options = ("--port", "0", "--public-key", str(tmp_path / algorithm))
        with running("server", *options, NATS_URL="") as (_, url):
            good = jwt.encode(claims, key, algorithm=algorithm)
            async with connect(f"{url}?token={good}", compression=None) as ws:
                assert (await receive(ws))["type"] == "connection:established"
            other = "ES256" if algorithm == "RS256" else "RS256"
            for bad in (
                jwt.encode(claims, keys[other], algorithm=other),
                jwt.encode(claims | {"nbf": 1 << 39}, key, algorithm=algorithm),
                forged({"alg": "HS256"}, pem),
                forged({"alg": "none"}, b""),
                sign("ann", SECRET),
            ):
                with pytest.raises(InvalidStatus) as refusal:
                    await connect(f"{url}?token={bad}", compression=None)
                assert refusal.value.response.status_code == 401
