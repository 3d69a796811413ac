"""Hostile clients: each is refused and counted, memory stays bounded, and the others notice nothing."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import os
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass

import psutil
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.odin.target import SECRET, WAIT_S, client, get_json, pinged, serving, until
from tests.odin.test_liveness import UPGRADE
from wstui.odin.main import open_files
from wstui.odin.server import OdinServer
from wstui.odin.server_settings import SlowConsumer
from wstui.odin.stats import ConnectionPhase
from wstui.odin.token import Verifier, sign

TEXT, BINARY, CONT, CLOSE = 1, 2, 0, 8


@dataclass
class Attacker:
    """A client that writes what it likes."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def frame(self, payload: bytes, opcode: int = TEXT, *, fin: bool = True, masked: bool = True, rsv: int = 0) -> None:
        length = len(payload)
        head = bytes((fin << 7 | rsv << 4 | opcode,))
        if length < 126:
            head += bytes((masked << 7 | length,))
        else:
            head += bytes((masked << 7 | 126,)) + struct.pack("!H", length)
        self.writer.write(head + (bytes(4) if masked else b"") + payload)

    async def status(self) -> int:
        """The status of the HTTP answer; the connection must end after it."""
        line = await asyncio.wait_for(self.reader.readline(), WAIT_S)
        await asyncio.wait_for(self.reader.read(), WAIT_S)
        return int(line.split()[1])

    async def close_code(self) -> int:
        """The code of the close frame that comes, whatever comes before it."""
        async with asyncio.timeout(WAIT_S):
            while True:
                first, second = await self.reader.readexactly(2)
                length = second
                if second == 126:
                    (length,) = struct.unpack("!H", await self.reader.readexactly(2))
                payload = await self.reader.readexactly(length)
                if first == 0x80 | CLOSE:
                    return int.from_bytes(payload[:2], "big")


@asynccontextmanager
async def connected(server: OdinServer) -> AsyncIterator[Attacker]:
    """An attacker that has a TCP connection."""
    attacker = Attacker(*await asyncio.open_connection("127.0.0.1", server.port))
    try:
        yield attacker
    finally:
        attacker.writer.close()


@asynccontextmanager
async def upgraded(server: OdinServer) -> AsyncIterator[Attacker]:
    """An attacker that was let in."""
    async with connected(server) as attacker:
        attacker.writer.write(UPGRADE.format(sign("mallory", SECRET)).encode())
        head = await asyncio.wait_for(attacker.reader.readuntil(b"\r\n\r\n"), WAIT_S)
        assert b" 101 " in head
        yield attacker


@asynccontextmanager
async def undisturbed(**told: object) -> AsyncIterator[OdinServer]:
    """A server with a client that must be well at the end, when the attackers must be gone."""
    async with serving(**told) as server, client(server) as bystander:
        yield server
        await well(bystander)
        await until(lambda: server.stats.phases[: ConnectionPhase.CLOSED] == [0, 1, 0])


async def well(bystander: ClientConnection) -> None:
    assert [message["type"] for message in await pinged(bystander)] == ["pong"]


NESTED = b"[" * 30_000
PING_NESTED = b'{"type":"ping","timestamp":' + b'{"a":' * 8_000 + b"1" + b"}" * 8_000 + b"}"


@pytest.mark.parametrize(
    ("payload", "frame", "code"),
    [
        (b"{}", {"opcode": BINARY}, 1003),
        (b"{}", {"opcode": BINARY, "fin": False}, 1003),
        (b'{"type":"\xff\xfe"}', {}, 1007),
        (b"\xed\xa0\x80", {}, 1007),
        (b"{}", {"masked": False}, 1002),
        (b"{}", {"rsv": 4}, 1002),
        (b"{}", {"opcode": 3}, 1002),
        (b"{}", {"opcode": 11}, 1002),
        (b"x" * 126, {"opcode": 9}, 1002),
        (b"{}", {"opcode": CONT}, 1002),
        (b"x" * 2_000, {}, 1009),
        (b"x", {"opcode": CLOSE}, 1002),
        (struct.pack("!H", 1005), {"opcode": CLOSE}, 1002),
    ],
)
async def test_a_bad_frame_ends_the_connection_with_the_fitting_code(
    payload: bytes, frame: dict[str, int], code: int
) -> None:
    async with undisturbed(message_bytes=1_000) as server, upgraded(server) as attacker:
        attacker.frame(payload, **frame)  # type: ignore[arg-type]
        assert await attacker.close_code() == code
        stats = await get_json(server, "/stats")
        assert stats["messages"]["malformed"] == 1
        assert [reason.split()[0] for reason in stats["ejected"]] == [str(code)]


