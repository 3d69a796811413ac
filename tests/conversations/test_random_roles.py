"""Random roles against a server that loses, delays and repeats: both sides count the same, and every book balances."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from tests.conversations.chat import Chat, scenario
from tests.conversations.test_roles import balance
from tests.load.leading import MS, Workers, led
from tests.servers.server import until
from wstui.load.protocol import Abort, Drain, Pace, Pause, Ramp, Resume
from wstui.scenario.conversation.role import Role
from wstui.scenario.model import Scenario

OPEN = {
    "name": "auth", "json": {"type": "auth", "token": "good"}, "expect": {"type": "auth_ok"},
    "within": 5.0, "capture": {"id": "user.id"},
}  # fmt: skip


def steps(draw: random.Random, depth: int, names: list[str]) -> list[dict[str, Any]]:
    """A few random steps; each message's `step` is its name, so that the server's log can be counted by it."""
    made: list[dict[str, Any]] = []
    for _ in range(draw.randint(1, 3)):
        kind = draw.choice(["ask", "ask", "say", "think", "repeat", "choose"] if depth else ["ask", "say", "think"])
        if kind == "think":
            made.append({"think": draw.choice(["0s", "1ms..5ms", "exponential 2ms"])})
        elif kind == "repeat":
            made.append({"repeat": draw.randint(1, 3), "steps": steps(draw, depth - 1, names)})
        elif kind == "choose":
            ways = [{"weight": w, "steps": steps(draw, depth - 1, names)} for w in (draw.randint(1, 4), 1)]
            made.append({"choose": [*ways, {"weight": draw.randint(0, 1)}]})
        else:
            names.append(f"step{len(names)}")
            message = {
                "type": "say" if kind == "ask" else "note",
                "step": names[-1],
                "seq": "{{seq}}",
                "from": "{{id}}",
            }
            step: dict[str, Any] = {"name": names[-1], "json": message}
            if kind == "ask":
                expect = {"type": "said", "seq": "{{seq}}", "from": "{{id}}"}
                step |= {"expect": expect, "within": draw.choice([0.05, 0.2, 2.0])}
            made.append(step)
    return made


async def disturb(draw: random.Random, workers: Workers, server: Chat) -> None:
    """Pause, ramp, change the pace and drop clients, at random times."""
    for _ in range(draw.randint(2, 5)):
        await asyncio.sleep(draw.uniform(0.01, 0.12))
        match draw.choice(["pause", "ramp", "pace", "drop", "nothing"]):
            case "pause":
                workers.handle(Pause())
                await asyncio.sleep(draw.uniform(0.0, 0.05))
                workers.handle(Resume())
            case "ramp":
                workers.handle(Ramp(draw.randint(1, 8), draw.choice([0, 50 * MS])))
            case "pace":
                workers.handle(Pace(draw.choice([5, 20, 100]) * MS))
            case "drop":
                for client in list(server.live.values())[: draw.randint(1, 3)]:
                    client.reset() if draw.random() < 0.5 else client.close(1011, "no")


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_happens_the_books_balance(seed: int) -> None:
    draw = random.Random(seed)
    bent = [n for n in range(1, 2000) if draw.random() < 0.1]
    settings: dict[str, Any] = {
        "lose": frozenset(bent[::3]), "twice": frozenset(bent[1::3]), "delay_s": dict.fromkeys(bent[2::3], 0.08),
    }  # fmt: skip
    names: list[str] = []
    async with Chat(**settings) as server:
        made = scenario(server.url, '[[roles]]\nname = "x"', clients=6, every="20ms", more='reconnect = "at once"')
        roles = [
            Role.model_validate(
                {
                    "name": name,
                    "weight": draw.randint(1, 5),
                    "open": [OPEN | {"name": f"auth-{name}"}],
                    "loop": steps(draw, 2, names),
                    "leave": [{"json": {"type": "leave"}}] if draw.random() < 0.5 else [],
                }
            )
            for name in ("one", "two")
        ]
        made = Scenario.model_validate(made.model_copy(update={"roles": roles}).model_dump())
        async with led(made) as workers:
            await until(lambda: server.says + server.kinds()["note"] > 20)
            await disturb(draw, workers, server)
            quiet = draw.random() < 0.5
            workers.handle(Drain(2_000 * MS) if quiet else Abort())
            await asyncio.wait_for(workers._ended(), 30)
        balance(workers)
        c = workers.c
        began = {step.name: step.counts.begun for step in workers.steps}
        heard = dict.fromkeys(names, 0)
        for _, document in server.log:
            if document["type"] in ("say", "note"):
                heard[document["step"]] += 1
        # What was written when a connection was reset may never have arrived.
        lost_with_them = c.dropped if quiet else c.dropped + 8
        for name in names:
            assert 0 <= began.get(name, 0) - heard[name] <= lost_with_them, name
        assert c.sent == sum(began.get(name, 0) for name in names)
        assert c.attempted == c.ready + c.refused + c.timed_out + c.failed + c.drained
