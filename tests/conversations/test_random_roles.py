"""Random roles against a server that loses, delays and repeats: both sides count the same, and every book balances."""

from __future__ import annotations

import asyncio
import random
import re
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.conversations.chat import Chat, scenario
from tests.conversations.test_python_roles import script
from tests.conversations.test_roles import balance
from tests.load.leading import MS, Workers, led
from tests.servers.server import Connection, until
from wstui.load.protocol import Abort, Drain, Pace, Pause, Ramp, Resume
from wstui.scenario.conversation.role import Role
from wstui.scenario.model import Scenario

OPEN = {
    "name": "auth", "json": {"type": "auth", "token": "good"}, "expect": {"type": "auth_ok"},
    "refuse": {"type": "auth_error"}, "within": 0.4, "capture": {"id": "user.id"},
}  # fmt: skip
MESSAGE = {"seq": "{{seq}}", "from": "{{id}}"}
ASK = st.builds(
    lambda within: {"json": MESSAGE | {"type": "say"}, "expect": MESSAGE | {"type": "said"}, "within": within},
    st.sampled_from([0.05, 0.2, 2.0]),
)
SAY = st.just({"json": MESSAGE | {"type": "note"}})
THINK = st.sampled_from(["0s", "1ms..5ms", "exponential 2ms"]).map(lambda think: {"think": think})
LEAF = st.one_of(ASK, ASK, SAY, THINK)


