"""The sink: what it answers, what it does on purpose, and that its log tells the truth of it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.cli.commands import gone
from tests.servers.server import until
from wstui.execution.calibrate.sink.message_log import NEVER, SinkLog
from wstui.execution.calibrate.sink.sink import Behaviour, Sink, SinkBroadcast
from wstui.execution.calibrate.sink.sink_connection import SinkConnection
from wstui.execution.calibrate.sink.sink_process import SinkProcess

WAIT_S = 60


@asynccontextmanager
async def sinking(behaviour: Behaviour) -> AsyncIterator[tuple[Sink, str]]:
    """A sink in this loop, and its URL."""
    sink = Sink(behaviour)
    server = await asyncio.get_running_loop().create_server(lambda: SinkConnection(sink), "127.0.0.1", 0)
    try:
        yield sink, f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws"
    finally:
        server.close()
        for client in list(sink.clients):
            client.transport.abort()


async def heard(client: ClientConnection) -> str | bytes:
    """The next message; a sink that says nothing fails the test instead of hanging it."""
    return await asyncio.wait_for(client.recv(), WAIT_S)


def ping(timestamp: int) -> str:
    return json.dumps({"type": "ping", "timestamp": timestamp})


async def upgraded(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A bare connection behind its upgrade."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.split(":")[2].split("/", maxsplit=1)[0]))
    writer.write(b"GET /ws HTTP/1.1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head  # the example of RFC 6455 1.3
    return reader, writer


def masked(first: int, payload: bytes) -> bytes:
    """A client's frame; a mask of zeros leaves the payload readable."""
    size = len(payload)
    if size < 126:
        return bytes((first, 0x80 | size)) + bytes(4) + payload
    return bytes((first, 0xFE)) + size.to_bytes(2, "big") + bytes(4) + payload


async def test_an_echo_is_what_was_sent() -> None:
    async with sinking(Behaviour(mode="echo")) as (_, url), connect(url, max_size=None) as client:
        for message in ("", "short", "ä€𝄞", b"\x00\xff", "x" * 125, "y" * 126, b"z" * 65_536, "w" * 300_000):
            await client.send(message)
            assert await heard(client) == message
        await client.send(["in ", "several ", "parts"])
        assert await heard(client) == "in several parts"
        await (await client.ping())


async def test_frames_may_be_cut_and_joined_anywhere() -> None:
    stream = b"".join(masked(0x81, b"%d" % number * number) for number in range(0, 200, 7))
    expected = [b"%d" % number * number for number in range(0, 200, 7)]
    for step in (1, 5, 131, len(stream)):
        async with sinking(Behaviour(mode="echo")) as (_, url):
            reader, writer = await upgraded(url)
            for at in range(0, len(stream), step):
                writer.write(stream[at : at + step])
                await writer.drain()
                await asyncio.sleep(0)
            for payload in expected:
                first, length = await reader.readexactly(2)
                if length == 126:
                    length = int.from_bytes(await reader.readexactly(2), "big")
                assert (first, await reader.readexactly(length)) == (0x81, payload)
            writer.close()


async def test_a_ping_is_answered_with_its_own_timestamp() -> None:
    async with sinking(Behaviour()) as (sink, url), connect(url) as client:
        assert json.loads(await heard(client))["type"] == "connection:established"
        for text, original in (
            (ping(1732393000000), 1732393000000),
            ('{"timestamp":12, "type":"ping","seq":3}', 12),
            ('{"type":"ping","timestamp":13,"clientId":"a"}', 13),
        ):
            await client.send(text)
            pong = json.loads(await heard(client))
            assert (pong["type"], pong["originalTimestamp"]) == ("pong", original)
        await client.send('{"type":"subscribe"}')
        await client.send(ping(5))
        assert json.loads(await heard(client))["originalTimestamp"] == 5
        assert (sink.received, sink.sent, sink.malformed) == (5, 4, 1)


@pytest.mark.parametrize(
    ("frame", "code"),
    [(b"\x81\x02hi", 1002), (masked(0x80, b"without a beginning"), 1002), (b"\x81\xff" + b"\x01" * 8 + bytes(4), 1009)],
    ids=["unmasked", "stray continuation", "too large"],
)
async def test_a_broken_frame_is_answered_with_its_close_code(frame: bytes, code: int) -> None:
    async with sinking(Behaviour(mode="echo")) as (_, url):
        reader, writer = await upgraded(url)
        writer.write(frame)
        answer = await asyncio.wait_for(reader.read(), WAIT_S)
        assert answer == b"\x88\x02" + code.to_bytes(2, "big")
        writer.close()


async def test_the_log_has_a_row_for_each_message_with_the_names_that_it_carries() -> None:
    async with sinking(Behaviour(mode="echo", record=True)) as (sink, url), connect(url) as one, connect(url) as two:
        began = time.monotonic_ns()
        for client, text in ((one, "wstui:7:41;...."), (two, "wstui:9:42;"), (one, ping(43)), (two, "anonymous")):
            await client.send(text)
            await heard(client)
        ended = time.monotonic_ns()
        log = SinkLog.decode(sink.full_log())
        assert list(log.client) == [7, 9, 0, 1]
        assert list(log.connection) == [0, 1, 0, 1]
        assert list(log.key) == [41, 42, 43, -1]
        times = [t for pair in zip(log.received_ns, log.sent_ns, strict=True) for t in pair]
        assert times == sorted(times)
        assert began < times[0]
        assert times[-1] < ended
        assert log.counts["received"] == 4
        assert abs(log.epoch_ns + ended - time.time_ns()) < 1e9


