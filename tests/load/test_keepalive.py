"""Keepalive pings beside an exchange, and messages that name their kind elsewhere than in `type`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from websockets.frames import Opcode

from tests.load.leading import led
from tests.servers.server import TEXT, Connection, Server, until
from wstui.execution.preflight.probe import Unreachable, probe
from wstui.load.exchange import NO_TYPE, NOT_JSON, Kind
from wstui.load.protocol import Pause
from wstui.scenario.model import Messages, Scenario, Stage, Target


def scenario(url: str, clients: int = 5, exchange: str = "listen", every: float = 0.05, **target: Any) -> Scenario:
    target = {"ready": "open", "settle": 0.05, "health": "off", "close_timeout": 2.0, **target}
    return Scenario(
        target=Target(url=url, **target),
        stages=[Stage(name="all", over=60.0, clients=clients)],
        messages=Messages(exchange=exchange, every=every, timeout=5.0),  # type: ignore[arg-type]
    )


class Pinged(Server):
    """Keeps what pings carry; `deaf` ones are not answered."""

    welcome = False
    deaf = False

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.pinged: dict[int, list[bytes]] = {}

    async def _take(self, client: Connection, event: Any) -> None:
        if event.opcode is Opcode.PING:
            self.pinged.setdefault(client.number, []).append(bytes(event.data))
            if self.deaf:
                client.protocol.data_to_send()  # the pong
        await super()._take(client, event)


@pytest.mark.parametrize("exchange", ["listen", "echo", "odin", "ping"])
async def test_pings_go_beside_any_exchange_and_into_no_figure(exchange: str) -> None:
    async with Pinged() as server, led(scenario(server.url, exchange=exchange, ping_every=0.1)) as workers:
        await until(lambda: workers.c.pongs >= 15)
        workers.handle(Pause())  # what keeps connections open goes on
        before = workers.c.pings
        await until(lambda: workers.c.pings >= before + 10)
        c = await workers.drained()
        assert not workers.failures
        assert sum(workers.types.values()) == c.received
        (tally,) = [worker.tally for worker in workers.all]
        assert tally.round_trip.count + tally.on_time.count == c.matched == (c.sent if exchange != "listen" else 0)
        pings = [payload for all_ in server.pinged.values() for payload in all_ if payload == b"keepalive"]
        assert len(pings) == c.pings and len(server.pinged) == 5
        assert (c.unmatched, c.duplicates, c.dropped) == (0, 0, 0)


async def test_pings_are_spread_over_the_clients() -> None:
    async with Pinged() as server, led(scenario(server.url, clients=40, ping_every=30.0)) as workers:
        await until(lambda: workers.c.open == 40)
        due = [tick for worker in workers.all if worker._keepalive for tick in worker._keepalive._wheel._ticks]
        assert len(due) > 30, "hardly two of them at the same time"


async def test_a_client_whose_pong_is_missing_is_dropped_when_that_is_asked_for() -> None:
    async with Pinged(deaf=True) as server:
        asked = scenario(server.url, ping_every=0.1, ping_timeout=0.3)
        async with led(asked) as workers:
            await until(lambda: workers.c.dropped == 5)
            (group,) = workers.failures
            assert (group.kind, group.message, group.count) == ("keepalive", "no pong within 0.3 s", 5)
            await until(lambda: server.ends["close 1011"] == 5)
        async with led(scenario(server.url, ping_every=0.05)) as workers:
            await until(lambda: workers.c.pings > 30)
            assert (workers.c.dropped, workers.c.pongs) == (0, 0)


async def test_an_answering_server_is_not_dropped() -> None:
    async with Pinged() as server, led(scenario(server.url, ping_every=0.05, ping_timeout=5.0)) as workers:
        await until(lambda: workers.c.pongs > 30)
        assert (await workers.drained()).dropped == 0


class Naming(Server):
    """Says messages in the words of another protocol."""

    welcome = False
    said: tuple[bytes, ...] = ()

    async def opened(self, client: Connection) -> None:
        for payload in self.said:
            client.send(payload, TEXT)


@pytest.mark.parametrize(
    ("field", "welcome", "said", "types"),
    [
        (
            "event",
            "connected",
            ['{"event":"news","type":"x"}', '{"n":1,"event": "connected"}'],
            {"news": 1, "connected": 1},
        ),
        ("data.kind", "hi", ['{"data":{"kind":"hi"}}', '{"data":[]}'], {"hi": 1, "(no type)": 1}),
        ("0", "welcome", ['["welcome",{"x":1}]', '[2,"id"]', "{}"], {"welcome": 1, "2": 1, "(no type)": 1}),
        ("op", "10", ['{"op":10,"d":{}}', '{"op":true}', "no JSON"], {"10": 1, "(no type)": 1, "(not JSON)": 1}),
        ("type", "hi", ['{"type":"hi"}', '{"type":5}'], {"hi": 1, "(no type)": 1}),
    ],
)
async def test_the_key_that_names_a_messages_kind_is_chosen(
    field: str, welcome: str, said: list[str], types: dict[str, int]
) -> None:
    server = Naming()
    server.said = tuple(text.encode() for text in said)
    async with server:
        asked = scenario(server.url, clients=2, ready="welcome", welcome=welcome, type_field=field)
        async with led(asked) as workers:
            await until(lambda: workers.c.ready == 2 and workers.c.received == 2 * len(said))
            assert workers.types == {name: 2 * count for name, count in types.items()}
            await workers.drained()


async def test_a_missing_welcome_names_the_key_that_was_looked_at() -> None:
    server = Naming()
    server.said = (b'{"event":"connected"}',)
    async with server:
        for field, told in (("type", "`type`"), ("op", "`op`")):
            asked = scenario(server.url, ready="welcome", welcome="connected", type_field=field, connect_timeout=0.5)
            with pytest.raises(Unreachable) as error:
                await probe(asked)
            assert f"no message of {field} 'connected' came" in error.value.what and "event" in error.value.what
            assert told in error.value.fix and "target.type_field" in error.value.fix


@pytest.mark.parametrize("field", ["event", "a b", 'q"uote', "kind\u00e4"])
def test_the_quick_look_agrees_with_the_careful_one(field: str) -> None:
    kind = Kind(field)
    for value in ("x", "", "ä", 'a"b', "a\\b", 5, None, ["x"], {"x": 1}):
        for separators in ((",", ":"), (", ", ": ")):
            for ascii_only in (True, False):
                text = json.dumps({field: value, "n": 1}, separators=separators, ensure_ascii=ascii_only).encode()
                quick = kind.quick(text)
                assert quick is None or quick == kind.read(text)[0]
    assert kind.read(b"{")[0] == NOT_JSON and kind.read(b"[]")[0] == NO_TYPE and kind.quick(b"") is None
