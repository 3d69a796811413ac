"""What an operator and a plan do to clients, for roles of a file and of a script alike: one conversation, two forms."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from tests.conversations.chat import Chat, scenario
from tests.conversations.test_python_roles import script
from tests.conversations.test_roles import balance, counts
from tests.load.leading import MS, S, Workers, led
from tests.servers.server import PATIENCE_S, until
from wstui.execution.run.run import Run
from wstui.load.protocol import Abort, Drain, Pace, Pause, Ramp, Resume
from wstui.scenario.model import Scenario
from wstui.scenario.trust import allow_scripts

FILE = """
[[roles]]
name = "member"
open = [
  { json = { type = "auth", token = "good" }, name = "in", expect = { type = "auth_ok" }, capture = { i = "user.id" } },
]
loop = [
  { json = { type = "say", seq = "{{seq}}", from = "{{i}}" }, name="go", expect = { type = "said", seq = "{{seq}}" } },
]
leave = [{ json = { type = "leave" } }]
"""
SCRIPT = """
@wstui.role
async def member(client):
    async with client.step("in"):
        await client.send_json({"type": "auth", "token": "good"})
        found = await client.expect(type="auth_ok")
    client.ready()
    async for _ in client.rounds():
        async with client.step("go"):
            await client.send_json({"type": "say", "seq": client.sequence, "from": found["user"]["id"]})
            await client.expect(type="said", seq=client.sequence)
    await client.send_json({"type": "leave"})
"""


class Both:
    """Makes a scenario of one kind."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self._folder = folder

    def __call__(self, server: Chat, clients: int, *, meet: bool = False, **target: str) -> Scenario:
        if self.kind == "file":
            made = scenario(server.url, FILE.replace("loop = [\n", MEET_FIRST) if meet else FILE, clients=clients)
        else:
            rounds = "    async for _ in client.rounds():\n"
            asked = f'{rounds}        await client.meet("table", clients=3, within="20s")\n'
            made = script(self._folder, server.url, SCRIPT.replace(rounds, asked) if meet else SCRIPT, clients=clients)
        return made.model_copy(update={"target": made.target.model_copy(update=target)})


MEET_FIRST = 'loop = [{ meet = { name = "table", clients = 3, within = "20s" } },\n'