async def test_a_frame_that_claims_to_be_huge_is_refused_at_its_header() -> None:
    async with undisturbed() as server, upgraded(server) as attacker:
        attacker.writer.write(b"\x81\xff" + struct.pack("!Q", 1 << 62))
        assert await attacker.close_code() == 1009


async def test_fragments_that_sum_up_beyond_the_limit_are_refused() -> None:
    async with undisturbed(message_bytes=1_000) as server, upgraded(server) as attacker:
        attacker.frame(b"x" * 600, fin=False)
        attacker.frame(b"x" * 600, CONT, fin=False)
        assert await attacker.close_code() == 1009


async def test_a_message_that_grows_beyond_the_limit_when_inflated_is_refused() -> None:
    async with undisturbed(compression=True) as server, client(server, compression="deflate") as bomb:
        assert bomb.protocol.extensions
        with pytest.raises(ConnectionClosed) as end:
            await bomb.send("x" * 10_000_000)
            await asyncio.wait_for(bomb.recv(), WAIT_S)
        assert end.value.rcvd is not None
        assert end.value.rcvd.code == 1009


async def test_fragments_without_end_and_without_content_take_no_memory() -> None:
    async with undisturbed() as server, upgraded(server) as attacker:
        attacker.frame(b"", fin=False)
        for _ in range(20_000):
            attacker.frame(b"", CONT, fin=False)
        await attacker.writer.drain()
        attacker.frame(b'{"type":"ping","timestamp":1}', CONT)
        await until(lambda: server.stats.pongs == 1)


@pytest.mark.parametrize("policy", list(SlowConsumer))
async def test_pings_of_a_client_that_reads_nothing_do_not_fill_the_memory_with_pongs(policy: SlowConsumer) -> None:
    # Time to close, so that the server has read what is still on its way before it drops the connection.
    told = {"slow_consumer": policy, "send_queue": 8, "close": 30.0}
    async with undisturbed(**told) as server, upgraded(server) as attacker:
        attacker.writer.transport.pause_reading()  # type: ignore[attr-defined]
        pings = (b"\x89\xfd" + bytes(4 + 125)) * 200
        stats = server.stats
        for _ in range(2_000):  # 52 MB, more than any kernel holds between the two
            attacker.writer.write(pings)
            await attacker.writer.drain()
            if stats.dropped_slow or stats.closed_slow:
                break
        assert bool(stats.dropped_slow) is (policy is SlowConsumer.DROP_OLDEST)
        assert stats.ejected == ({} if policy is SlowConsumer.DROP_OLDEST else {"1013 reads too slowly": 1})


@pytest.mark.parametrize(
    "payload",
    [b"", b"no json", b"null", b"[]", b"7", b'{"type":7}', b"{}", NESTED, PING_NESTED, b'{"type":"ping"'],
    ids=["empty", "text", "null", "list", "number", "typed", "untyped", "nested", "deep ping", "cut"],
)
async def test_malformed_messages_are_counted_and_too_many_end_the_connection(payload: bytes) -> None:
    async with undisturbed(malformed_messages=3) as server, upgraded(server) as attacker:
        for _ in range(3):
            attacker.frame(payload)
        attacker.frame(b'{"type":"ping","timestamp":1}')
        if payload is PING_NESTED:  # deep, but JSON: echoed like any other timestamp
            await until(lambda: server.stats.pongs == 4 or server.stats.malformed == 3)
            return
        await until(lambda: server.stats.pongs == 1)
        assert server.stats.malformed == 3
        attacker.frame(payload)
        assert await attacker.close_code() == 1008
        assert server.stats.ejected == {"1008 too many malformed messages": 1}


