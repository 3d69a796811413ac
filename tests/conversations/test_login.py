# ruff: noqa: E501 - scenarios in one line each
"""Who clients are: logins by HTTP, and what differs from client to client on the way in."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import ssl
from collections import Counter
from pathlib import Path

import pytest
from cryptography import x509

from tests.conversations.chat import Chat, scenario, scenario_text
from tests.conversations.test_roles import balance, counts
from tests.execution.test_tls import Authority
from tests.load.leading import Workers, led
from tests.servers.server import Connection, until
from tests.servers.web import Answer, Asked, Web, answer
from wstui.execution.run.run import Run
from wstui.measure.steps import StepCounts
from wstui.report.formats import format_registry
from wstui.scenario.errors import ScenarioError
from wstui.scenario.file import dumps, load, loads
from wstui.scenario.model import Fleet, Scenario, Stage
from wstui.scenario.secret_fields import masked, secrets_of
from wstui.scenario.trust import uses

LISTENING = '[[roles]]\nname = "one"\n'


def login_counts(workers: Workers) -> StepCounts:
    return next(step.counts for step in workers.steps if (step.name, step.kind) == ("login", "login"))


class Accounts(Web):
    """Gives a token for a user and a password, and a profile for the session's cookie."""

    refuse: frozenset[int] = frozenset()  # the numbers of logins that get a 401
    delay_s = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.logins = 0

    async def reply(self, asked: Asked) -> Answer | None:
        if asked.path == "/login":
            self.logins = number = self.logins + 1
            await asyncio.sleep(self.delay_s)
            if number in self.refuse:
                return answer({"error": "no such user"}, 401)
            user = asked.json["user"]
            return answer({"token": f"t-{user}", "ok": True}, 200, ("Set-Cookie", f"sid=s-{user}; Path=/; HttpOnly"))
        if asked.path == "/me" and asked.headers.get("authorization") == f"Bearer t-{asked.query['name']}":
            return answer({"id": asked.cookies["sid"].removeprefix("s-").upper()}, 200, ("X-Plan", "gold"))
        return answer({"error": "who are you"}, 403)


LOGIN = """
[[login]]
name = "token"
post = "{web}/login"
json = {{ user = "u{{{{client}}}}", password = "pw" }}
expect = {{ status = 200, ok = true }}
capture = {{ token = "token" }}
[[login]]
get = "{web}/me?name=u{{{{client}}}}"
headers.Authorization = "Bearer {{{{token}}}}"
capture = {{ id = "id", plan = "header:X-Plan", sid = "cookie:sid2" }}
"""


async def test_a_client_logs_in_and_brings_its_token_and_cookies_along() -> None:
    async with Accounts() as web, Chat() as server:
        login = LOGIN.format(web=web.url).replace(', sid = "cookie:sid2"', "")
        roles = login + (
            '[[roles]]\nname = "one"\nopen = [{ json = { type = "auth", token = "good" }, expect = { type = "auth_ok" } }]\n'
            'loop = [{ name = "say", json = { type = "say", seq = "{{seq}}", from = "{{id}}", plan = "{{plan}}" }, '
            'expect = { type = "said", seq = "{{seq}}", from = "{{id}}" } }]\n'
        )
        url = f"ws://127.0.0.1:{server.port}/ws/{{{{id}}}}?user=u%2F{{{{client}}}}&t={{{{token}}}}"
        made = scenario(
            url, roles, clients=3, more='headers.X-Token = "v {{token}}"\ncookies.theme = "dark-{{client}}"'
        )
        async with led(made, 2) as workers:
            await until(lambda: counts(workers, "say").done >= 9)
            login_row = next(step for step in workers.steps if step.kind == "login" and step.name == "login")
            await workers.drained()
            balance(workers)
        assert (web.count("/login"), web.count("/me"), web.connections) == (3, 3, 3)
        assert login_row.counts == StepCounts(begun=3, done=3)
        assert login_row.response.low > 0 and sum(login_row.response.counts) == 3
        assert counts(workers, "token").done == 3
        assert sorted(server.paths) == [f"/ws/U{n}?user=u%2F{n}&t=t-u{n}".encode() for n in range(3)]
        for head in server.heads:
            lines = head.decode().split("\r\n")
            number = next(line for line in lines if line.startswith("GET"))[len("GET /ws/U")]
            assert f"X-Token: v t-u{number}" in lines
            assert any(line.startswith("Cookie: ") and f"sid=s-u{number}" in line and f"theme=dark-{number}" in line
                       for line in lines)  # fmt: skip
        said = {(document["from"], document["plan"]) for _, document in server.log if document["type"] == "say"}
        assert said == {("U0", "gold"), ("U1", "gold"), ("U2", "gold")}


