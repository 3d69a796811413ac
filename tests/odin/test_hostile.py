"""Hostile clients of all kinds at once against a real server, drawn by lot, with an ordinary client beside them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import struct

import psutil
from websockets.asyncio.client import connect

from tests.odin.target import SECRET, WAIT_S, pinged, receive, until
from tests.odin.test_liveness import UPGRADE
from tests.odin.test_processes import ask, running
from wstui.odin.token import sign

ATTACKS = 250
AT_ONCE = 25
MEMORY_MAX = 60 << 20


def frame(payload: bytes, opcode: int = 1, first: int = 0x80, mask: int = 0x80, length: int | None = None) -> bytes:
    """A frame with a mask of zeros, if any; `length` is what it claims, when that is not its own."""
    claimed = len(payload) if length is None else length
    if claimed < 126:
        head = bytes((first | opcode, mask | claimed))
    elif claimed < 65_536:
        head = struct.pack("!BBH", first | opcode, mask | 126, claimed)
    else:
        head = struct.pack("!BBQ", first | opcode, mask | 127, claimed)
    return head + (bytes(4) if mask else b"") + payload


def request(dice: random.Random) -> bytes:
    """What comes in place of a request."""
    upgrade = UPGRADE.format(sign("mallory", SECRET)).encode()
    return dice.choice(
        [
            dice.randbytes(dice.randrange(1, 3_000)),
            upgrade[: dice.randrange(len(upgrade))],
            bytes(byte if dice.random() > 0.03 else dice.randrange(256) for byte in upgrade),
            b"GET /ws?token=" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
            b"GET /ws HTTP/1.1\r\n" + b"A: b\r\n" * dice.randrange(1_000) + b"\r\n",
        ]
    )


def frames(dice: random.Random) -> bytes:
    """What comes in place of frames."""
    made = [
        frame(b'{"type":"ping","timestamp":1}'),
        frame(dice.randbytes(dice.randrange(126)), dice.randrange(16), dice.randrange(16) << 4, dice.choice((0, 128))),
        frame(b"", length=dice.choice((65_536, 2**31, 2**63 - 1, 2**63))),
        frame(b"x" * 125, 9) * 50,
        frame(b"x" * 200, first=0) + frame(b"", 0, first=0) * 50,
        frame(struct.pack("!H", dice.randrange(65_536)) + b"\xff", 8),
    ]
    stream = b"".join(dice.choices(made, k=dice.randrange(1, 20)))
    return bytes(byte if dice.random() > 0.01 else dice.randrange(256) for byte in stream)


def texts(dice: random.Random) -> bytes:
    """Messages that are none."""
    made = [
        b"[" * 30_000,
        b'{"type":"ping","timestamp":NaN}',
        b'{"type":"ping","timestamp":' + b"9" * 30_000 + b"}",
        b'{"type":"\\ud800"}',
        b"\xff\xfe",
        json.dumps({"type": "subscribe", "tokens": [f"t{number}" for number in range(5_000)]}).encode(),
        b'{"type":"subscribe","tokens":["\\u001b[2J","' + b"x" * 40 + b'"]}',
        dice.randbytes(200),
    ]
    return b"".join(map(frame, dice.choices(made, k=dice.randrange(1, 25))))


async def attack(port: int, dice: random.Random) -> None:
    """One hostile connection, which the server ends, or which is cut off after a while."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
        if dice.random() < 0.3:
            writer.write(request(dice))
        else:
            writer.write(UPGRADE.format(sign("mallory", SECRET)).encode())
            await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), WAIT_S)
            writer.write(dice.choice((frames, texts))(dice))
        await asyncio.wait_for(reader.read(1 << 20), dice.random() / 5)
    writer.transport.abort()


async def test_hostile_clients_of_all_kinds_at_once_hurt_nobody_and_fill_no_memory() -> None:
    dice = random.Random(7)
    with running("server", "--port", "0", "--log-json", LOG_LEVEL="debug", NATS_URL="") as (process, url):
        port = int(url.rpartition(":")[2].partition("/")[0])
        before = psutil.Process(process.pid).memory_info().rss
        async with connect(f"{url}?token={sign('ann', SECRET)}", compression=None) as bystander:
            await receive(bystander)
            for _ in range(ATTACKS // AT_ONCE):
                await asyncio.gather(*(attack(port, dice) for _ in range(AT_ONCE)))
                assert (await pinged(bystander))[-1]["type"] == "pong"

            async def alone() -> bool:
                seen = (await asyncio.to_thread(ask, url, "/stats"))["connections"]
                return (seen["open"], seen["closing"]) == (1, 0)

            await until(alone)
            assert psutil.Process(process.pid).memory_info().rss - before < MEMORY_MAX
        process.terminate()
        _, log = await asyncio.to_thread(process.communicate, timeout=WAIT_S)
    assert process.returncode == 0
    assert all("exception" not in json.loads(line) for line in log.splitlines()), log
    assert "Traceback" not in log