async def test_every_reply_waits_as_long_as_asked() -> None:
    async with sinking(Behaviour(delay_s=0.05, record=True)) as (sink, url), connect(url) as client:
        await heard(client)
        for number in range(10):
            await client.send(ping(number))
            await until(lambda: sink.received > number)  # noqa: B023 - it is awaited here
        replies = [json.loads(await heard(client))["originalTimestamp"] for _ in range(10)]
        assert replies == list(range(10))
        log = sink.log
        assert all(sent - got >= 50_000_000 for got, sent in zip(log.received_ns, log.sent_ns, strict=True))


async def test_lost_replies_are_counted_exactly_and_never_come() -> None:
    async with sinking(Behaviour(lose=0.3, record=True, seed=1)) as (sink, url), connect(url) as client:
        await heard(client)
        for number in range(300):
            await client.send(ping(number))
        await until(lambda: sink.received == 300)
        assert 50 < sink.lost < 150
        answered = {json.loads(await heard(client))["originalTimestamp"] for _ in range(300 - sink.lost)}
        unanswered = {key for key, sent in zip(sink.log.key, sink.log.sent_ns, strict=True) if sent == NEVER}
        assert unanswered == set(range(300)) - answered
        assert len(unanswered) == sink.lost


async def test_connections_are_reset_once_and_later_ones_live() -> None:
    async with sinking(Behaviour(reset_at_s=1.0)) as (sink, url):
        reader, writer = await upgraded(url)
        async with connect(url) as first, connect(url) as second:
            for client in (first, second):
                await heard(client)
                with pytest.raises(ConnectionClosed) as raised:
                    await heard(client)
                assert raised.value.rcvd is None
        with pytest.raises(ConnectionResetError):  # and not a mere end
            await reader.read()
        writer.close()
        async with connect(url) as later:
            await heard(later)
            await later.send(ping(1))
            assert json.loads(await heard(later))["originalTimestamp"] == 1
        assert [event[0] for event in sink.log.events] == ["reset"]


async def test_broadcasts_have_their_size_and_go_to_everybody() -> None:
    plan = SinkBroadcast(rate=200, size=200, count=20)
    async with sinking(Behaviour(broadcast=plan)) as (sink, url), connect(url) as one:
        await heard(one)
        got = [await heard(one) for _ in range(20)]
        assert {len(text) for text in got} == {200}
        assert len({json.loads(text)["nonce"] for text in got}) == 20
        assert sink.summary()["broadcasts"] == 20
        assert sink.summary()["broadcast_receipts"] == 20


async def test_what_is_left_out_and_what_is_doubled_is_known_exactly() -> None:
    plan = SinkBroadcast(rate=500, size=100, count=100, drop=0.2, duplicate=0.1, at_s=1.0, seed=2)
    async with sinking(Behaviour(broadcast=plan)) as (sink, url), connect(url) as one, connect(url) as two:
        await heard(one)
        await heard(two)
        await until(lambda: sink.summary()["broadcasts"] == 100)
        for client, connection in zip((one, two), list(sink.clients), strict=True):
            expected = 100 - connection.dropped + connection.duplicated
            got = [await heard(client) for _ in range(expected)]
            assert len(got) - len(set(got)) == connection.duplicated
            assert connection.dropped > 0
            assert connection.duplicated > 0
        summary = sink.summary()
        log = SinkLog.decode(sink.full_log())
        assert sum(row[1] for row in log.per_connection) == summary["broadcast_dropped"]
        assert summary["broadcast_receipts"] == 200 - summary["broadcast_dropped"] + summary["broadcast_duplicated"]


async def test_a_process_says_where_it_is_stalls_once_and_writes_its_log(tmp_path: Path) -> None:
    file = tmp_path / "log"
    options = ("--record", "--stall", "0.4", "--stall-at", "0.2", "--log", str(file))
    async with SinkProcess(*options) as sink:
        async with connect(sink.url) as client:
            await heard(client)
            async with asyncio.timeout(WAIT_S):
                number = 0
                while not (await sink.summary())["events"]:
                    number += 1
                    await client.send(ping(number))
                    await heard(client)
            summary = await sink.summary()
            assert (summary["open"], summary["received"], summary["replied"]) == (1, number, number)
            assert summary["cpu_ns"] > 0
            assert list((await sink.messages()).key) == list(range(1, number + 1))
        assert psutil.Process(sink.pid).is_running()
    log = SinkLog.decode(file.read_bytes())
    ((what, began, ended),) = log.events
    assert what == "stall"
    assert ended - began >= 400_000_000
    assert len(log.key) == number


@pytest.mark.skipif(sys.platform != "linux", reason="pins to a core")
async def test_a_process_stays_on_its_core() -> None:
    core = min(os.sched_getaffinity(0))
    async with SinkProcess(core=core) as sink:
        assert psutil.Process(sink.pid).cpu_affinity() == [core]


async def test_a_sink_ends_with_the_process_that_started_it() -> None:
    program = (
        "import asyncio\nfrom wstui.execution.calibrate.sink.sink_process import SinkProcess\n"
        "async def main():\n    async with SinkProcess() as sink:\n        print(sink.pid, flush=True)\n"
        "        await asyncio.sleep(60)\nasyncio.run(main())"
    )
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(await asyncio.wait_for(parent.stdout.readline(), WAIT_S))
    process = psutil.Process(pid)
    parent.send_signal(signal.SIGKILL)
    await parent.wait()
    await until(lambda: gone([process]))


async def test_a_broadcast_that_can_not_have_its_size_is_refused_in_words() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "wstui.execution.calibrate.sink", "--broadcast", "1", "--broadcast-bytes", "10"),
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await asyncio.wait_for(process.communicate(), WAIT_S)
    assert process.returncode == 2
    assert b"--broadcast-bytes 10 is too few: 96 or more" in errors