async def test_a_refused_login_makes_the_attempt_refused_and_attempts_are_the_sum_of_their_outcomes() -> None:
    async with Accounts() as web, Chat() as server:
        web.refuse = frozenset((2, 4))
        login = LOGIN.format(web=web.url).partition("[[login]]\nget")[0]
        async with led(scenario(server.url, login + LISTENING, clients=5)) as workers:
            await until(lambda: workers.c.ready + workers.c.refused == 5)
            c = await workers.drained()
        assert (c.attempted, c.ready, c.refused, c.failed, c.timed_out) == (5, 3, 2, 0, 0)
        assert server.upgraded == 3 and web.statuses == {200: 3, 401: 2}
        assert login_counts(workers) == StepCounts(begun=5, done=5, failed=2)
        (group,) = workers.failures
        assert (group.kind, group.message, group.count) == ("login 401", "login, token: HTTP 401", 2)
        assert group.outcome == "refused" and "no such user" in group.samples[0].detail


async def test_logins_are_judged_and_reported_with_their_refusals_by_status() -> None:
    async with Accounts() as web, Chat() as server:
        web.refuse = frozenset((2, 4))
        login = LOGIN.format(web=web.url).partition("[[login]]\nget")[0]
        limits = {
            "login.p99": "< 10s", "login.p99.9": "< 10s", "login.failed": "<= 0", "login.success": ">= 60%",
            "login.count": ">= 5", "login.token.p95": "< 10s", "login.token.failed": "<= 2",
        }  # fmt: skip
        thresholds = "".join(
            f'[[thresholds]]\nmetric = "{name}"\nlimit = "{limit}"\n' for name, limit in limits.items()
        )
        made = scenario(server.url, login + LISTENING + thresholds, clients=5)
        stages = [Stage(name="ramp", over=0.5, clients=5), Stage(name="hold", over=0.5)]
        target = made.target.model_copy(update={"health": "off"})
        fleet = Fleet(workers=1)
        result = await Run(made.model_copy(update={"stages": stages, "target": target, "fleet": fleet})).execute()
    outcomes = {outcome.metric: (outcome.value, outcome.passed) for outcome in result.verdict.thresholds}
    assert outcomes["login.failed"] == (2.0, False) and outcomes["login.success"] == (60.0, True)
    assert outcomes["login.count"] == (5.0, True) and outcomes["login.token.failed"] == (2.0, True)
    assert all(passed for name, (_, passed) in outcomes.items() if name != "login.failed")
    seen = result.login
    assert seen is not None and (seen.clients, seen.succeeded, seen.refused, seen.unanswered) == (5, 3, 2, 0)
    assert seen.by_status == {"401": 2} and seen.latency_ms.count == 5
    for form in ("text", "markdown", "html", "json"):
        text = format_registry.named(form).render(result)
        assert ("by_status" if form == "json" else "Logins") in text, form
        assert form == "json" or "2 × HTTP 401" in text, form


@pytest.mark.parametrize(
    ("metric", "near"),
    [
        ("login.p9x", "login.p99"),
        ("login.faild", "login.failed"),
        ("login", "login.p99"),
        ("login.tok.p99", "login.token.p99"),
    ],
)
def test_a_metric_of_logins_that_is_none_names_the_nearest(metric: str, near: str) -> None:
    login = '[[login]]\nname = "token"\nget = "http://h/"\n'
    with pytest.raises(ScenarioError) as caught:
        scenario("ws://h/", f'{login}{LISTENING}[[thresholds]]\nmetric = "{metric}"\nlimit = "< 1s"\n')
    assert near in str(caught.value)


