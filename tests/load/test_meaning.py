"""What a message means: whose reply it is, whether it is one at all, and who ended the connection over it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.load.leading import S, led, saying
from tests.servers.server import BINARY, TEXT, Connection, Server, frame, until
from wstui.load.protocol import BroadcastReport
from wstui.measure.fanout import FanOut
from wstui.scenario.model import Messages, Scenario, Stage, Target

INVALID = b'{"type":"price","n":"\xc3"}'
SAYING = {"send": '{"type":"say","id":{{id}}}', "expect": {"id": "{{id}}"}}


class Room(Server):
    """Everyone hears everyone at once, and oneself a while later."""

    welcome = False
    echo_s = 0.3

    async def __aenter__(self) -> Any:
        self.members: list[Connection] = []
        self.ids: list[int] = []
        return await super().__aenter__()

    async def opened(self, client: Connection) -> None:
        await super().opened(client)
        self.members.append(client)

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        self.ids.append(json.loads(payload)["id"])
        for member in self.members:
            if member is not client:
                member.send(payload, first)
        asyncio.get_running_loop().call_later(self.echo_s, client.send, payload, first)


class Saying(Server):
    """Sends `frames` to each client as soon as it is there."""

    welcome = False

    def __init__(self, *frames: bytes) -> None:
        super().__init__()
        self.frames = frames

    async def opened(self, client: Connection) -> None:
        await super().opened(client)
        client.write(b"".join(self.frames))


def listening(url: str, exchange: str = "listen", clients: int = 2, **target: Any) -> Scenario:
    return Scenario(
        target=Target(url=url, ready="open", settle=0.01, close_timeout=2.0, **target),
        stages=[Stage(name="all", over=60.0, clients=clients)],
        messages=Messages(exchange=exchange, every=0.1, timeout=1.0),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("count", [1, 3])
async def test_in_a_room_where_all_hear_all_only_ones_own_message_is_the_reply(count: int) -> None:
    async with Room() as server, led(saying(server.url, SAYING, clients=3, every=0.2), count) as workers:
        await until(lambda: workers.c.matched >= 12)
        c = await workers.drained()
        assert c.matched + c.reply_timeouts == c.sent
        assert c.duplicates == c.unmatched == 0
        for trips in (worker.tally.round_trip.data() + worker.tally.on_time.data() for worker in workers.all):
            assert trips.low > Room.echo_s * 0.9 * S, "nobody else's message was taken for it"
        assert len(set(server.ids)) == len(server.ids) and max(server.ids) < 2**53


@pytest.mark.parametrize("count", [1, 3])
async def test_what_is_no_reply_to_a_client_is_a_broadcast_and_reaches_its_sender_too(count: int) -> None:
    heard = FanOut()
    async with Room() as server:
        server.echo_s = 0.0
        scenario = saying(server.url, SAYING, clients=3, every=0.3, fanout="on", fanout_window=1.5)
        async with led(scenario, count) as workers:
            for worker in workers.all:
                worker.reports.emit = _noting(worker.reports.emit, heard)

            def settled() -> bool:
                heard.settle(time.monotonic_ns(), range(count), lambda *_: 1)
                return heard.messages >= 5

            await until(settled)
            c = await workers.drained()
            assert c.unmatched == c.duplicates == 0
    assert heard.completeness == 1.0, "the sender counts as one that got it"


def _noting(say: Callable[[Any], None], heard: FanOut) -> Callable[[Any], None]:
    def note(message: Any) -> None:
        say(message)
        for receipts in message.broadcasts if isinstance(message, BroadcastReport) else ():
            heard.add(message.worker, receipts, time.monotonic_ns())

    return note


async def test_replies_that_came_once_too_often_are_known_however_late_the_copy_is() -> None:
    class Again(Server):
        welcome = False

        async def other(self, client: Connection, first: int, payload: bytes) -> None:
            client.send(payload, first)
            asyncio.get_running_loop().call_later(0.3, client.send, payload, first)

    for steps in ((), (SAYING,)):
        async with Again() as server:
            plan = saying(server.url, *steps, every=0.05, exchange="roles" if steps else "echo")
            async with led(plan) as workers:
                await until(lambda workers=workers: workers.c.duplicates >= 5)
                c = await workers.drained()
                assert c.matched == c.sent and c.unmatched == 0


async def test_an_altered_echo_is_no_duplicate_and_counted_as_altered() -> None:
    class Altering(Server):
        welcome = False

        async def other(self, client: Connection, first: int, payload: bytes) -> None:
            client.send(payload[:-1] + b"!", first)

    async with Altering() as server, led(listening(server.url, "echo")) as workers:
        await until(lambda: workers.c.altered >= 4)
        c = await workers.drained()
        assert (c.duplicates, c.matched) == (0, 0) and c.altered == c.unmatched == c.sent


TEXTS = [
    pytest.param([frame(TEXT, INVALID)], False, id="whole"),
    pytest.param([frame(TEXT & 0x7F, INVALID[:-3]), frame(0x80, INVALID[-3:])], False, id="in fragments"),
    pytest.param([frame(TEXT, b"\xed\xa0\x80")], False, id="a surrogate"),
    pytest.param([frame(TEXT, b"\xf4\x90\x80\x80")], False, id="beyond Unicode"),
    pytest.param([frame(TEXT & 0x7F, "ü".encode()[:1]), frame(0x80, "ü".encode()[1:])], True, id="cut within a letter"),
    pytest.param([frame(BINARY, INVALID)], True, id="binary"),
]


@pytest.mark.parametrize(("frames", "fine"), TEXTS)
@pytest.mark.parametrize("strict", [False, True])
async def test_text_that_is_not_utf8_is_a_failure_and_ends_a_strict_connection(
    frames: list[bytes], fine: bool, strict: bool
) -> None:
    async with Saying(*frames) as server, led(listening(server.url, strict=strict)) as workers:
        await until(lambda: workers.c.received >= 2 and (workers.c.open == 2 or (strict and not fine)))
        c = await workers.drained()
        assert c.invalid_texts == (0 if fine else 2)
        failures = {(group.kind, group.message): group.count for group in workers.failures}
    if fine:
        assert failures == {} and set(server.ends) == {"close 1000"}
        return
    assert failures.pop(("invalid text", "a text message is not UTF-8")) == 2
    assert server.ends == {f"close {1007 if strict else 1000}": 2}
    assert c.dropped + c.failed == (2 if strict else 0)
    assert failures == ({("invalid text", "wstui closed the connection with 1007"): 2} if strict else {})


async def test_invalid_text_is_neither_a_welcome_nor_a_reply() -> None:
    scenario = listening("ws://127.0.0.1:1/")
    async with Saying(frame(TEXT, b'{"type":"hello","x":"\xff"}')) as server:
        target = scenario.target.model_copy(update={"url": server.url, "ready": "welcome", "welcome": "hello"})
        async with led(scenario.model_copy(update={"target": target})) as workers:
            await until(lambda: workers.c.invalid_texts == 2)
            c = await workers.drained()
            assert c.ready == 0


@pytest.mark.parametrize("parts", [1, 2])
async def test_a_message_beyond_max_size_is_our_own_limit_and_not_the_servers(parts: int) -> None:
    big = b"x" * 3000
    frames = [frame(TEXT, big)] if parts == 1 else [frame(TEXT & 0x7F, big[:900]), frame(0x80, big[900:])]
    async with Saying(*frames) as server, led(listening(server.url, max_size=1024)) as workers:
        await until(lambda: sum(server.ends.values()) == 2)
        await workers.drained()
        (group,) = workers.failures
        assert (group.kind, group.count, group.local) == ("too large", 2, True)
        assert group.message == "messages larger than target.max_size (1KiB) came: raise it"
        assert server.ends == {"close 1009": 2}