@pytest.fixture(params=["file", "script"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Both:
    return Both(request.param, tmp_path)


async def quiet(workers: Workers, server: Chat) -> None:
    """Wait until nothing is said for several rounds, once what was under way has ended."""
    said = -1
    async with asyncio.timeout(PATIENCE_S):
        while workers.c.in_flight or said != server.says:
            said = server.says
            await asyncio.sleep(0.2)


async def test_a_pause_holds_rounds_until_the_run_goes_on_and_a_pace_plans_them_anew(both: Both) -> None:
    async with Chat() as server, led(both(server, 4)) as workers:
        await until(lambda: server.says >= 20)
        workers.handle(Pause())
        await quiet(workers, server)
        said = server.says
        workers.handle(Resume())
        await until(lambda: server.says > said + 8)
        workers.handle(Pace(3600 * S))
        await quiet(workers, server)
        said = server.says
        workers.handle(Pace(5 * MS))
        await until(lambda: server.says > said + 50)
        await workers.drained()
        assert counts(workers, "go").done == server.says and workers.roles["member"].completed == server.says
        balance(workers)


async def test_a_drain_ends_rounds_says_goodbye_and_closes(both: Both) -> None:
    async with Chat(delay_s=dict.fromkeys(range(1, 4000), 0.05)) as server, led(both(server, 5)) as workers:
        await until(lambda: server.says >= 15)
        workers.handle(Drain(5 * S))
        await asyncio.wait_for(workers._ended(), 30)
        assert server.kinds()["leave"] == 5 and server.ends == {"close 1000": 5}
        assert counts(workers, "go").done == server.says and not counts(workers, "go").abandoned
        balance(workers)


async def test_an_abort_abandons_what_is_under_way(both: Both) -> None:
    async with Chat(delay_s=dict.fromkeys(range(1, 4000), 0.3)) as server, led(both(server, 12)) as workers:
        await until(lambda: server.says >= 12)
        workers.handle(Abort())
        await asyncio.wait_for(workers._ended(), 30)
        say = counts(workers, "go")
        assert say.abandoned == workers.c.abandoned > 0 and not say.lost and not server.kinds()["leave"]
        balance(workers)


async def test_a_ramp_down_lets_some_leave_and_the_others_go_on(both: Both) -> None:
    async with Chat() as server, led(both(server, 6)) as workers:
        await until(lambda: workers.c.open == 6 and server.says >= 12)
        workers.handle(Ramp(2, 200 * MS))
        await until(lambda: workers.c.open == 2 and server.kinds()["leave"] == 4)
        said = server.says
        await until(lambda: server.says > said + 10)
        await workers.drained()
        assert server.kinds()["leave"] == 6 and server.ends == {"close 1000": 6}
        balance(workers)


async def test_one_that_was_dropped_comes_back_and_begins_with_its_first_step(both: Both) -> None:
    async with Chat() as server, led(both(server, 3, reconnect="at once")) as workers:
        await until(lambda: server.says >= 10)
        for client in list(server.live.values()):
            client.reset()
        await until(lambda: workers.c.reconnects == 3 and server.kinds()["auth"] == 6)
        said = server.says
        await until(lambda: server.says > said + 10)
        c = await workers.drained()
        assert c.dropped == 3 and counts(workers, "in").done == 6 == workers.roles["member"].ready
        first = {number: next(d["type"] for n, d in server.log if n == number) for number, _ in server.log}
        assert set(first.values()) == {"auth"}
        balance(workers)


async def test_clients_of_two_workers_meet_through_pause_reconnect_and_ramp_down(both: Both) -> None:
    async with Chat() as server, led(both(server, 6, meet=True, reconnect="at once"), workers=2) as workers:
        await until(lambda: server.says >= 12)
        workers.handle(Pause())
        await quiet(workers, server)
        workers.handle(Resume())
        for client in list(server.live.values())[:2]:
            client.reset()
        await until(lambda: workers.c.reconnects == 2)
        said = server.says
        await until(lambda: server.says > said + 12)
        workers.handle(Ramp(3, 0))
        await until(lambda: workers.c.open == 3)
        said = server.says
        await until(lambda: server.says > said + 6)
        workers.handle(Ramp(2, 0))
        await until(lambda: workers.c.open == 2)
        await quiet(workers, server)  # two are too few to meet
        await workers.drained()
        balance(workers)


async def test_stages_and_arrivals_bring_clients_and_let_them_go(both: Both) -> None:
    async with Chat() as server:
        made = both(server, 4)
        stage = made.stages[0]
        stages = [
            stage.model_copy(update={"name": "up", "over": 0.5}),
            stage.model_copy(update={"name": "visit", "over": 1.0, "arrive": 10.0, "stay": 0.4}),
            stage.model_copy(update={"name": "down", "over": 0.5, "clients": 1}),
        ]
        target = made.target.model_copy(update={"health": "off"})
        made = made.model_copy(update={"stages": stages, "target": target})
        allow_scripts(made)
        result = await Run(made).execute()
    (say,) = (step for step in result.steps if step.name == "go")
    (auth,) = (step for step in result.steps if step.name == "in")
    kinds = server.kinds()
    assert [stage.name for stage in result.stages] == ["up", "visit", "down"]
    assert auth.done == kinds["auth"] == result.connections.ready >= 8
    # Who is cut short at the end has said something, and leaves without an answer.
    assert say.begun == kinds["say"] and say.done + say.abandoned == say.begun
    ended = Counter(server.ends)
    assert kinds["leave"] == ended["close 1000"] == result.connections.ready