@pytest.mark.parametrize("what", ["expect", "capture", "timeout", "hang up", "no server", "not HTTP"])
async def test_each_way_a_login_fails_has_its_outcome_and_reason(what: str) -> None:
    class Bad(Web):
        async def reply(self, asked: Asked) -> Answer | None:
            if what == "timeout":
                await asyncio.sleep(60)
            return None if what == "hang up" else answer({"ok": what != "expect"})

    async with Bad() as web, Chat() as server:
        url = {"no server": "http://127.0.0.1:1", "not HTTP": f"http://127.0.0.1:{server.port}"}.get(what, web.url)
        if what == "not HTTP":
            url = await _garbage()
        login = (
            f'[http]\ntimeout = "300ms"\n[[login]]\npost = "{url}/login?secret=1"\nexpect = {{ ok = true }}\n'
            'capture = { token = "token" }\n'
        )
        async with led(scenario(server.url, login + LISTENING)) as workers:
            await until(lambda: workers.c.refused + workers.c.failed + workers.c.timed_out == 1)
            c = await workers.drained()
        outcome = {"expect": c.refused, "timeout": c.timed_out}.get(what, c.failed)
        assert outcome == 1 and c.attempted == 1 and server.upgraded == 0
        (group,) = workers.failures
        assert (
            group.message
            == "login, POST /login: "
            + {
                "expect": "the answer has not ok = true",
                "capture": "nothing to capture for token at token",
                "timeout": "no answer within 300ms",
                "hang up": "the connection was closed before the answer",
                "no server": "connection refused",
                "not HTTP": "the answer is not HTTP/1.1: illegal status line: bytearray(b'garbage')",
            }[what]
        )


async def _garbage() -> str:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"garbage\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_no_more_logins_are_under_way_than_allowed_and_all_get_their_turn() -> None:
    async with Accounts() as web, Chat() as server:
        web.delay_s = 0.02
        limits = "[http]\nconcurrency = 4\n"
        login = LOGIN.format(web=web.url).partition("[[login]]\nget")[0]
        async with led(scenario(server.url, limits + login + LISTENING, clients=40), 2) as workers:
            await until(lambda: workers.c.ready == 40)
            await workers.drained()
        assert web.at_once <= 4 and web.logins == 40


async def test_a_client_that_reconnects_keeps_its_login_unless_it_is_refused() -> None:
    class Picky(Chat):
        refuse_next = False

        async def answer(self, client: Connection, key: bytes) -> bool:
            if self.refuse_next:
                self.refuse_next = False
                client.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
                return False
            return await super().answer(client, key)

    async with Accounts() as web, Picky() as server:
        login = LOGIN.format(web=web.url).partition("[[login]]\nget")[0]
        more = 'reconnect = "at once"\nheaders.X-Token = "{{token}}"'
        async with led(scenario(server.url, login + LISTENING, more=more)) as workers:
            await until(lambda: workers.c.ready == 1)
            next(iter(server.live.values())).reset()
            await until(lambda: workers.c.reconnects == 1)
            assert web.logins == 1
            server.refuse_next = True
            next(iter(server.live.values())).reset()
            await until(lambda: workers.c.reconnects == 2)
            assert web.logins == 2
            await workers.drained()


