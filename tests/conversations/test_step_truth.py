"""The figures of three steps against the server's log, with delays, losses, duplicates and freezes.

Each message carries when it was sent, so the log knows how long every answer took, however busy the machine is: a
client says its next message as soon as it has its answer.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import defaultdict
from itertools import pairwise
from typing import Any

from tests.conversations.chat import scenario
from tests.load.leading import MS, led
from tests.servers.server import Connection, Server, serving, until
from wstui.measure.steps import StepData

STEPS = ("join", "say", "act")
ROLE = '[[roles]]\nname = "member"\n' + "".join(
    f"""
[[roles.loop]]
name = "{name}"
json = {{ step = "{name}", seq = "{{{{seq}}}}", at = "{{{{stamp}}}}" }}
expect = {{ done = "{name}", seq = "{{{{seq}}}}" }}
within = "600ms"
"""
    for name in STEPS
) + '[[roles.loop]]\njson = { step = "end", at = "{{stamp}}" }\n'  # fmt: skip
USUAL_MS = {"join": (20, 45), "say": (5, 15), "act": (60, 90)}
EVERY_MS = 300


class Bent(Server):
    """Answers each step after a time that is drawn, and freezes now and then.

    Until it is `straight` it loses some answers, repeats some, and sends some too late.
    """

    welcome = False

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._draw = random.Random(seed)
        self.log: dict[int, list[tuple[str, int]]] = defaultdict(list)  # of each client: step, when sent
        self.answered: dict[str, list[int]] = defaultdict(list)  # how long answers in time took, up to the send
        self.bent: dict[str, dict[str, int]] = {name: dict.fromkeys(("lost", "late", "twice"), 0) for name in STEPS}
        self._count = 0
        self.straight = False
        self.owed = 0  # answers that are still to be sent too late, or again

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        document = json.loads(payload)
        name, sent_ns = document["step"], document["at"]
        self.log[client.number].append((name, sent_ns))
        if name == "end":
            return
        self._count += 1
        if self._count % 97 == 0:
            time.sleep(0.12)  # noqa: ASYNC251 - nobody is served meanwhile
        kind = "" if self.straight else self._draw.choices(("", "lost", "late", "twice"), (90, 3, 3, 4))[0]
        if kind:
            self.bent[name][kind] += 1
        if kind == "lost":
            return
        wait = 0.75 if kind == "late" else self._draw.uniform(*USUAL_MS[name]) / 1e3
        self.owed += {"late": 1, "twice": 2}.get(kind, 0)
        for again in range(1 + (kind == "twice")):
            asyncio.get_running_loop().call_later(wait + 0.001 * again, self._answer, client, document, kind)

    def _answer(self, client: Connection, document: dict[str, Any], kind: str) -> None:
        self.owed -= bool(kind)
        if kind != "late":
            self.answered[document["step"]].append(time.monotonic_ns() - document["at"])
        client.say(done=document["step"], seq=document["seq"])


class Truth:
    """What the log says of one step: its round trips and response times, and how often no answer came in time.

    The first step of a round is due each `every` after the first one; a step without an answer counts with its limit.
    """

    def __init__(self, log: dict[int, list[tuple[str, int]]], name: str) -> None:
        self.trips: list[int] = []
        self.responses: list[int] = []
        self.lost = 0
        self.unknown = sum(said[-1][0] == name for said in log.values())  # nothing came after it
        then = (*STEPS[1:], "end")[STEPS.index(name)]
        for said in log.values():
            due = 0
            for (step, sent), (after, after_sent) in pairwise(said):
                if step != name:
                    continue
                due = due + EVERY_MS * MS if due else sent
                waited = sent - due if name == STEPS[0] else 0
                if after == then:
                    self.trips.append(after_sent - sent)
                else:
                    self.lost += 1
                self.responses.append((after_sent - sent if after == then else 600 * MS) + waited)


def near(found: int | None, truth: list[int], share: float, unknown: int) -> bool:
    """Whether a quantile is that of the truth, or lies between its neighbours, within 1 ms or 5 %.

    So many values more are unknown to the log: they may move it by as many ranks.
    """
    assert found is not None
    values = sorted(truth)
    at = share * (len(values) - 1)
    low, high = values[max(0, int(at) - 1 - unknown)], values[min(len(values) - 1, int(at) + 2 + unknown)]
    return low - max(MS, 0.05 * low) <= found <= high + max(MS, 0.05 * high)


async def test_the_figures_of_each_step_are_those_of_the_servers_log() -> None:
    server = Bent(seed=5)
    with serving(server):
        async with led(scenario(server.url, ROLE, clients=12, every=f"{EVERY_MS}ms")) as workers:
            await until(lambda: len(server.answered["act"]) >= 150)
            server.straight = True
            whole = len(server.answered["act"]) + 24
            await until(lambda: len(server.answered["act"]) >= whole and not server.owed)
            await workers.drained()
            rows = {row.name: row for row in workers.steps}
    for name in STEPS:
        row, bent, truth = rows[name], server.bent[name], Truth(server.log, name)
        assert 0 <= row.counts.lost - truth.lost <= truth.unknown
        # A machine that is busy may make more of them late, and none less.
        assert row.counts.lost >= bent["lost"] + bent["late"] and row.counts.late >= bent["late"]
        assert row.counts.late - bent["late"] == row.counts.lost - bent["lost"] - bent["late"]
        assert row.counts.duplicates == bent["twice"] > 0 < bent["lost"] * bent["late"]
        check(row, truth, server.answered[name])


def check(row: StepData, truth: Truth, answered: list[int]) -> None:
    """Compare the percentiles of a step."""
    for share in (0.1, 0.5, 0.9, 0.95, 0.99):
        assert near(row.round_trip.quantile(share), truth.trips, share, truth.unknown), (row.name, share)
        assert near(row.response.quantile(share), truth.responses, share, truth.unknown), (row.name, share)
    middle, least = row.round_trip.quantile(0.5) or 0, sorted(answered)[len(answered) // 2]
    assert middle >= least - max(MS, 0.05 * least), "no answer comes before it was sent"
