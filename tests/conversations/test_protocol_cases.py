"""Load tests that others need, over protocols of frameworks: presets of at most 40 lines against their servers."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from typing import Any

from tests.conversations.test_cases import case, close_to_zero
from tests.conversations.test_http_cases import Ocpp, SocketIO
from tests.conversations.test_roles import balance, counts
from tests.load.leading import MS, S, led
from tests.servers.server import Connection, Server, switching, until
from wstui.load.protocol import Arrive, Ramp


class Cable(Server):
    """Action Cable of Rails, written from its guide: a welcome, pings, confirmations, and what is spoken to all."""

    welcome = False

    def __init__(self) -> None:
        super().__init__()
        self.log: list[str] = []
        self.members: dict[Connection, str] = {}
        self.pushed = 0

    async def answer(self, client: Connection, key: bytes) -> bool:
        client.write(switching(key, b"Sec-WebSocket-Protocol: actioncable-v1-json"))
        return True

    async def opened(self, client: Connection) -> None:
        assert client.path == b"/cable"
        client.say(type="welcome")
        client.say(type="ping", message=int(time.time()))

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        told = json.loads(payload)
        identifier = told["identifier"]
        assert json.loads(identifier)["channel"] in ("RoomChannel", "NewsChannel")
        if told["command"] == "subscribe":
            self.log.append("subscribe")
            self.members[client] = identifier
            client.say(identifier=identifier, type="confirm_subscription")
        elif told["command"] == "unsubscribe":
            self.log.append("unsubscribe")
            assert self.members.pop(client) == identifier
        else:
            data = json.loads(told["data"])
            self.log.append(data["action"])
            self.push(ts=data["ts"], text=data["text"])

    def push(self, **message: Any) -> None:
        for member, identifier in list(self.members.items()):
            if member.number in self.live:
                self.pushed += 1
                member.say(identifier=identifier, message=message)


async def test_03_a_room_in_which_one_round_of_five_speaks() -> None:
    async with Cable() as cable, led(case("03_room.toml", cable)) as workers:
        await until(lambda: workers.roles["member"].completed >= 150)
        await until(lambda: counts(workers, "heard").done == cable.pushed)
        rounds = workers.roles["member"].completed
        await workers.drained()
        told = Counter(cable.log)
        assert told["subscribe"] == told["unsubscribe"] == counts(workers, "subscribe").done == 6
        assert told["speak"] == counts(workers, "speak").done and 0.05 < told["speak"] / rounds < 0.45
        assert counts(workers, "heard").done <= cable.pushed
        close_to_zero(workers, "heard")
        balance(workers)


async def test_27_listeners_arrive_at_a_rate_and_hear_the_news() -> None:
    async with Cable() as cable, led(case("27_arrivals.toml", cable), workers=2, clients=0) as workers:
        workers.handle(Arrive(0, 500 * S, 100 * MS, 60 * S))
        await until(lambda: workers.c.ready == 50)
        cable.push(ts=int(time.time() * 1000))
        await until(lambda: counts(workers, "news").done == 50)
        await workers.drained()
        assert Counter(cable.log) == {"subscribe": 50} and counts(workers, "subscribe").done == cable.pushed == 50
        close_to_zero(workers, "news")
        balance(workers)


class PhoenixV2(Server):
    """Phoenix channels, serializer V2: [join_ref, ref, topic, event, payload]."""

    welcome = False

    def __init__(self) -> None:
        super().__init__()
        self.log: list[tuple[str, str]] = []  # topic, event
        self.joined: dict[tuple[int, str], str] = {}

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        join, ref, topic, event, content = json.loads(payload)
        self.log.append((topic, event))
        place = client.number, topic
        if event == "heartbeat":
            assert (join, topic) == (None, "phoenix")
        elif event == "phx_join":
            assert join == ref and place not in self.joined
            self.joined[place] = join
        else:
            assert self.joined[place] == join
        reply = [join, ref, topic, "phx_reply", {"status": "ok", "response": {}}]
        client.send(json.dumps(reply).encode())
        if event == "phx_leave":
            del self.joined[place]
        elif event == "shout":
            client.send(json.dumps([None, None, topic, "shout", content]).encode())


async def test_05_a_channel_joined_by_five_messages_a_round_and_left() -> None:
    async with PhoenixV2() as phoenix, led(case("05_channel.toml", phoenix)) as workers:
        await until(lambda: counts(workers, "shout").done >= 60 and counts(workers, "beat").done >= 10)
        await workers.drained()
        told = Counter(event for _, event in phoenix.log)
        assert (
            counts(workers, "join").done == counts(workers, "leave").done == told["phx_leave"] == told["phx_join"] == 5
        )
        assert counts(workers, "shout").begun == told["shout"] and not phoenix.joined
        assert counts(workers, "beat").begun == told["heartbeat"]
        assert counts(workers, "echo").done == told["shout"]
        close_to_zero(workers, "echo")
        balance(workers)


async def test_25_many_devices_each_on_a_topic_of_its_own_with_a_heartbeat() -> None:
    async with PhoenixV2() as phoenix:
        made = case("25_many.toml", phoenix)
        roles = [made.roles[0].model_copy(update={"heartbeats": [_faster(made.roles[0].heartbeats[0])]})]
        async with led(made.model_copy(update={"roles": roles}), workers=2, clients=0) as workers:
            workers.handle(Ramp(200, 200 * MS))
            await until(lambda: workers.c.ready == 200 and counts(workers, "beat").done >= 400)
            await workers.drained()
        topics = [topic for topic, event in phoenix.log if event == "phx_join"]
        assert len(topics) == len(set(topics)) == counts(workers, "join").done == 200
        assert {f"device:{path.decode().rpartition('-')[2]}" for path in phoenix.paths} == set(topics)
        told = Counter(event for _, event in phoenix.log)
        # A machine that stands still for longer than the interval answers late.
        beats = counts(workers, "beat")
        assert beats.begun == told["heartbeat"] == beats.done + beats.lost + beats.abandoned
        balance(workers)


def _faster(heartbeat: Any) -> Any:
    return heartbeat.model_copy(update={"every": "300ms", "within": 30.0})


class FaultyStomp(Server):
    """A broker of STOMP 1.2; each seventh push is an ERROR."""

    welcome = False

    def __init__(self) -> None:
        super().__init__()
        self.commands: Counter[str] = Counter()
        self.members: list[Connection] = []
        self.pushed: Counter[str] = Counter()

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        assert payload.endswith(b"\n\n\0")
        command, *headers = payload[:-3].decode().split("\n")
        self.commands[command] += 1
        given = dict(header.split(":", 1) for header in headers)
        if command == "CONNECT":
            assert given["accept-version"] == "1.2"
            client.send(b"CONNECTED\nversion:1.2\n\n\0")
        elif command == "SUBSCRIBE":
            assert given["destination"] == "/topic/prices"
            self.members.append(client)
        else:
            self.members.remove(client)
            client.send(f"RECEIPT\nreceipt-id:{given['receipt']}\n\n\0".encode())

    def push(self, number: int) -> None:
        command = "MESSAGE" if number % 7 else "ERROR"
        for client in self.members:
            self.pushed[command] += 1
            client.send(f"{command}\ndestination:/topic/prices\n\n{number}\0".encode())


async def test_09_listeners_count_messages_and_errors() -> None:
    async with FaultyStomp() as stomp, led(case("09_stomp.toml", stomp)) as workers:
        await until(lambda: workers.c.ready == 5 and len(stomp.members) == 5)
        for number in range(1, 50):
            stomp.push(number)
            await asyncio.sleep(0.005)
        message = stomp.pushed["MESSAGE"]
        await until(lambda: counts(workers, "message").done == 5 * 49)
        assert counts(workers, "message").failed == stomp.pushed["ERROR"] == 35
        assert counts(workers, "message").done - counts(workers, "message").failed == message == 5 * 42
        await workers.drained()
        assert stomp.commands == {"CONNECT": 5, "SUBSCRIBE": 5, "DISCONNECT": 5} and not stomp.members
        assert counts(workers, "connected").done == 5
        balance(workers)


class Central(Ocpp):
    """A central system that knows no passwords, and whose charge points have one transaction after the other."""

    async def answer(self, client: Connection, key: bytes) -> bool:
        client.write(switching(key, b"Sec-WebSocket-Protocol: ocpp1.6"))
        return True


async def test_11_charge_points_take_one_of_six_flows_with_the_transaction_that_they_were_given() -> None:
    async with Central() as central:
        made = case("11_day.toml", central)
        assert [stage.clients for stage in made.stages] == [6, 60, 30, 80, 6]
        async with led(made) as workers:
            await until(lambda: workers.roles["charger"].completed >= 150)
            workers.handle(Ramp(12, 0))
            await until(lambda: workers.roles["charger"].ready == 12)
            await workers.drained()
            told = Counter(action for _, (action, _) in central.log)
            names = {
                "start": "StartTransaction", "meter": "MeterValues", "stop": "StopTransaction",
                "status": "StatusNotification", "authorize": "Authorize", "data": "DataTransfer",
                "firmware": "FirmwareStatusNotification", "diagnostics": "DiagnosticsStatusNotification",
            }  # fmt: skip
            assert {name: counts(workers, name).begun for name in names} == {n: told[a] for n, a in names.items()}
            assert told["BootNotification"] == 12 and not workers.failures
            assert told["StartTransaction"] > told["DataTransfer"] > 0
            assert workers.c.sent == sum(told[action] for action in names.values())
            balance(workers)


class Editor(SocketIO):
    """A document on Socket.IO: a change of one goes to the others who have joined it."""

    def __init__(self) -> None:
        super().__init__()
        self.documents: dict[Connection, str] = {}
        self.changes = self.sent = 0

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        if payload.startswith(b"40"):
            self.members[client] = ""
            client.send(b'40{"sid":"s"}')
        elif payload.startswith(b"42"):
            digits = payload[2:].split(b"[", 1)[0]
            event, data = json.loads(payload[2 + len(digits) :])
            if event == "join":
                self.documents[client] = data["document"]
                client.send(b"43" + digits + b'[{"ok":true}]')
                return
            assert event == "change" and not digits
            self.changes += 1
            for other, name in list(self.documents.items()):
                if name == self.documents[client] and other is not client and other in self.members:
                    self.sent += 1
                    other.send(b"42" + json.dumps(["changed", data]).encode())
        else:
            await super().other(client, first, payload)


async def test_29_writers_of_a_document_make_fifteen_changes_a_round() -> None:
    async with Editor() as editor, led(case("29_editor.toml", editor)) as workers:
        await until(lambda: workers.roles["writer"].completed >= 8)
        await workers.drained()
        assert counts(workers, "join").done == len(editor.documents) == 4
        assert counts(workers, "change").done == editor.changes == workers.c.sent >= 8 * 15
        assert editor.sent > 0 and counts(workers, "seen").done <= editor.sent
        close_to_zero(workers, "seen")
        balance(workers)