async def test_forms_bodies_basic_auth_and_signatures_are_what_the_server_computes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SIGNING_KEY", "key-7")
    (tmp_path / "users.csv").write_text('user,password\n"a&b=c","p w+%"\n"ü/x",q\n', encoding="utf-8")
    async with Web() as web, Chat() as server:
        roles = f"""
[[login]]
post = "{web.url}/form/{{{{feed.user}}}}?q={{{{feed.password}}}}&x=1"
form = {{ user = "{{{{feed.user}}}}", "pass word" = "{{{{feed.password}}}}" }}
[[login]]
put = "{web.url}/raw"
body = "{{{{base64 {{{{feed.user}}}}:x}}}}|{{{{hmac sha256 SIGNING_KEY {{{{client}}}}:{{{{feed.user}}}}}}}}"
headers.Content-Type = "text/plain"
[auth]
kind = "basic"
user = "{{{{feed.user}}}}"
password = "{{{{feed.password}}}}"
{LISTENING}"""
        made = scenario(server.url, roles, clients=2, head=f"feed = '{tmp_path / 'users.csv'}'")
        async with led(made) as workers:
            await until(lambda: workers.c.ready == 2)
            await workers.drained()
        forms = [asked for asked in web.asked if asked.path.startswith("/form/")]
        assert {asked.path for asked in forms} == {"/form/a%26b%3Dc", "/form/%C3%BC%2Fx"}
        assert {(asked.form["user"], asked.form["pass word"], asked.query["q"]) for asked in forms} == {
            ("a&b=c", "p w+%", "p w+%"), ("ü/x", "q", "q"),
        }  # fmt: skip
        bodies = {asked.body.decode() for asked in web.asked if asked.method == "PUT"}
        assert bodies == {
            f"{base64.b64encode(f'{user}:x'.encode()).decode()}|"
            f"{hmac.new(b'key-7', f'{n}:{user}'.encode(), hashlib.sha256).hexdigest()}"
            for n, user in enumerate(("a&b=c", "ü/x"))
        }
        sent = {line for head in server.heads for line in head.split(b"\r\n") if line.startswith(b"Authorization")}
        assert sent == {
            b"Authorization: Basic " + base64.b64encode(f"{user}:{password}".encode())
            for user, password in (("a&b=c", "p w+%"), ("ü/x", "q"))
        }
        found = secrets_of(made)
        assert {"p w+%", "key-7"} <= set(found) and "key-7" not in str(masked(made))


async def test_a_role_may_have_a_target_of_its_own_and_one_may_never_connect() -> None:
    class EventApi(Web):
        """Each POST causes a push to all who listen, before or after its own answer."""

        async def reply(self, asked: Asked) -> Answer | None:
            for client in list(server.live.values()):
                server.say(client, type="event", id=asked.json["id"], at=asked.json["at"])
            await asyncio.sleep(0.02)
            return answer({"id": asked.json["id"]}, 202)

    roles = """
[[roles]]
name = "a"
clients = 2
url = "ws://127.0.0.1:{port}/a/{{{{client}}}}"
headers.X-Kind = "a"
[[roles.delivery]]
name = "posted"
of = {{ type = "event" }}
stamp = "at"
unit = "stamp"
[[roles]]
name = "b"
clients = 1
subprotocols = ["v{{{{client}}}}"]
[[roles]]
name = "rest"
clients = 1
connect = false
[[roles.loop]]
name = "create"
http = {{ post = "{web}/scores", json = {{ id = "{{{{id}}}}", at = "{{{{stamp}}}}" }}, expect = {{ status = 202 }}, capture = {{ made = "id" }} }}
[[roles.loop]]
think = "1ms"
"""
    async with EventApi() as web, Chat() as server:
        made = scenario(server.url, roles.format(port=server.port, web=web.url), clients=4, more='headers.X-Kind = "t"')
        async with led(made) as workers:
            await until(lambda: counts(workers, "create").done >= 10)
            c = await workers.drained()
            balance(workers)
        assert (c.ready, c.closed, server.upgraded) == (4, 4, 3)
        assert counts(workers, "create").done == web.statuses[202] and web.connections == 1
        heads = Counter(head.decode().split("\r\n")[0].split(" ")[1] for head in server.heads)
        assert heads == {"/a/0": 1, "/a/1": 1, "/ws": 1}
        assert sum(b"X-Kind: a" in head for head in server.heads) == 2
        assert sum(b"Sec-WebSocket-Protocol: v2" in head for head in server.heads) == 1
        assert 3 * counts(workers, "posted").done == 2 * server.sent["event"]


