"""What rules measure when hosts have clocks of their own."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import datetime, timedelta, timezone
from typing import Any

from tests.conversations.chat import Chat, PublishingChat, scenario
from tests.load.leading import MS, S, led
from tests.servers.server import Connection, until
from wstui.fleet.hosts.host_link import HostLink
from wstui.load.protocol import OperatorBeat, Pace, decode_command, encode

ROLES = """
[[roles]]
name = "listener"
[roles.delivery]
name = "news"
of = { type = "news" }
stamp = "at"
unit = "stamp"
[[roles]]
name = "publisher"
clients = 1
loop = [{ json = { type = "publish", at = "{{stamp}}" } }]
"""


async def test_a_stamp_of_another_host_counts_with_the_offset_of_its_clock() -> None:
    server = PublishingChat()
    async with server, led(scenario(server.url, ROLES, clients=2), workers=2) as workers:
        # The publisher is client 0, of worker 0; its host's clock seems to be 7 s ahead, the listener's 6.9 s.
        for worker, ahead in zip(workers.all, (7 * S, 7 * S - 100 * MS), strict=True):
            worker.handle(OperatorBeat(ahead))
        server.ages.clear()
        before = sum(row.counts.done for row in workers.steps if row.name == "news")
        await until(lambda: sum(row.counts.done for row in workers.steps if row.name == "news") >= before + 5)
        news = [row for row in workers.steps if row.name == "news"]
        await workers.drained()
    assert min(server.ages[None][1:]) >= 7 * S, "stamps are of the operator's clock"
    assert sum(row.response.count for row in news) >= 5 and min(row.response.low for row in news) >= 0
    assert max(row.response.high for row in news) >= 100 * MS


STAMPS = {"s": "a.s", "ms": "a.0.ms", "us": "us", "ns": "a.text.ns", "iso": "a.iso", "auto": "a.s"}
STAMPED = '[[roles]]\nname = "one"\nopen = [{ json = { type = "go" }, expect = { type = "go" } }]\n' + "".join(
    f"""[[roles.delivery]]
name = "{unit}"
of = {{ type = "{unit}" }}
stamp = "{path}"
unit = "{unit}"
"""
    for unit, path in STAMPS.items()
)


class Stamped(Chat):
    """Sends a message for each unit of stamps, of 250 ms ago."""

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        at = time.time_ns() - 250 * MS
        zone = timezone(timedelta(hours=2))
        client.say(type="s", a={"s": at / 1e9})
        client.say(type="ms", a=[{"ms": at // MS}])
        client.say(type="us", us=str(at // 1000))
        client.say(type="ns", a={"text": json.dumps({"ns": at})})
        client.say(type="iso", a={"iso": datetime.fromtimestamp(at / 1e9, zone).isoformat()})
        client.say(type="auto", a={"s": at / 1e9})
        client.say(type="go")


async def test_stamps_are_read_in_every_unit_at_any_path() -> None:
    async with Stamped() as server, led(scenario(server.url, STAMPED, clients=1)) as workers:
        await until(lambda: workers.c.ready == 1)
        rows = {row.name: row for row in workers.steps}
        await workers.drained()
    found = [rows[unit].response for unit in STAMPS]
    assert all(rows[unit].counts.done == 1 and not rows[unit].counts.failed for unit in STAMPS)
    low, high = min(each.low for each in found), max(each.high for each in found)
    assert low >= 250 * MS and high < 60 * S
    assert high - low <= 0.03 * low + 2 * MS, "the same stamp, in whole milliseconds at the roughest"


class _Agent:
    """A host whose clock is 3 s ahead."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    async def tell(self, batch: list[tuple[int, bytes]]) -> int:
        self.told += [(worker, decode_command(message)) for worker, message in batch]
        return time.monotonic_ns() + 3 * S


class _Probe:
    name = "other"
    facts = None


async def test_a_host_is_told_how_far_ahead_its_clock_is() -> None:
    agent = _Agent()
    probe: Any = _Probe()
    link = HostLink(probe, agent, lambda name, reason: None)
    link.workers.append(4)
    link.send(4, encode(Pace(1)))
    async with asyncio.timeout(30):
        while len(agent.told) < 2:
            await asyncio.sleep(0.01)
    link.lose("the test is over")
    (_, first), (worker, beat), *_ = agent.told
    assert first == Pace(1) and worker == 4
    assert isinstance(beat, OperatorBeat) and abs(beat.ahead_ns - 3 * S) < 1 * S


class _Slow(_Agent):
    """Its first answers take their time on the way back."""

    slow = True

    async def tell(self, batch: list[tuple[int, bytes]]) -> int:
        there_ns = await super().tell(batch)
        await asyncio.sleep(0.02 if self.slow else 0.0)
        return there_ns


async def test_the_clock_of_a_host_is_as_uncertain_as_when_stamps_were_made_by_it() -> None:
    agent = _Slow()
    probe: Any = _Probe()
    link = HostLink(probe, agent, lambda name, reason: None)
    link.workers.append(4)

    def beats() -> list[int]:
        return [said.ahead_ns for _, said in agent.told if isinstance(said, OperatorBeat)]

    link.send(4, encode(Pace(1)))
    async with asyncio.timeout(30):
        for told in (1, 2, 3):
            while len(beats()) < told:
                await asyncio.sleep(0.005)
            agent.slow = False
            link.send(4, encode(OperatorBeat()))
    link.lose("the test is over")
    off = max(abs(ahead - 3 * S) for ahead in beats())
    assert off > 5 * MS and link.host.uncertainty_ns is not None
    assert off <= link.host.uncertainty_ns