@pytest.mark.parametrize("tokens", [[f"T{number}" for number in range(10_000)], ["x" * 33], [""], [7], "BTC", {"a": 1}])
async def test_subscriptions_are_bounded_in_number_and_length(tokens: object) -> None:
    async with undisturbed(message_bytes=1 << 20) as server, upgraded(server) as attacker:
        message = json.dumps({"type": "subscribe", "tokens": tokens}).encode()
        attacker.writer.write(b"\x81\xff" + struct.pack("!Q", len(message)) + bytes(4) + message)
        await until(lambda: server.stats.malformed == 1)
        assert server.hub._by_token == {}


async def test_half_open_handshakes_time_out_and_do_not_keep_others_out() -> None:
    async with undisturbed(handshake=0.5) as server:
        attackers = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(300)]
        for _, writer in attackers[::2]:
            writer.write(b"GET /ws HTTP/1.1\r\nHost: odin\r\n")
        async with client(server) as another:
            await well(another)
        await until(lambda: server.stats.refused == {"handshake timeout": 300})
        for _, writer in attackers:
            writer.close()


async def test_more_half_open_handshakes_than_allowed_are_dropped_at_once() -> None:
    async with undisturbed(handshakes=20) as server:
        attackers = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(50)]
        await until(lambda: server.stats.refused == {"too many handshakes": 30})
        assert server.stats.phases[ConnectionPhase.HANDSHAKE] == 20
        async with client(server) as newcomer:  # the oldest goes, not the one that has just come
            await well(newcomer)
        for _, writer in attackers:
            writer.close()


async def test_thousands_of_half_open_handshakes_cost_little_and_lock_nobody_out() -> None:
    open_files()
    process, count = psutil.Process(), 2_500
    async with undisturbed(handshakes=1_000) as server:
        before = process.memory_info().rss
        with ExitStack() as stack:
            for number in range(count):
                sock = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
                if number % 2:
                    sock.sendall(b"GET /ws HTTP/1.1\r\nCookie: " + b"x" * 4_000)
                if number % 100 == 0:
                    await asyncio.sleep(0)
            await until(lambda: server.stats.refused == {"too many handshakes": count - 1_000})
            async with client(server) as newcomer:
                await well(newcomer)
            assert (await get_json(server, "/health"))["status"] == "healthy"
            assert process.memory_info().rss - before < 64 << 20