@pytest.mark.parametrize("early", [True, False])
async def test_a_push_that_a_request_causes_is_measured_from_the_request(early: bool) -> None:
    class EarlyOrLate(Web):
        async def reply(self, asked: Asked) -> Answer | None:
            if not early:
                asyncio.get_running_loop().call_later(0.06, self.push, asked.json["id"])
                return answer({"key": asked.json["id"]})
            self.push(asked.json["id"])
            await asyncio.sleep(0.06)
            return answer({"key": asked.json["id"]})

        def push(self, number: int) -> None:
            for client in list(server.live.values()):
                server.say(client, type="pushed", id=number)

    roles = """
[[roles]]
name = "one"
[[roles.loop]]
name = "create"
http = {{ post = "{web}/x", json = {{ id = "{{{{id}}}}" }}, capture = {{ key = "key" }} }}
[[roles.loop]]
name = "push"
expect = {{ type = "pushed", id = "{{{{key}}}}" }}
within = "500ms"
"""
    async with EarlyOrLate() as web, Chat() as server:
        async with led(scenario(server.url, roles.format(web=web.url), clients=2, every="100ms")) as workers:
            await until(lambda: counts(workers, "push").done >= 6)
            await workers.drained()
            balance(workers)
        rows = {step.name: step for step in workers.steps}
        assert rows["push"].counts.lost == 0 and web.connections == 2
        typical = {name: (row.round_trip.quantile(0.5) or 0) / 1e6 for name, row in rows.items()}
        assert (typical["create"] >= 55) is early
        assert (typical["push"] < 50) is early and (early or typical["push"] >= 55)


async def test_a_failed_request_fails_its_round_and_a_dropped_client_ends_its_own() -> None:
    class Failing(Web):
        async def reply(self, asked: Asked) -> Answer | None:
            if asked.path == "/slow":
                await asyncio.sleep(30)
            return answer({}, 500 if len(self.asked) % 2 else 200)

    roles = """
[[roles]]
name = "one"
loop = [{{ name = "x", http = {{ delete = "{web}/{path}" }} }}]
"""
    async with Failing() as web, Chat() as server:
        async with led(scenario(server.url, roles.format(web=web.url, path="x"), clients=2)) as workers:
            await until(lambda: counts(workers, "x").failed >= 4)
            await workers.drained()
            balance(workers)
        assert counts(workers, "x").done == len(web.asked) and counts(workers, "x").failed == web.statuses[500]
        assert {group.message for group in workers.failures} == {"one, x: HTTP 500"}
    async with Failing() as web, Chat() as server:
        async with led(scenario(server.url, roles.format(web=web.url, path="slow"), clients=2)) as workers:
            await until(lambda: len(web.asked) == 2)
            next(iter(server.live.values())).reset()
            await until(lambda: workers.c.dropped == 1)
            await workers.drained(0)
            balance(workers)
        assert counts(workers, "x").abandoned == 2


async def test_the_answer_to_the_upgrade_gives_variables_and_intervals() -> None:
    class Greeting(Chat):
        async def answer(self, client: Connection, key: bytes) -> bool:
            from tests.servers.server import switching

            client.write(
                switching(key, b"X-Session: s%d" % client.number, b"Set-Cookie: sid=c%d; Path=/" % client.number)
            )
            return True

    roles = """
[[roles]]
name = "one"
[[roles.open]]
json = { type = "auth", token = "good" }
expect = { type = "auth_ok" }
capture = { session = "header:x-session", sid = "cookie:sid", id = "user.id" }
[[roles.loop]]
think = "{{id}}us"
[[roles.loop]]
name = "say"
json = { type = "say", seq = "{{seq}}", from = "{{session}}", sid = "{{sid}}" }
expect = { type = "said", seq = "{{seq}}" }
[[roles.heartbeats]]
name = "beat"
every = "{{id}}us"
json = { type = "beat" }
expect = { type = "beat_ok" }
"""
    async with Greeting() as server, led(scenario(server.url, roles, clients=2)) as workers:
        await until(lambda: counts(workers, "say").done >= 4 and counts(workers, "beat").done >= 10)
        await workers.drained()
        said = {(document["from"], document["sid"]) for _, document in server.log if document["type"] == "say"}
        assert said == {("s0", "c0"), ("s1", "c1")}
        balance(workers)


