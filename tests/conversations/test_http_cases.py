"""Load tests that others need, with logins and requests by HTTP: presets of at most 40 lines against their servers."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from tests.conversations.test_cases import CASES, CallbackServer, close_to_zero
from tests.conversations.test_roles import balance, counts
from tests.load.leading import MS, S, Workers, led
from tests.servers.server import Connection, Server, switching, until
from tests.servers.web import Answer, Asked, Web, answer
from wstui.scenario.file import load
from wstui.scenario.model import Scenario


def case(name: str, server: Server, web: Web | None = None) -> Scenario:
    """The preset of a case, for this server and its API."""
    path = CASES / name
    assert len(path.read_text().splitlines()) <= 40
    api = {} if web is None else {"CASE_API": web.url}
    made = load(path, {"CASE_URL": f"ws://127.0.0.1:{server.port}"} | api)
    assert isinstance(made, Scenario)
    return made


def query(client: Connection) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(client.path.decode()).query).items()}


def path(client: Connection) -> str:
    return urlsplit(client.path.decode()).path


def same(workers: Workers, log: Iterable[str], *names: str) -> None:
    """The server heard each of these steps as often as it was counted."""
    heard = Counter(log)
    for name in names:
        assert counts(workers, name).begun == heard[name] > 0, name


class PhoenixWithTokens(CallbackServer):
    """Phoenix channels, serializer V1; a token of the API opens them."""

    tokens: set[str]

    def __init__(self) -> None:
        super().__init__()
        self.tokens = set()
        self.joined: dict[int, list[str]] = {}

    async def answer(self, client: Connection, key: bytes) -> bool:
        given = query(client)
        if given.get("token", given.get("apikey")) not in self.tokens:
            client.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            return False
        return await super().answer(client, key)

    def answer_to(self, client: Connection, document: dict[str, Any]) -> None:
        topic, event, ref = document["topic"], document["event"], document["ref"]
        assert isinstance(ref, str)
        if event in ("phx_join", "heartbeat"):
            assert event == "phx_join" or topic == "phoenix"
            if event == "phx_join":
                self.joined.setdefault(client.number, []).append(topic)
            payload = {"status": "ok", "response": {}}
            self.say(client, "phx_reply", topic=topic, event="phx_reply", payload=payload, ref=ref)
        else:
            for other in list(self.live.values()):
                if topic in self.joined.get(other.number, ()):
                    self.say(other, event, topic=topic, event=event, payload=document["payload"], ref=None)


class Sessions(Web):
    def __init__(self, phoenix: PhoenixWithTokens) -> None:
        super().__init__()
        self.phoenix = phoenix

    async def reply(self, asked: Asked) -> Answer | None:
        token = f"tok/{asked.json['user']}+x"
        self.phoenix.tokens.add(token)
        return answer({"data": {"token": token}}, 201)


async def test_01_presence_and_broadcast_with_a_token_for_each_client() -> None:
    phoenix = PhoenixWithTokens()
    async with phoenix, Sessions(phoenix) as web, led(case("01_presence.toml", phoenix, web)) as workers:
        await until(lambda: counts(workers, "shout").done >= 60 and counts(workers, "beat").done >= 12)
        await until(lambda: workers.c.received == sum(phoenix.sent.values()))
        assert counts(workers, "broadcast").done == phoenix.sent["shout"]
        await workers.drained()
        assert web.statuses == {201: 6} and counts(workers, "session").done == 6
        assert phoenix.joined == {n: ["room:lobby", f"presence:{k}"] for n, k in enumerate(_clients(phoenix))}
        log = [document["event"] for _, document in phoenix.log]
        assert log.count("shout") == counts(workers, "shout").done
        assert log.count("heartbeat") == counts(workers, "beat").begun
        assert all(len(d["payload"]["payload"]["text"]) == 1000 for _, d in phoenix.log if d["event"] == "shout")
        close_to_zero(workers, "broadcast")
        balance(workers)


def _clients(phoenix: PhoenixWithTokens) -> list[str]:
    """The number of the client behind each connection, by the token that it came with."""
    return [parse_qs(urlsplit(path.decode()).query)["token"][0].split("user-")[1][0] for path in phoenix.paths]


class Rest(Web):
    """Tokens by a form; each row that is written is pushed to those who have joined its topic."""

    def __init__(self, phoenix: PhoenixWithTokens) -> None:
        super().__init__()
        self.phoenix = phoenix

    async def reply(self, asked: Asked) -> Answer | None:
        if asked.path == "/auth/token":
            assert asked.form["grant_type"] == "password"
            token = f"t-{asked.form['user']}"
            self.phoenix.tokens.add(token)
            return answer({"access_token": token})
        if asked.headers.get("authorization", "").removeprefix("Bearer ") not in self.phoenix.tokens:
            return answer({}, 401)
        topic = f"db:{asked.path.rpartition('/')[2]}"
        for client in list(self.phoenix.live.values()):
            if topic in self.phoenix.joined.get(client.number, ()):
                payload = {"data": {"record": asked.json}}
                self.phoenix.say(client, "INSERT", topic=topic, event="INSERT", payload=payload, ref=None)
        return answer({}, 201)


async def test_02_four_topics_a_connection_and_rows_that_another_role_writes() -> None:
    phoenix = PhoenixWithTokens()
    async with phoenix, Rest(phoenix) as web, led(case("02_topics.toml", phoenix, web)) as workers:
        await until(lambda: workers.c.ready == 5 and counts(workers, "insert").done >= 40)
        await workers.drained()
        assert web.count("/auth/token") == 5 and phoenix.upgraded == 4
        assert sorted(map(len, phoenix.joined.values())) == [4] * 4
        assert counts(workers, "write").done == web.statuses[201] and not web.statuses[401]
        assert counts(workers, "insert").done == phoenix.sent["INSERT"]
        same(workers, [d["topic"].removeprefix("db:") for _, d in phoenix.log], "orders", "users", "prices", "stock")
        close_to_zero(workers, "insert")
        balance(workers)


class SocketIO(Server):
    """Engine.IO 4 and Socket.IO 5, written from their protocols; pings every 50 ms."""

    welcome = False

    def __init__(self) -> None:
        super().__init__()
        self.tokens: dict[str, str] = {}  # token → phone
        self.members: dict[Connection, str] = {}
        self.pings = self.pongs = self.pushed = 0

    async def opened(self, client: Connection) -> None:
        assert path(client) == "/socket.io/" and query(client) == {"EIO": "4", "transport": "websocket"}
        client.send(b'0{"sid":"e","upgrades":[],"pingInterval":50,"pingTimeout":5000,"maxPayload":100000}')

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        if payload.startswith(b"40"):
            token = json.loads(payload[2:])["token"]
            assert token in self.tokens
            self.members[client] = token
            client.send(b'40{"sid":"s"}')
            self._ping(client)
        elif payload == b"3":
            self.pongs += 1
            asyncio.get_running_loop().call_later(0.05, self._ping, client)
        else:
            assert payload == b"41", payload
            del self.members[client]

    def _ping(self, client: Connection) -> None:
        if client in self.members:
            self.pings += 1
            client.send(b"2")

    def push(self, document: dict[str, Any]) -> None:
        for client in list(self.members):
            self.pushed += 1
            client.send(b"42" + json.dumps(["message", document]).encode())


class ChatApi(Web):
    def __init__(self, chat: SocketIO) -> None:
        super().__init__()
        self.chat = chat
        self.codes: dict[str, str] = {}

    async def reply(self, asked: Asked) -> Answer | None:
        if asked.path == "/otp":
            code = self.codes[asked.json["phone"]] = f"{len(self.codes):06}"
            return answer({"code": code})
        if asked.path == "/login":
            if self.codes.pop(asked.json["phone"], None) != asked.json["code"]:
                return answer({}, 401)
            token = f"t{asked.json['phone']}"
            self.chat.tokens[token] = asked.json["phone"]
            return answer({"token": token})
        token = asked.headers["authorization"].removeprefix("Bearer ")
        assert token in self.chat.tokens
        if asked.path == "/channels":
            return answer([{"id": "general/1"}, {"id": "random"}])
        assert asked.path == "/channels/general%2F1/messages"
        self.chat.push(asked.json | {"by": token})
        return answer({}, 201)


async def test_07_a_one_time_password_a_list_of_channels_and_messages_by_http() -> None:
    chat = SocketIO()
    async with chat, ChatApi(chat) as web, led(case("07_chat.toml", chat, web)) as workers:
        await until(lambda: counts(workers, "push").done >= 20 and chat.pongs >= 8)
        await until(lambda: counts(workers, "message").done == chat.pushed)
        await workers.drained()
        assert (web.count("/otp"), web.count("/login"), web.count("/channels")) == (4, 4, 4) and not web.statuses[401]
        assert [counts(workers, name).done for name in ("otp", "token", "channels")] == [4, 4, 4]
        assert counts(workers, "send").done == web.statuses[201]
        assert counts(workers, "push").lost == counts(workers, "push").failed == 0
        assert 0 <= chat.pings - chat.pongs <= 4 and not chat.members
        close_to_zero(workers, "message")
        balance(workers)


class Ocpp(CallbackServer):
    """A central system of OCPP 1.6 with Basic auth and its subprotocol."""

    passwords = ("p w-0", "pw&1", "pw:2", "pw%3")

    def __init__(self) -> None:
        super().__init__()
        self.transactions = 100
        self.calls: dict[str, list[str]] = {}

    async def answer(self, client: Connection, key: bytes) -> bool:
        name = path(client).rpartition("/")[2]
        wanted = base64.b64encode(f"{name}:{self.passwords[int(name[2:])]}".encode())
        assert client.headers[b"authorization"] == b"Basic " + wanted
        assert client.headers[b"sec-websocket-protocol"] == b"ocpp1.6"
        client.write(switching(key, b"Sec-WebSocket-Protocol: ocpp1.6"))
        return True

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        kind, identity, action, content = json.loads(payload)
        assert kind == 2 and isinstance(identity, str)
        name = path(client).rpartition("/")[2]
        self.calls.setdefault(name, []).append(action)
        self.log.append((client.number, (action, content)))
        made: dict[str, Any] = {}
        if action == "BootNotification":
            made = {"status": "Accepted", "currentTime": "2024-01-01T00:00:00Z", "interval": 300}
        elif action == "Authorize":
            assert content == {"idTag": f"tag-{name[2:]}"}
            made = {"idTagInfo": {"status": "Accepted"}}
        elif action == "StartTransaction":
            self.transactions += 1
            client.headers[b"transaction"] = b"%d" % self.transactions
            made = {"transactionId": self.transactions, "idTagInfo": {"status": "Accepted"}}
        elif action in ("MeterValues", "StopTransaction"):
            assert content["transactionId"] == int(client.headers[b"transaction"])
        elif action == "Heartbeat":
            made = {"currentTime": "2024-01-01T00:00:00Z"}
        client.send(json.dumps([3, identity, made]).encode())


ORDER = [
    "BootNotification", "StatusNotification", "Authorize", "StatusNotification", "StartTransaction",
    "StatusNotification", "MeterValues", "DataTransfer", "StatusNotification", "StopTransaction", "Heartbeat",
]  # fmt: skip


async def test_10_charge_points_make_eleven_calls_in_order_each_with_its_own_password() -> None:
    async with Ocpp() as central, led(case("10_ocpp.toml", central)) as workers:
        await until(lambda: workers.roles["charger"].completed >= 8)
        await workers.drained()
        assert set(central.calls) == {f"CP{number}" for number in range(4)}
        for calls in central.calls.values():
            assert calls == (ORDER * (len(calls) // 11 + 1))[: len(calls)]
        said = Counter(action for _, (action, _) in central.log)
        for name, action in (("boot", "BootNotification"), ("start", "StartTransaction"), ("beat", "Heartbeat")):
            assert counts(workers, name).begun == said[action]
        assert workers.c.sent == sum(said.values()) == len(central.log) and not workers.failures
        balance(workers)


class Court(CallbackServer):
    """A page that the presenter shows goes to all of its court; a seat of the API and a cookie open the door."""

    def __init__(self) -> None:
        super().__init__()
        self.seats: dict[str, str] = {}  # seat → user

    async def answer(self, client: Connection, key: bytes) -> bool:
        cookies = client.headers[b"cookie"].decode()
        assert f"session={self.seats[query(client)['seat']]}" in cookies
        return await super().answer(client, key)

    def answer_to(self, client: Connection, document: dict[str, Any]) -> None:
        if document["type"] == "show":
            self.say(client, "shown", type="shown", page=document["page"])
            for other in list(self.live.values()):
                if other is not client and path(other) == path(client):
                    self.say(other, "page", **document | {"type": "page", "court": path(client).rpartition("/")[2]})


class CourtApi(Web):
    people: ClassVar = {"ann": "a1", "bob": "b2", "cat": "c3", "dan": "d4", "eve": "e5", "fay": "f6"}

    def __init__(self, court: Court) -> None:
        super().__init__()
        self.court = court

    async def reply(self, asked: Asked) -> Answer | None:
        if asked.path == "/login":
            user = asked.form["user"]
            assert self.people[user] == asked.form["password"]
            return 303, [("Set-Cookie", f"session={user}; Path=/; HttpOnly"), ("Location", "/")], b""
        seat = f"{asked.path.split('/')[2]}-{len(self.court.seats)}"
        self.court.seats[seat] = asked.cookies["session"]
        return answer({"seat": seat})


async def test_13_a_court_follows_its_presenter_page_by_page() -> None:
    court = Court()
    async with court, CourtApi(court) as web, led(case("13_courtroom.toml", court, web)) as workers:
        await until(lambda: workers.roles["follower"].completed >= 4)
        assert sorted(court.seats.values()) == sorted(CourtApi.people) and web.count("/login") == 6
        await workers.drained()
        kinds = Counter(document["type"] for _, document in court.log)
        assert counts(workers, "show").begun == kinds["show"] >= 20 and kinds["leave"] == 6
        assert court.sent["page"] == 2 * kinds["show"] and workers.c.ready == 6
        assert counts(workers, "followed").done == court.sent["page"]
        # Who leaves no longer waits for the page that is on its way.
        assert 0 <= court.sent["page"] - counts(workers, "page").done <= counts(workers, "page").abandoned
        assert counts(workers, "show").lost == counts(workers, "page").lost == 0
        close_to_zero(workers, "followed")
        balance(workers)


class Telemetry(CallbackServer):
    def __init__(self) -> None:
        super().__init__()
        self.keys: dict[int, str] = {}

    async def answer(self, client: Connection, key: bytes) -> bool:
        _, number, code = client.headers[b"x-api-key"].decode().split("-", 2)
        assert base64.b64decode(code).decode() == f"{number}:device"
        assert path(client) == "/telemetry" or query(client)["client"] == number
        self.keys[client.number] = number
        return await super().answer(client, key)

    def answer_to(self, client: Connection, document: dict[str, Any]) -> None:
        match document["type"]:
            case "join":
                if path(client) == "/telemetry":
                    assert document["device"] == f"d{self.keys[client.number]}"
                self.say(client, "joined", type="joined", device=document["device"], interval_ms=40)
            case "keepalive":
                self.say(client, "alive", type="alive", n=document["n"])
            case "report":
                at = time.time_ns() // 1000
                for other in list(self.live.values()):
                    if path(other) == "/dashboard":
                        self.say(other, "report", type="report", at=at)


async def test_18_two_paths_a_key_for_each_client_and_an_interval_that_the_server_says() -> None:
    async with Telemetry() as telemetry, led(case("18_telemetry.toml", telemetry)) as workers:
        await until(lambda: workers.c.ready == 20 and counts(workers, "report").done >= 40)
        await until(lambda: counts(workers, "ping").done >= 40)
        await workers.drained()
        paths = Counter(urlsplit(path.decode()).path for path in telemetry.paths)
        devices, viewers = workers.roles["device"].ready, workers.roles["viewer"].ready
        assert paths == {"/telemetry": devices, "/dashboard": viewers} and devices + viewers == 20
        assert 9 <= devices <= 19 and len(set(telemetry.keys.values())) == 20
        kinds = Counter(document["type"] for _, document in telemetry.log)
        assert kinds["report"] == counts(workers, "report").done and kinds["keepalive"] == counts(workers, "ping").begun
        assert counts(workers, "ping").lost == 0 and counts(workers, "report-seen").done == telemetry.sent["report"]
        close_to_zero(workers, "report-seen")
        balance(workers)


class Scores(CallbackServer):
    def tell(self, customer: str, **document: Any) -> None:
        for client in list(self.live.values()):
            if query(client)["customer"] in (customer, "0"):  # client 0 is the analyst, who sees all
                self.say(client, "score", type="score", **document)


class Bureau(Web):
    def __init__(self, scores: Scores) -> None:
        super().__init__()
        self.scores = scores
        self.jobs = 0

    async def reply(self, asked: Asked) -> Answer | None:
        if asked.path == "/batch":
            return answer({"accepted": True})
        self.jobs += 1
        customer, job, at = asked.path.split("/")[2], f"job-{self.jobs}", asked.json["at"]
        if self.jobs % 2:  # every other push comes before the answer
            self.scores.tell(customer, job=job, at=at)
        else:
            asyncio.get_running_loop().call_later(0.03, lambda: self.scores.tell(customer, job=job, at=at))
        return answer({"job": job}, 202)


async def test_24_the_time_from_a_post_to_the_push_that_it_causes() -> None:
    scores = Scores()
    async with scores, Bureau(scores) as web, led(case("24_scores.toml", scores, web)) as workers:
        await until(lambda: counts(workers, "score").done >= 40 and counts(workers, "batch").done >= 4)
        await until(lambda: counts(workers, "from-post-to-push").done == web.jobs)
        await workers.drained()
        posts = sum(asked.path != "/batch" for asked in web.asked)
        assert counts(workers, "ask").done == posts == web.jobs and counts(workers, "batch").done == web.count("/batch")
        score = next(step for step in workers.steps if step.name == "score")
        assert score.counts.lost == score.counts.failed == 0
        assert score.round_trip.quantile(0.95) >= 29 * MS and score.round_trip.low < 20 * MS  # type: ignore[operator]
        seen = next(step for step in workers.steps if step.name == "from-post-to-push")
        assert seen.counts.failed == 0 and seen.response.high < 2 * S
        balance(workers)


def test_each_case_is_a_preset_of_few_lines() -> None:
    assert all(len(each.read_text().splitlines()) <= 40 for each in Path(CASES).glob("*.toml"))