FLOODS = {
    "many headers": (b"GET /ws HTTP/1.1\r\n" + b"A: b\r\n" * 500 + b"\r\n", 431),
    "long header": (b"GET /ws HTTP/1.1\r\nA: " + b"b" * 10_000 + b"\r\n\r\n", 431),
    "no end": (b"GET /ws HTTP/1.1\r\n" + b"A: b\r\n" * 100_000, 431),
    "no end, a little too long": (b"GET /ws HTTP/1.1\r\n" + b"A: b\r\n" * 2_800, 431),
    "long line": (b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\n\r\n", 414),
    "no newline": (b"A" * 1_000_000, 431),
    "old protocol": (b"GET /ws HTTP/0.9\r\n\r\n", 400),
    "not HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
    "body": (b"POST /health HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 400),
    "chunked": (b"POST /health HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "header without colon": (b"GET /health HTTP/1.1\r\nthis is no header\r\n\r\n", 400),
    "control characters": (b"GET /health HTTP/1.1\r\nA: b\x00c\r\n\r\n", 400),
}


@pytest.mark.parametrize("kind", FLOODS)
async def test_requests_that_are_too_large_or_malformed_are_refused_and_counted(kind: str) -> None:
    data, status = FLOODS[kind]
    async with undisturbed() as server, connected(server) as attacker:
        attacker.writer.write(data)
        assert await attacker.status() == status
        assert sum(server.stats.refused.values()) == 1


async def test_a_client_that_stays_after_its_answer_is_let_go() -> None:
    async with undisturbed(close=0.2) as server, connected(server) as attacker:
        attacker.writer.write(b"GET /nothing HTTP/1.1\r\n\r\n")
        assert await attacker.status() == 404
        await until(lambda: server.stats.close_timeouts == 1)


@pytest.mark.parametrize(
    "changed",
    [
        ("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Key: short"),
        ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8"),
        ("Upgrade: websocket", "Upgrade: h2c"),
        ("Connection: Upgrade", "Connection: close"),
    ],
)
async def test_an_upgrade_that_is_none_is_refused_and_counted(changed: tuple[str, str]) -> None:
    async with undisturbed() as server, connected(server) as attacker:
        attacker.writer.write(UPGRADE.format(sign("mallory", SECRET)).replace(*changed).encode())
        assert await attacker.status() in (400, 426)
        assert server.stats.refused == {"malformed upgrade": 1}


async def test_a_request_may_come_byte_by_byte_and_with_frames_behind_it() -> None:
    async with undisturbed() as server, connected(server) as attacker:
        for byte in UPGRADE.format(sign("slow", SECRET)).encode():
            attacker.writer.write(bytes((byte,)))
            await attacker.writer.drain()
            if server.stats.accepted < 2:
                await asyncio.sleep(0)
        attacker.frame(b'{"type":"ping","timestamp":5}')
        attacker.frame(struct.pack("!H", 1000), CLOSE)
        assert b" 101 " in await asyncio.wait_for(attacker.reader.readuntil(b"\r\n\r\n"), WAIT_S)
        assert await attacker.close_code() == 1000
        assert server.stats.pongs == 1


def forged(header: dict[str, str], secret: bytes) -> str:
    parts = [header, {"userId": "mallory", "exp": 1 << 40}]
    signed = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    signature = hmac.new(secret, signed, hashlib.sha256).digest() if secret else b""
    return (signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


async def test_forged_tokens_open_no_server_with_a_public_key_or_a_secret() -> None:
    key = rsa.generate_private_key(65537, 2048).public_key()
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    for verifier in (Verifier.by_public_key(pem), Verifier.by_secret(SECRET)):
        async with serving(verifier=verifier) as server:
            tokens = [
                forged({"alg": "none"}, b""),
                forged({"alg": "HS256"}, pem),
                forged({"alg": "HS256", "kid": "/dev/null"}, b""),
                forged({"alg": "RS256"}, pem),
                forged({"alg": "HS256", "jwk": SECRET}, b"mine"),
            ]
            for token in tokens:
                async with connected(server) as attacker:
                    attacker.writer.write(UPGRADE.format(token).encode())
                    assert await attacker.status() == 401
            assert sum(server.stats.refused.values()) == len(tokens)
            assert server.stats.opened == 0


async def test_tokens_and_what_clients_say_never_reach_the_log(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("wstui.odin").propagate = True
    caplog.set_level(logging.DEBUG, "wstui.odin")
    good, bad = sign("ann", SECRET), sign("ann", "another secret, just as long as the first one")
    async with serving() as server:
        for token in (good, bad):
            async with connected(server) as attacker:
                attacker.writer.write(UPGRADE.format(token).encode())
                await attacker.reader.readline()
                attacker.frame(b"my secret words" * 3, BINARY)
        await until(lambda: server.stats.phases[: ConnectionPhase.CLOSED] == [0, 0, 0])
    told = " ".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    assert "bad signature" in told
    for secret in (good, bad, SECRET, "secret words"):
        assert secret not in told


async def test_memory_stays_bounded_under_a_flood_of_refused_clients() -> None:
    async with undisturbed(malformed_messages=0) as server:
        for _ in range(50):
            async with upgraded(server) as attacker:
                attacker.frame(os.urandom(100))
                assert await attacker.close_code() in (1007, 1008)
        await until(lambda: server.stats.phases[: ConnectionPhase.CLOSED] == [0, 1, 0])
        assert len(server.hub.connections) == 1
        assert len(server._connections) == 1
        assert set(server.stats.ejected) <= {"1007 not UTF-8", "1008 too many malformed messages"}