async def test_what_was_captured_and_is_no_time_is_told_and_counted() -> None:
    roles = """
[[roles]]
name = "one"
open = [{ json = { type = "auth", token = "good" }, expect = { type = "auth_ok" }, capture = { wait = "user.name" } }]
loop = [{ think = "{{wait}}" }, { name = "say", json = { type = "say", seq = "{{seq}}" }, expect = { type = "said", seq = "{{seq}}" } }]
"""
    async with Chat() as server, led(scenario(server.url, roles)) as workers:
        await until(lambda: counts(workers, "say").done >= 3)
        await workers.drained()
        assert [group.message for group in workers.failures] == [
            "one, loop[0]: what was captured is not a time: user 0"
        ]


def test_what_a_preset_sends_and_whom_it_asks_is_told_and_saved_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_PASSWORD", "hunter-22")
    text = """
[target]
url = "ws://127.0.0.1:9/ws?token={{token}}&room={{feed_room}}"
cookies.sid = "{{token}}"
headers.Authorization = "Bearer {{token}}"
[[login]]
post = "https://user:pw-33@api.example:8443/login?key=k-44"
json = { password = "{{env API_PASSWORD}}", secret = "s-55" }
capture = { token = "token", feed_room = "room" }
[[stages]]
name = "all"
over = "1s"
clients = 1
"""
    made = loads(text, "x.toml", {})
    assert isinstance(made, Scenario)
    assert {"hunter-22", "pw-33", "k-44", "s-55"} <= set(secrets_of(made))
    shown = " ".join(uses(made))
    assert "makes HTTP requests to: api.example:8443" in shown and "API_PASSWORD" in shown and "pw-33" not in shown
    assert not any(secret in str(masked(made)) for secret in ("hunter-22", "pw-33", "k-44", "s-55"))
    saved = dumps(made)
    for part in ("token={{token}}", 'Authorization = "Bearer {{token}}"', 'sid = "{{token}}"', "${WS_PASSWORD:-}"):
        assert part in saved, part
    assert not any(secret in saved for secret in ("pw-33", "k-44", "s-55")) and "${SECRET:-}" in saved
    again = loads(saved, "x.toml", {"AUTH_TOKEN": "k-44", "WS_PASSWORD": "pw-33", "SECRET": "s-55"})
    assert isinstance(again, Scenario) and again.target == made.target and again.login == made.login


