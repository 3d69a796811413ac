"""Clients of several workers meet: exactly so many go on together, and nobody waits beyond the time limit."""

from __future__ import annotations

import asyncio
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tests.conversations.chat import Chat, scenario
from tests.conversations.test_roles import balance, counts
from tests.load.leading import MS, led
from tests.servers.server import until
from wstui.execution.run.run import Run
from wstui.fleet.meetings import MeetingRelay
from wstui.load.protocol import Pause, Ramp, Resume, Waiting

PAIRS = """
[[roles]]
name = "player"
loop = [
  { name = "sync", meet = { name = "table", clients = 4, within = "5s" } },
  { json = { type = "go", from = "{{client}}" } },
]
"""
ANNOUNCER = """
[[roles]]
name = "announcer"
clients = 1
loop = [{ name = "wait", meet = { name = "all ready", within = "20s" } }, { json = { type = "announce" } }]
[[roles]]
name = "listener"
"""


async def test_clients_of_three_workers_go_on_in_groups_of_exactly_four() -> None:
    async with Chat() as server, led(scenario(server.url, PAIRS, clients=9), workers=3) as workers:
        await until(lambda: server.kinds()["go"] >= 24)
        assert counts(workers, "sync").done % 4 == 0
        await workers.drained()  # which may cut a meeting, or the round of those that met
        assert 0 <= counts(workers, "sync").done - server.kinds()["go"] <= 8
        senders = [document["from"] for _, document in server.log]
        assert all(len(set(senders[at : at + 4])) == 4 for at in range(0, 8, 4))
        balance(workers)


async def test_all_ready_waits_for_the_planned_clients_of_every_worker_through_a_pause_and_a_ramp_down() -> None:
    async with Chat() as server, led(scenario(server.url, ANNOUNCER, clients=2), workers=2, clients=1) as workers:
        workers.handle(Ramp(12, 400 * MS))
        await until(lambda: workers.c.ready >= 3)
        workers.handle(Pause())
        await asyncio.sleep(0.1)
        workers.handle(Resume())
        await until(lambda: server.kinds()["announce"] >= 1)
        assert workers.c.ready == 12
        workers.handle(Ramp(3, 0))
        before = server.kinds()["announce"]
        await until(lambda: workers.c.open == 3 and server.kinds()["announce"] > before + 1)
        await workers.drained()
        balance(workers)


async def test_nobody_waits_beyond_the_limit() -> None:
    roles = PAIRS.replace('clients = 4, within = "5s"', 'clients = 9, within = "100ms"')
    async with Chat() as server, led(scenario(server.url, roles, clients=9), workers=2, clients=3) as workers:
        await until(lambda: counts(workers, "sync").lost >= 6)
        await workers.drained()
        assert not server.log and counts(workers, "sync").done == 0
        balance(workers)


async def test_a_run_on_two_processes_lets_its_clients_meet() -> None:
    async with Chat() as server:
        made = scenario(server.url, PAIRS, clients=4, more='health = "off"')
        stages = [made.stages[0].model_copy(update={"over": 3.0})]
        fleet = made.fleet.model_copy(update={"workers": 2})
        result = await Run(made.model_copy(update={"stages": stages, "fleet": fleet})).execute()
        sync = next(step for step in result.steps if step.name == "sync")
        assert result.generator.workers == 2
        # No worker has four clients of its own. The end may cut a meeting in two.
        assert sync.done >= 4 and not sync.lost and 0 <= sync.done - server.kinds()["go"] <= 4


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["join", "leave", "report", "obey", "lose"])), max_size=60),
    st.integers(1, 4),
)
def test_whatever_happens_groups_are_whole(events: list[tuple[int, str]], needed: int) -> None:
    """A model of the workers: commands arrive late, clients leave meanwhile, workers are lost."""
    relay = MeetingRelay()
    waiting, handled, orders = Counter[int](), Counter[int](), {worker: [] for worker in range(4)}  # type: ignore[var-annotated]
    lost: set[int] = set()

    def settle() -> None:
        for worker, meet in relay.due(0).items():
            assert worker not in lost
            orders[worker].append(meet)
            ordered[worker] += meet.names[b"m"]

    ordered = Counter[int]()
    for worker, event in events:
        if worker in lost:
            continue
        match event:
            case "join":
                waiting[worker] += 1
            case "leave":
                waiting[worker] = max(0, waiting[worker] - 1)
            case "obey" if orders[worker]:
                meet = orders[worker].pop(0)
                waiting[worker] = max(0, waiting[worker] - meet.names[b"m"])
                handled[worker] = meet.number
            case "lose":
                lost.add(worker)
                relay.lose(worker)
            case "report":
                relay.take(Waiting(worker, handled[worker], 0, {b"m": (waiting[worker], needed)}))
        before = ordered.total()
        settle()
        assert (ordered.total() - before) % needed == 0
