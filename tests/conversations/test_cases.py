"""Load tests that others need: each a preset of at most 40 lines, against a server that counts what it gets."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.conversations.test_roles import balance, counts
from tests.load.leading import S, Workers, led
from tests.servers.server import Connection, Server, until
from wstui.scenario.file import load
from wstui.scenario.model import Scenario

CASES = Path(__file__).with_name("cases")


def case(name: str, server: Server) -> Scenario:
    """The preset of a case, for this server."""
    path = CASES / name
    assert len(path.read_text().splitlines()) <= 40
    made = load(path, {"CASE_URL": f"ws://127.0.0.1:{server.port}"})
    assert isinstance(made, Scenario)
    return made


class CallbackServer(Server):
    """Logs what clients send, and sends what a subclass says to everybody, again and again."""

    welcome = False
    every_s = 0.02

    def __init__(self) -> None:
        super().__init__()
        self.log: list[tuple[int, Any]] = []
        self.sent: Counter[str] = Counter()

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        document = json.loads(payload)
        self.log.append((client.number, document))
        self.answer_to(client, document)

    def answer_to(self, client: Connection, document: dict[str, Any]) -> None:
        """What a subclass answers."""

    def say(self, client: Connection, name: str, **document: Any) -> None:
        self.sent[name] += 1
        client.say(**document)

    async def push(self, *names: str) -> None:
        """Send a push of each kind to all, until cancelled."""
        while True:
            await asyncio.sleep(self.every_s)
            for client in list(self.live.values()):
                for name in names:
                    self.say(client, name, **self.pushed(name))

    def pushed(self, name: str) -> dict[str, Any]:
        raise NotImplementedError


def close_to_zero(workers: Workers, name: str) -> None:
    """Stamps were read in their right unit: the way takes less than seconds, on one clock."""
    step = next(step for step in workers.steps if step.name == name)
    assert sum(step.response.counts) == step.counts.done > 0 and step.counts.failed == 0
    assert step.response.high < 2 * S


class Notifications(CallbackServer):
    def answer_to(self, client: Connection, document: dict[str, Any]) -> None:
        if document["action"] == "subscribe":
            self.say(client, "subscribed", action="subscribed")
        elif document["action"] == "heartbeat":
            self.say(client, "heartbeat_ok", action="heartbeat_ok")

    def pushed(self, name: str) -> dict[str, Any]:
        return {"type": name, "data": {"sent": datetime.now(UTC).isoformat()}}


async def test_06_notifications_by_type_with_heartbeats_and_an_unsubscribe() -> None:
    async with Notifications() as server, led(case("06_notifications.toml", server)) as workers:
        await until(lambda: workers.c.ready == 8)
        pushing = asyncio.create_task(server.push("mail", "alarm"))
        await until(lambda: counts(workers, "beat").done >= 20 and counts(workers, "mail").done >= 80)
        pushing.cancel()
        await until(lambda: workers.c.received == sum(server.sent.values()))
        for name in ("mail", "alarm"):
            assert counts(workers, name).done == server.sent[name]
            close_to_zero(workers, name)
        await workers.drained()
        said = Counter(document["action"] for _, document in server.log)
        assert said["unsubscribe"] == 8 and said["heartbeat"] == counts(workers, "beat").begun
        balance(workers)


class Topics(CallbackServer):
    def answer_to(self, client: Connection, document: dict[str, Any]) -> None:
        if document["op"] == "sub":
            client.headers[b"sub"] = b"1"
            self.say(client, "subbed", op="subbed")
        else:
            for other in list(self.live.values()):
                if b"sub" in other.headers:
                    self.say(other, "msg", **document | {"op": "msg"})


async def test_14_publishers_begin_when_all_are_ready_and_every_subscriber_gets_each() -> None:
    async with Topics() as server, led(case("14_publishers.toml", server)) as workers:
        await until(lambda: counts(workers, "publish").done >= 20)
        await workers.drained()
        published = [document for _, document in server.log if document["op"] == "pub"]
        assert len(published) == counts(workers, "publish").done
        assert server.sent["msg"] == 20 * len(published)
        assert counts(workers, "published").done <= server.sent["msg"]
        assert (workers.c.sequence_gaps, workers.c.sequence_repeats) == (0, 0)
        close_to_zero(workers, "published")
        balance(workers)


async def test_15_an_echo_is_exact() -> None:
    async with Server(welcome=False) as server, led(case("15_echo.toml", server)) as workers:
        await until(lambda: workers.c.matched >= 2049)
        c = await workers.drained()
        assert c.sent == c.matched + c.abandoned == server.messages["echo"] and not c.unmatched
        balance(workers)


class Game(CallbackServer):
    def answer_to(self, client: Connection, document: dict[str, Any]) -> None:
        if document["type"] == "join":
            player = {"id": f"p{client.number}", "name": document["name"], "hp": 100}
            self.say(client, "welcome", type="welcome", player=player, room="r1")


async def test_17_a_player_is_welcomed_moves_and_comes_back() -> None:
    async with Game() as server, led(case("17_game.toml", server)) as workers:
        await until(lambda: counts(workers, "move").done >= 30)
        for client in list(server.live.values())[:3]:
            client.close(1012, "restart")
        await until(lambda: workers.c.reconnects == 3)
        c = await workers.drained()
        joins = [document["name"] for _, document in server.log if document["type"] == "join"]
        assert len(joins) == counts(workers, "join").done == 9 and len(set(joins)) == 6
        moved = {document["player"] for _, document in server.log if document["type"] == "move"}
        assert moved <= {f"p{number}" for number in range(9)} and c.dropped == 3
        balance(workers)


class Ticker(CallbackServer):
    def answer_to(self, client: Connection, document: dict[str, Any]) -> None:
        self.say(client, "subscribed", subscribed=document["subscribe"])

    def pushed(self, name: str) -> dict[str, Any]:
        now = time.time()
        pushes: dict[str, dict[str, Any]] = {
            "price": {"price": 1.5, "ts": int(now * 1e6)},
            "score": {"score": "1:0", "at": datetime.now(UTC).isoformat().replace("+00:00", "Z")},
            "event": {"kind": "event", "time": now},
        }
        return pushes[name]


async def _pushes(preset: str, name: str, path: bytes) -> None:
    async with Ticker() as server, led(case(preset, server)) as workers:
        await until(lambda: workers.c.ready == workers.c.wanted > 0)
        pushing = asyncio.create_task(server.push(name))
        await until(lambda: counts(workers, name).done >= 100)
        pushing.cancel()
        await until(lambda: counts(workers, name).done == server.sent[name])
        close_to_zero(workers, name)
        assert set(server.paths) == {path} and workers.c.sent == 0
        await workers.drained()
        balance(workers)


async def test_20_a_ticker_stamps_in_microseconds_at_the_root() -> None:
    await _pushes("20_ticker.toml", "price", b"/ticker/BTC")


async def test_21_live_scores_stamp_in_iso_at_the_root() -> None:
    await _pushes("21_scores.toml", "score", b"/scores")


async def test_30_events_stamp_in_seconds_at_the_root() -> None:
    await _pushes("30_events.toml", "event", b"/events")


class Presence(CallbackServer):
    def answer_to(self, client: Connection, document: dict[str, Any]) -> None:
        if document["op"] == "hello":
            self.say(client, "hello", op="ready" if client.number % 2 else "resumed")
        elif document["op"] == "state" and document["n"] % 3 == 0:
            self.say(client, "error", op="error", n=document["n"], code=4000 + document["n"] % 2)
        elif document["op"] == "state":
            self.say(client, "ack", op="ack", n=document["n"])


async def test_23_three_timers_two_right_answers_and_errors_by_code() -> None:
    async with Presence() as server, led(case("23_presence.toml", server)) as workers:
        await until(lambda: counts(workers, "state").failed >= 10 and counts(workers, "slow").done >= 12)
        c = await workers.drained()
        said = Counter(document["op"] for _, document in server.log)
        timers = Counter(document["t"] for _, document in server.log if document["op"] == "b")
        assert [counts(workers, name).done for name in ("fast", "middle", "slow")] == [timers[5], timers[8], timers[15]]
        assert counts(workers, "hello").done == said["hello"] == 6 and c.ready == 6
        assert counts(workers, "state").failed == server.sent["error"] == c.broken_expectations
        assert counts(workers, "state").done == said["state"]
        balance(workers)


class All(CallbackServer):
    def answer_to(self, client: Connection, document: dict[str, Any]) -> None:
        for other in list(self.live.values()):
            self.say(other, "news", **document)


async def test_28_a_broadcast_reaches_every_client() -> None:
    async with All() as server, led(case("28_broadcast.toml", server)) as workers:
        await until(lambda: counts(workers, "speak").done >= 10)
        await until(lambda: workers.c.received == server.sent["news"])
        spoken = counts(workers, "speak").done
        await workers.drained()
        assert server.sent["news"] == 8 * len(server.log) and len(server.log) >= spoken
        balance(workers)