BROKEN = [
    ('url = "ws://h/{{tokn}}"', "", "target.url", "neither a placeholder nor a variable"),
    ('url = "ws://{{client}}.h/"', "", "target.url", "before its path"),
    ('url = "ws://h/{{seq}}"', "", "target.url", "counts messages"),
    ('url = "ws://h/{{feed.user}}"', "", "target.url", "has no feed"),
    ('url = "ws://h/"\nheaders.X = "{{nobody}}"', "", "target.headers.X", "neither a placeholder"),
    ('url = "ws://h/"\ncookies.sid = "{{nobody}}"', "", "target.cookies.sid", "neither a placeholder"),
    ('url = "ws://h/"\nsubprotocols = ["a b{{client}}"]', "", "target.subprotocols[0]", "HTTP does not allow"),
    ('url = "ws://h/"\ncert_file = "{{nobody}}.pem"', "", "target.cert_file", "neither a placeholder"),
    ('url = "ws://h/"\nheaders.X = "{{message.id}}"', "", "target.headers.X", "only there in an answer"),
    ('url = "ws://h/"', '[auth]\nkind = "basic"', "auth.user", "is missing"),
    ('url = "ws://h/"', '[auth]\nkind = "basic"\nuser = "a:b"', "auth.user", "has a colon"),
    ('url = "ws://h/"', '[[login]]\njson = { a = 1 }', "login[0]", "has no URL"),
    ('url = "ws://h/"', '[[login]]\nget = "http://h/"\npost = "http://h/"', "login[0]", "keep one"),
    ('url = "ws://h/"', '[[login]]\npost = "ws://h/login"', "login[0].post", 'did you mean "http://h/login"'),
    ('url = "ws://h/"', '[[login]]\npost = "ftp://h/"', "login[0].post", "is not an http:// or https://"),
    ('url = "ws://h/"', '[[login]]\npost = "http://h/"\njson = { a = 1 }\nbody = "x"', "login[0].json", "keep one"),
    ('url = "ws://h/"', '[[login]]\nget = "http://h/"\nbody = "x"', "login[0].body", "belongs to no GET"),
    ('url = "ws://h/"', '[[login]]\npost = "http://h/{{token}}"\ncapture = { token = "t" }', "login[0].post", "captured later"),
    ('url = "ws://h/"', '[[login]]\npost = "http://h/"\ncapture = { t = "" }', "login[0].capture.t", "is not a path"),
    ('url = "ws://h/"', '[[login]]\npost = "http://h/"\ncapture = { t = "regex:x" }', "login[0].capture.t", "no group"),
    ('url = "ws://h/"', '[[login]]\npost = "http://h/"\ncapture = { t = "header:" }', "login[0].capture.t", "names no header"),
    ('url = "ws://h/"', '[[login]]\npost = "http://h/"\nexpect = { status = 99 }', "login[0].expect", "status"),
    ('url = "ws://h/"', '[[login]]\npost = "http://h/"\nexpect = {}', "login[0].expect", "takes a table"),
    ('url = "ws://h/"', '[[login]]\npost = "http://h/"\nwithin = "0s"', "login[0].within", "more than"),
    ('url = "ws://h/"', "[http]\nconcurrency = -1", "http.concurrency", "at least 1"),
    ('url = "ws://h/"', '[http]\ntimeout = "-1s"', "http.timeout", "negative"),
    ('url = "ws://h/"', '[[login]]\npost = "http://h/{{hmac sha256 NOT_SET_AT_ALL x}}"', "login[0].post", "not set"),
    ('url = "ws://h/"', '[[login]]\npost = "http://h/{{hmac md9 KEY x}}"', "login[0].post", "takes a digest"),
    ('url = "ws://h/"', '[[login]]\nname = "a"\nget = "http://h/"\n[[login]]\nname = "a"\nget = "http://h/"', "login[1].name", "as well"),
    ('url = "ws://h/"', LISTENING + 'url = "http://h/"', "roles[0].url", "is a web address"),
    ('url = "ws://h/"', LISTENING + 'headers.X = "{{nobody}}"', "roles[0].headers.X", "neither a placeholder"),
    ('url = "ws://h/"', LISTENING + 'connect = false\nloop = [{ send = "x" }]', "roles[0].loop[0]", "needs a connection"),
    ('url = "ws://h/"', LISTENING + 'connect = false\nanswer = [{ on = { a = 1 }, send = "x" }]', "roles[0].answer", "needs a"),
    ('url = "ws://h/"', LISTENING + 'loop = [{ send = "x", http = { get = "http://h/" } }]', "roles[0].loop[0]", "at once"),
    ('url = "ws://h/"', LISTENING + "loop = [{ http = {} }]", "roles[0].loop[0].http", "has no URL"),
    ('url = "ws://h/"', LISTENING + 'loop = [{ think = "{{nobody}}s" }]', "roles[0].loop[0].think", "neither a placeholder"),
    ('url = "ws://h/"', LISTENING + 'loop = [{ send = "{{base64}}" }]', "roles[0].loop[0].send", "no text to encode"),
    ('url = "ws://h/"', LISTENING + 'loop = [{ send = "x", capture = { a = "b" } }]', "roles[0].loop[0].capture", "belongs to"),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(BROKEN)))