def _inner(step: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    steps = st.lists(step, min_size=1, max_size=3)
    ways = st.lists(
        st.builds(lambda weight, steps: {"weight": weight, "steps": steps}, st.integers(1, 4), steps),
        min_size=1,
        max_size=3,
    )
    empty = st.integers(0, 1).map(lambda weight: {"weight": weight})
    return st.one_of(
        st.builds(lambda times, steps: {"repeat": times, "steps": steps}, st.integers(1, 3), steps),
        st.builds(lambda ways, nothing: {"choose": [*ways, nothing]}, ways, empty),
        st.integers(1, 3).map(lambda clients: {"meet": {"name": "few", "clients": clients, "within": 0.1}}),
    )


LOOP = st.lists(st.recursive(LEAF, _inner, max_leaves=6), min_size=1, max_size=4)
DISTURBANCES = st.lists(
    st.one_of(
        st.floats(0, 0.05).map(lambda length: ("pause", length)),
        st.tuples(st.just("ramp"), st.integers(1, 8), st.sampled_from([0, 50 * MS])),
        st.sampled_from([5, 20, 100]).map(lambda every: ("pace", every * MS)),
        st.tuples(st.just("drop"), st.integers(1, 3), st.booleans()),
    ),
    max_size=5,
)


class ChatModel(Chat):
    """Answers as the model says, and knows of each step how many answers it has sent."""

    shut: frozenset[int] = frozenset()  # numbers of the logins that are refused
    silent: frozenset[int] = frozenset()  # and of those that get no answer

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.auths = 0
        self.heard: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        before = len(self.log), self.says
        if b'"auth"' in payload:
            self.auths += 1
            if self.auths in self.shut | self.silent:
                if self.auths in self.shut:
                    self.say(client, type="auth_error")
                return
        await super().other(client, first, payload)
        for _, document in self.log[before[0] :]:
            if name := document.get("step"):
                self.heard[name] += 1
                if self.says > before[1] and self.says not in self.lose:
                    self.answered[name] += 1 + (self.says in self.twice)


def named(steps: list[dict[str, Any]], names: list[str]) -> list[dict[str, Any]]:
    """Give each message a name of its own, which it also says, so that the server can count it."""
    made = []
    for step in steps:
        step = dict(step)
        if "json" in step:
            names.append(f"step{len(names)}")
            step |= {"name": names[-1], "json": step["json"] | {"step": names[-1]}}
        if "steps" in step:
            step["steps"] = named(step["steps"], names)
        if "choose" in step:
            step["choose"] = [way | {"steps": named(way.get("steps", []), names)} for way in step["choose"]]
        made.append(step)
    return made


async def disturb(what: tuple[Any, ...], workers: Workers, server: Chat) -> None:
    """Pause, ramp, change the pace, or drop clients."""
    match what:
        case ("pause", length):
            workers.handle(Pause())
            await asyncio.sleep(length)
            workers.handle(Resume())
        case ("ramp", clients, over):
            workers.handle(Ramp(clients, over))
        case ("pace", every):
            workers.handle(Pace(every))
        case ("drop", count, hard):
            for client in list(server.live.values())[:count]:
                client.reset() if hard else client.close(1011, "no")


async def disturbed(
    workers: Workers, server: Chat, disturbances: list[tuple[Any, ...]], draw: random.Random, quiet: bool
) -> None:
    """Disturb a run that has begun, one after the other, and end it."""
    await until(lambda: sum(role.begun for role in workers.roles.values()) > 20)
    for what in disturbances:
        await asyncio.sleep(draw.uniform(0.01, 0.1))
        await disturb(what, workers, server)
    workers.handle(Drain(2_000 * MS) if quiet else Abort())
    await asyncio.wait_for(workers._ended(), 30)


@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # each example takes a second: shrinking would take minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(loops=st.tuples(LOOP, LOOP), disturbances=DISTURBANCES, seed=st.integers(0, 1000), quiet=st.booleans())
def test_whatever_happens_the_books_balance(
    loops: tuple[list[Any], list[Any]], disturbances: list[tuple[Any, ...]], seed: int, quiet: bool
) -> None:
    asyncio.run(_balances(loops, disturbances, random.Random(seed), quiet))


async def _balances(
    loops: tuple[list[Any], list[Any]], disturbances: list[tuple[Any, ...]], draw: random.Random, quiet: bool
) -> None:
    bent = [n for n in range(1, 2000) if draw.random() < 0.1]
    server = ChatModel(
        lose=frozenset(bent[::3]), twice=frozenset(bent[1::3]), delay_s=dict.fromkeys(bent[2::3], 0.08),
        shut=frozenset(draw.sample(range(1, 30), 3)), silent=frozenset(draw.sample(range(1, 30), 2)),
    )  # fmt: skip
    names: list[str] = []
    async with server:
        made = scenario(server.url, '[[roles]]\nname = "x"', clients=6, every="20ms", more='reconnect = "at once"')
        roles = [
            Role.model_validate(
                {
                    "name": name,
                    "weight": weight,
                    "open": [OPEN | {"name": f"auth-{name}"}],
                    "loop": [*named(loop, names), {"think": "1ms"}],
                    "leave": [{"json": {"type": "leave"}}] if draw.random() < 0.5 else [],
                }
            )
            for name, weight, loop in zip(("one", "two"), (draw.randint(1, 5), 1), loops, strict=True)
        ]
        made = Scenario.model_validate(made.model_copy(update={"roles": roles}).model_dump())
        async with led(made) as workers:
            await disturbed(workers, server, disturbances, draw, quiet)
        balance(workers)
        cut = sum(what[1] for what in disturbances if what[0] == "drop")
        _compare(workers, server, names, quiet, cut)


def spoken(steps: list[dict[str, Any]], indent: str) -> list[str]:
    """The same steps as lines of a script."""
    lines = []
    for step in steps:
        match step:
            case {"json": message, "name": name}:
                own = '"seq": client.sequence, "from": client["id"]'
                said = f'{{"type": {message["type"]!r}, "step": {name!r}, {own}}}'
                lines += [f"async with client.step({name!r}):", f"    await client.send_json({said})"]
                if "expect" in step:
                    wanted = f'{{"type": "said", {own}}}'
                    lines.append(f"    await client.expect({wanted}, within={step['within']})")
            case {"think": think}:
                lines.append(f"await client.think({think!r})")
            case {"repeat": times, "steps": inner}:
                lines += [f"for _ in range({times}):", *spoken(inner, "    ")]
            case {"choose": ways}:
                weights = [way["weight"] for way in ways]
                lines.append(f"way = client.random.choices(range({len(ways)}), {weights})[0]")
                for number, way in enumerate(ways):
                    lines += [f"if way == {number}:", *spoken(way.get("steps", []), "    "), "    pass"]
            case {"meet": meet}:
                lines += ["async with client.step('meet'):", f"    await client.meet(**{meet})"]
    return [indent + line for line in lines]


SCRIPT = """
@wstui.role
async def member(client):
    async with client.step("auth") as step:
        await client.send_json({"type": "auth", "token": "good"})
        found = await client.expect(type="auth_ok", refuse={"type": "auth_error"}, within=0.4)
        client["id"] = found["user"]["id"]
    if step.failed:
        return
    client.ready()
    async for _ in client.rounds():
LOOP
        await client.think("1ms")
    await client.send_json({"type": "leave"})
"""


@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(loop=LOOP, disturbances=DISTURBANCES, seed=st.integers(0, 1000), quiet=st.booleans())
def test_whatever_happens_the_books_of_scripts_balance(
    loop: list[Any], disturbances: list[tuple[Any, ...]], seed: int, quiet: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_balances_in_a_script(loop, disturbances, random.Random(seed), quiet, Path(folder)))


async def _balances_in_a_script(
    loop: list[Any], disturbances: list[tuple[Any, ...]], draw: random.Random, quiet: bool, folder: Path
) -> None:
    bent = [n for n in range(1, 2000) if draw.random() < 0.1]
    names: list[str] = []
    text = SCRIPT.replace("LOOP", "\n".join(spoken(named(loop, names), " " * 8)))
    server = ChatModel(
        lose=frozenset(bent[::3]), twice=frozenset(bent[1::3]), delay_s=dict.fromkeys(bent[2::3], 0.08),
        shut=frozenset(draw.sample(range(1, 30), 3)), silent=frozenset(draw.sample(range(1, 30), 2)),
    )  # fmt: skip
    async with server:
        made = script(folder, server.url, text, clients=6)
        made = made.model_copy(update={"target": made.target.model_copy(update={"reconnect": "at once"})})
        async with led(made) as workers:
            await disturbed(workers, server, disturbances, draw, quiet)
        assert not any(worker.reports.mistake for worker in workers.all)
        balance(workers)
    asked = re.findall(r"step\('(\w+)'\):\n.*\n +await client.expect", text)
    c, steps = workers.c, {step.name: step.counts for step in workers.steps}
    assert c.attempted == c.ready + c.refused + c.timed_out + c.failed + c.drained
    for name in names:
        if name not in steps:
            continue
        # One that a pause holds up, or whose client is dropped, has begun and is never heard.
        assert server.heard[name] <= steps[name].begun
        if name in asked:
            assert steps[name].done - steps[name].failed <= server.heard[name]


def _compare(workers: Workers, server: ChatModel, names: list[str], quiet: bool, cut: int) -> None:
    c = workers.c
    steps = {step.name: step.counts for step in workers.steps}
    # What was written when a connection was reset may never have arrived.
    lost_with_them = c.dropped if quiet else c.dropped + 8
    for name in (name for name in names if name in steps):
        n = steps[name]
        assert 0 <= n.begun - server.heard[name] <= lost_with_them, name
        if server.answered[name]:
            missing = server.answered[name] - (n.done + n.late + n.duplicates)
            # An answer that nobody saw: its client had gone, or would not wait for it any more.
            assert 0 <= missing <= n.abandoned + n.lost + c.dropped + c.closed, name
    assert c.sent == sum(steps[name].begun for name in names if name in steps)
    assert c.attempted == c.ready + c.refused + c.timed_out + c.failed + c.drained
    opened = [counts for name, counts in steps.items() if name.startswith("auth-")]
    said_no = sum(n.failed for n in opened)
    # A connection that the server closes before its client is ready is refused as well.
    assert said_no <= c.refused <= said_no + cut and said_no <= len(server.shut)
    assert sum(n.begun for n in opened) >= server.auths
    assert sum(role.ready for role in workers.roles.values()) == c.ready
