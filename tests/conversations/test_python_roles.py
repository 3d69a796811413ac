"""Roles written in Python, over real sockets: the same runtime, figures and endings as those of a file."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from tests.conversations.chat import Chat
from tests.conversations.test_roles import balance, counts, drained_with_equal_counts
from tests.load.leading import MS, led
from tests.servers.server import until
from wstui.load.protocol import Pause, Resume
from wstui.scenario.errors import ScenarioError
from wstui.scenario.file import load
from wstui.scenario.model import Scenario
from wstui.scenario.trust import allow_scripts

MEMBER = """
@wstui.role(weight=1)
async def member(client: wstui.Client) -> None:
    async with client.step("auth"):
        await client.send_json({"type": "auth", "token": "good"})
        found = await client.expect(type="auth_ok", refuse={"type": "auth_error"}, within="5s")
    client["id"] = found["user"]["id"]
    client.ready()
    async for _ in client.rounds():
        async with client.step("say") as step:
            await client.send_json({"type": "say", "seq": client.sequence, "from": client["id"]})
            await client.expect({"type": "said", "from": client["id"]}, seq=client.sequence)
    await client.send_json({"type": "leave", "id": client["id"]})
"""


def script(folder: Path, url: str, roles: str, clients: int = 1, every: str = "20ms", head: str = "") -> Scenario:
    """A script with these roles, whose scenario is a dict."""
    path = folder / "chat.py"
    tables = {
        "target": {"url": url, "settle": "50ms", "close_timeout": "2s"},
        "stages": [{"name": "all", "over": "60s", "clients": clients}],
        "messages": {"every": every, "timeout": "1500ms"},
    }
    path.write_text(f"import wstui\n{head}\nscenario = {tables!r}\n{textwrap.dedent(roles)}")
    made = load(path, {})
    assert isinstance(made, Scenario)
    assert allow_scripts(made) == ["chat.py"]
    return made


async def test_a_script_logs_in_talks_and_leaves_and_both_sides_count_the_same(tmp_path: Path) -> None:
    async with Chat() as server, led(script(tmp_path, server.url, MEMBER, clients=5)) as workers:
        await until(lambda: workers.c.matched >= 100)
        await drained_with_equal_counts(server, workers)
        says = [(number, document["seq"]) for number, document in server.log if document["type"] == "say"]
        assert len(set(says)) == len(says)
        balance(workers)


async def test_lost_late_and_doubled_answers_are_told_apart(tmp_path: Path) -> None:
    lose, twice, delay = frozenset({3, 8}), frozenset({5, 6, 11}), {7: 0.45}
    roles = MEMBER.replace("seq=client.sequence)", "seq=client.sequence, within=0.3)")
    server = Chat(lose=lose, twice=twice, delay_s=delay)
    async with server, led(script(tmp_path, server.url, roles)) as workers:
        await until(lambda: server.says >= 30)
        c = await workers.drained()
        say = counts(workers, "say")
        assert (say.lost, say.failed) == (3, 0)
        assert (c.reply_timeouts, c.late, c.duplicates, c.unmatched) == (3, 1, 3, 0)
        response = next(step.response for step in workers.steps if step.name == "say")
        assert response.high >= 300 * MS and sum(response.counts) == say.done + say.lost
        assert workers.roles["member"].failed == 3
        balance(workers)


async def test_a_refused_login_is_a_refused_attempt(tmp_path: Path) -> None:
    async with Chat(token="other") as server, led(script(tmp_path, server.url, MEMBER, clients=3)) as workers:
        await until(lambda: workers.c.refused == 3)
        (failure,) = workers.failures
        assert (failure.kind, failure.message) == ("refused", 'member, auth: type = "auth_error"')
        assert counts(workers, "auth").failed == 3 and workers.c.ready == workers.c.sent == 0


async def test_several_messages_may_be_in_flight_and_a_pause_holds_them_up(tmp_path: Path) -> None:
    roles = """
    @wstui.role
    async def pairs(client):
        async for number in client.rounds():
            for index in (0, 1):
                await client.send_json({"type": "say", "seq": 2 * number + index, "from": client.number})
            for index in (0, 1):
                await client.expect(type="said", seq=2 * number + index)
            await client.think("1ms..3ms")
            await client.send("note".join(['{"type":"', '"}']))
    """
    async with Chat() as server, led(script(tmp_path, server.url, roles, clients=3)) as workers:
        await until(lambda: workers.c.matched >= 60)
        workers.handle(Pause())
        await until(lambda: workers.c.in_flight == 0)
        said = server.says
        workers.handle(Resume())
        await until(lambda: server.says > said + 10)
        c = await workers.drained()
        kinds = server.kinds()
        assert c.matched == kinds["say"]
        # A client that is to leave goes on with its round: what it sends then is not of the load.
        assert 0 <= kinds["note"] - c.no_reply_expected <= 3
        balance(workers)


async def test_clients_reconnect_meet_and_listen(tmp_path: Path) -> None:
    roles = """
    @wstui.role
    async def pair(client):
        client.ready()
        async for _ in client.rounds():
            await client.meet("round", clients=2, within="5s")
            await client.send_json({"type": "go", "at": client.stamp, "dice": client.random.randrange(6)})

    @wstui.role(clients=1, delivery={"of": {"type": "none"}, "stamp": "at"})
    async def listener(client):
        await client.listen()
        await client.send_json({"type": "leave"})
    """
    made = script(tmp_path, "ws://127.0.0.1:1", roles, clients=3)
    async with Chat() as server:
        target = made.target.model_copy(update={"url": server.url, "reconnect": "at once"})
        async with led(made.model_copy(update={"target": target})) as workers:
            await until(lambda: server.kinds()["go"] >= 8)
            for client in list(server.live.values()):
                client.reset()
            await until(lambda: workers.c.reconnects == 3 and server.kinds()["go"] >= 16)
            await workers.drained()
            assert server.kinds()["leave"] == 1 and server.kinds()["go"] % 2 == 0
            balance(workers)


SAY = "async with client.step('say'):"
MISTAKES = {
    "asyncio.sleep": ("await asyncio.sleep(1)", "line 8, in member: awaits asyncio.sleep, which is not wstui's"),
    "gather": ("await asyncio.gather(asyncio.sleep(1))", "line 8, in member: awaits"),
    "raises in a step": (f"{SAY} {{}}['x']", f"line 8, in member: {SAY} {{}}['x']\nKeyError: 'x'\nin step say"),
    "sleeps in a step": (f"{SAY} await asyncio.sleep(1)", "line 8, in member, step say: awaits asyncio.sleep"),
    "blocks in a step": (f"{SAY} time.sleep(2.5)", "line 8, in member, step say: blocks its worker"),
    "bad time in a step": (f"{SAY} await client.expect(type='x', within='soon')", 'write "250ms"'),
    "raises": ("{}['x']", "line 8, in member: {}['x']\nKeyError: 'x'"),
    "no variable": ("client['token']", "is neither a variable of this client nor a column of the feed"),
    "blocks": ("time.sleep(2.5)", "line 8, in member: blocks its worker"),
    "bad matcher": ("await client.expect({'a..b': 1})", "is not a path"),
    "sys.exit": ("import sys; sys.exit(3)", "line 8, in member: import sys; sys.exit(3)\nSystemExit: 3"),
    "cancelled": ("raise asyncio.CancelledError", "CancelledError"),
    "bare": ("raise BaseException('odd')", "BaseException: odd"),
    "number sent": ("await client.send(3)", "send takes a text, not int"),
    "text as bytes": ("await client.send_bytes('x')", "send_bytes takes bytes, not str"),
    "no duration": ("await client.expect(type='x', within='soon')", 'is not a duration: write "250ms"'),
    "no time": ("await client.expect(type='x', within=-1)", "within=-1 must be more than 0"),
    "negative think": ("await client.think(-1)", "a delay is not negative"),
    "name of a step": ("name = 'a b.c'\n        async with client.step(name): pass", "takes letters, digits, - and _"),
    "data in names": ("for n in range(300):\n            async with client.step(f's{n}'): pass", "more than 200 names"),
    "nobody meets": ("await client.meet('x', clients=-1)", "a number of clients from 0 on"),
    "refuse": ("await client.expect(type='a', refuse=3)", "a matcher is a table"),
    "recursion": ("def f(): f()\n        f()", "more calls)"),
    "nested steps": ("async with client.step('a'):\n            async with client.step('b'): pass", "inside step 'a'"),
}


UNREAD = {
    "not awaited": (
        "client.send('x')",
        "line 7: client.send is not awaited, so nothing happens: write await client.send",
    ),
    "name of a step": ("async with client.step('a b.c'): pass", 'line 7: the name of a step, "a b.c", takes letters'),
    "yields": ("yield 1", "line 7: member yields"),
    "syntax": ("await", "is not valid Python"),
}


@pytest.mark.parametrize("mistake", UNREAD)
def test_what_a_script_can_never_mean_is_told_before_the_run(mistake: str, tmp_path: Path) -> None:
    line, told = UNREAD[mistake]
    with pytest.raises(ScenarioError) as caught:
        script(
            tmp_path, "ws://127.0.0.1:9", f"@wstui.role\nasync def member(client):\n    client.ready()\n    {line}\n"
        )
    assert told in str(caught.value) and "chat.py" in str(caught.value)


async def test_a_script_that_raises_in_one_client_of_a_thousand_ends_the_run_with_its_line(tmp_path: Path) -> None:
    roles = """
    @wstui.role
    async def member(client):
        client.ready()
        async for number in client.rounds():
            if client.number == 777 and number == 2:
                raise ValueError("the odd one")
    """
    async with Chat() as server, led(script(tmp_path, server.url, roles, clients=1000), 2) as workers:
        await until(lambda: any(worker.reports.mistake for worker in workers.all))
        told = "".join(worker.reports.mistake for worker in workers.all)
        assert told == 'chat.py, line 10, in member: raise ValueError("the odd one")\nValueError: the odd one'
        assert not workers.failures and not server.ends


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_a_mistake_of_a_script_is_told_with_its_line(mistake: str, tmp_path: Path) -> None:
    line, told = MISTAKES[mistake]
    roles = f"""
    @wstui.role
    async def member(client):
        client.ready()
        {line}
    """
    async with Chat() as server:
        made = script(tmp_path, server.url, roles, clients=1, head="import asyncio, time")
        async with led(made) as workers:
            await until(lambda: any(worker.reports.mistake for worker in workers.all))
            (mistake_text,) = (worker.reports.mistake for worker in workers.all)
            assert mistake_text.startswith("chat.py, line ") and told in mistake_text
            assert "wstui/load" not in mistake_text
            assert not workers.failures