def test_what_is_wrong_on_the_way_in_is_named_with_its_place_and_fix(case: int) -> None:
    target, tables, place, advice = BROKEN[case]
    text = f'[target]\n{target}\n[[stages]]\nname = "a"\nover = "1s"\nclients = 2\n{tables}\n'
    with pytest.raises(ScenarioError) as caught:
        loads(text, "x.toml", {})
    found = [(problem.key, str(problem)) for problem in caught.value.problems]
    assert any(key.startswith(place) and advice in words for key, words in found), found


def test_a_line_end_from_a_feed_is_found_before_it_breaks_a_header(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text('user\nann\n"bob\nX-Evil: 1"\n')
    text = f"""
[target]
url = "ws://h/{{{{feed.user}}}}"
headers.X-User = "{{{{feed.user}}}}"
[messages]
feed = "{tmp_path / "users.csv"}"
[[stages]]
name = "a"
over = "1s"
clients = 2
"""
    with pytest.raises(ScenarioError) as caught:
        loads(text, "x.toml", {})
    (problem,) = caught.value.problems
    assert problem.key == "target.headers.X-User" and "line break" in problem.message and "row 2" in problem.message
    assert "Evil" not in str(problem)


def test_a_signature_never_shows_the_secret_that_was_written_in_place_of_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = '[[roles]]\nname = "a"\nloop = [{ send = "{{hmac sha256 s3cr3t-value x}}" }]'
    with pytest.raises(ScenarioError) as caught:
        scenario("ws://127.0.0.1:9/", text)
    assert "s3cr3t" not in str(caught.value) and "a variable" in str(caught.value)


@pytest.mark.parametrize(
    ("value", "stays"),
    [
        ("key-{{client}}", True),
        ("key-{{client}}-{{base64 {{client}}:device}}", True),
        ("Bearer {{token}}", True),
        ("sk-live-51H8xJ2-{{client}}", False),
        ("hunter2hunter2", False),
    ],
)
def test_a_header_named_like_a_secret_is_saved_as_written_if_placeholders_make_it(value: str, stays: bool) -> None:
    login = '[[login]]\npost = "http://127.0.0.1:9/"\ncapture = { token = "t" }\n'
    made = scenario("ws://127.0.0.1:9/ws", login + LISTENING, more=f'headers.X-Api-Key = "{value}"')
    assert (value in dumps(made)) == stays and ("${X_API_KEY" in dumps(made)) != stays


async def test_each_client_presents_its_own_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "authority")
    server = authority.sign("server", x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    (tmp_path / "certs").mkdir()
    for user in ("ann", "bob", "cy"):
        signed = authority.sign(user)
        whole = Path(signed.cert_file).read_bytes() + Path(signed.key_file).read_bytes()
        (tmp_path / "certs" / f"{user}.pem").write_bytes(whole)
    (tmp_path / "users.csv").write_text("name\nann\nbob\ncy\n")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.cert_file, server.key_file)
    context.load_verify_locations(authority.file)
    context.verify_mode = ssl.CERT_REQUIRED
    seen: Counter[str] = Counter()

    class Names(Chat):
        async def other(self, client: Connection, first: int, payload: bytes) -> None:
            (name,) = (v for field in client.writer.get_extra_info("peercert")["subject"] for k, v in field)
            seen[f"{name} {payload.decode()}"] += 1

    async with Names(tls=context) as chat:
        more = f"ca_file = '{authority.file}'\ncert_file = 'certs/{{{{feed.name}}}}.pem'"
        roles = '[[roles]]\nname = "one"\nopen = [{ send = "{{feed.name}}" }]\n'
        head = 'feed = "users.csv"\nfeed_per = "client"'
        text = scenario_text(chat.url, roles, clients=3, head=head, more=more)
        (tmp_path / "chat.toml").write_text(text)
        made = load(tmp_path / "chat.toml", {})
        assert isinstance(made, Scenario)
        async with led(made, 2) as workers:
            await until(lambda: workers.c.ready == 3)
            await workers.drained()
    assert seen == {"ann ann": 1, "bob bob": 1, "cy cy": 1}
