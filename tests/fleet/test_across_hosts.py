"""What holds across machines: one ramp, clients of whom there is one each, broadcasts without comparing clocks."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fleet.test_fleet import S, fleet_of, heard, receipt, snapshot
from wstui.execution.run.compile import specs_of
from wstui.execution.run.limits import host_mark
from wstui.execution.run.result import FanOutSummary
from wstui.fleet.hosts.cluster import place
from wstui.fleet.transport import HostState
from wstui.load.credentials import Credentials
from wstui.load.identity import Identity
from wstui.load.protocol import BroadcastReport
from wstui.load.ramp import RampLine, share
from wstui.measure.snapshot import Counters
from wstui.scenario.conversation.role import Role
from wstui.scenario.message_files import feed_of
from wstui.scenario.model import Auth, Fleet, Messages, Scenario, Stage, Target

ROOMS = st.lists(st.integers(1, 64), min_size=1, max_size=12)


@given(rooms=ROOMS, origin=st.integers(0, 50_000), to=st.integers(0, 50_000), seconds=st.integers(1, 600))
def test_the_workers_of_all_hosts_together_follow_the_planned_curve_at_every_second(
    rooms: list[int], origin: int, to: int, seconds: int
) -> None:
    line = RampLine(0, origin, to, seconds * S)
    workers = sum(rooms)
    hosts = place(workers, rooms, [0] * len(rooms))
    for second in range(0, seconds + 1, max(1, seconds // 20)):
        planned = line.wanted(second * S)
        own = [share(planned, worker, workers) for worker in range(workers)]
        assert sum(own) == planned
        for host, room in enumerate(rooms):
            here = sum(clients for clients, where in zip(own, hosts, strict=True) if where == host)
            assert abs(here - planned * room / workers) <= room, "in proportion to its weight"


@given(rooms=ROOMS, fewer=st.integers(1, 800))
def test_hosts_fill_up_in_proportion_to_their_room(rooms: list[int], fewer: int) -> None:
    count = min(fewer, sum(rooms))
    chosen = place(count, rooms, [0] * len(rooms))
    for host, room in enumerate(rooms):
        assert chosen.count(host) <= room
        assert abs(chosen.count(host) - count * room / sum(rooms)) <= len(rooms)
    assert all(place(sum(rooms), rooms, [0] * len(rooms)).count(host) == room for host, room in enumerate(rooms))


def test_a_host_that_is_gone_gets_nothing() -> None:
    assert set(place(9, [0, 2, 1], [2, 2, 1])) == {1, 2}


def test_no_client_token_or_row_is_there_twice(tmp_path: Path) -> None:
    feed = tmp_path / "users.csv"
    feed.write_text("name\n" + "".join(f"user{n}\n" for n in range(30)))
    role = Role.model_validate({"name": "a", "loop": [{"send": "{{feed.name}}"}]})
    scenario = Scenario(
        target=Target(url="ws://127.0.0.1:9/"),
        auth=Auth(kind="jwt", secret="s" * 32),  # type: ignore[arg-type]
        stages=[Stage(name="hold", over=1.0, clients=30)],
        messages=Messages(exchange="roles", feed=str(feed), feed_per="message"),
        roles=[role],
        fleet=Fleet(hosts=["host1:3", "host2:4"]),
    )
    specs = specs_of(scenario, 7)
    numbers = [spec.worker + place * spec.workers for spec in specs for place in range(share(30, spec.worker, 7))]
    assert sorted(numbers) == list(range(30))
    assert len({Credentials(specs[n % 7].connect, specs[n % 7].auth).token(Identity(n)) for n in numbers}) == 30
    rows = [row for spec in specs for row in spec.conversation.roles.rows]
    assert len(rows) == 30 and len({cell for row in rows for cell in row}) == 30


def test_what_all_workers_have_in_common_is_compiled_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    feed = tmp_path / "users.csv"
    feed.write_text("name\nuser1\nuser2\n")
    role = Role.model_validate({"name": "a", "loop": [{"send": "{{feed.name}}"}]})
    messages = Messages(exchange="roles", feed=str(feed))
    target, stages = Target(url="ws://127.0.0.1:9/"), [Stage(name="hold", over=1.0, clients=30)]
    scenario = Scenario(target=target, stages=stages, messages=messages, roles=[role])
    read: list[str] = []

    def counted(name: str, file: str) -> object:
        read.append(name)
        return feed_of(name, file)

    monkeypatch.setattr("wstui.execution.run.compile.feed_of", counted)
    assert [spec.worker for spec in specs_of(scenario, 7)] == list(range(7))
    assert read == [str(feed)]


async def test_broadcasts_are_complete_across_hosts_and_apart_only_on_each(monkeypatch: pytest.MonkeyPatch) -> None:
    async with fleet_of(3) as (fleet, wire):
        wire.on = [HostState("host1", (0, 1)), HostState("host2", (2,))]
        fleet._place()
        for worker in range(3):
            wire.say(worker, snapshot(worker, 0.2, Counters(open=10)))
        await heard(fleet, wire)
        now = time.monotonic_ns()
        # The clock of the second host is a day ahead of the first one's; a worker of the first one hears it 3 ms later.
        for worker, ahead, late in ((0, 0, 0), (1, 0, 3_000_000), (2, 86400 * S, 40_000_000)):
            at = now + ahead
            wire.say(worker, BroadcastReport(worker, at, [receipt(at - S + late, 10)], (5 * S - ahead, 5 * S - ahead)))
        await heard(fleet, wire)
        fleet.settle_broadcasts()
        assert fleet.totals.fanout.completeness == 1.0 and fleet.totals.fanout.types["price"].wanted == 30
        spread = fleet.totals.fanout.spread
        assert spread.count == 30 and spread.high == pytest.approx(3_000_000, rel=0.01)
        summary = FanOutSummary.of(fleet.totals.fanout, 0)
        assert summary is not None and summary.spread_within == "host"
        # One that the second host never saw: its clients were there when it came, by the clock of this side.
        wire.say(0, BroadcastReport(0, now, [receipt(now - S // 2, 10)]))
        wire.say(1, BroadcastReport(1, now, [receipt(now - S // 2, 10)]))
        await heard(fleet, wire)
        fleet.settle_broadcasts(at_once=True)
        kind = fleet.totals.fanout.types["price"]
        assert (kind.messages, kind.received, kind.wanted) == (2, 50, 50), "snapshots don't reach back that far"


async def test_a_snapshot_that_was_overtaken_turns_nothing_back_and_gaps_are_counted() -> None:
    async with fleet_of(1) as (fleet, wire):
        for at, sent in ((0.2, 2), (1.0, 10), (0.6, 6), (1.2, 12)):
            wire.say(0, snapshot(0, at, Counters(sent=sent)))
        await heard(fleet, wire)
        assert fleet.totals.counters().sent == 12 and fleet.totals.missed == 3


@pytest.mark.parametrize(
    ("alive", "age_s", "round_trip_ms", "lag_ms", "mark"),
    [
        (True, 0.2, 2.0, 1.0, "ok"),
        (True, 0.2, None, 1.0, "ok"),
        (True, 0.2, 400.0, 1.0, "slow"),
        (True, 0.2, 2.0, 150.0, "slow"),
        (True, 1.1, 2.0, 1.0, "stale"),
        (True, 30.0, 2.0, 1.0, "stale"),
        (False, 0.1, 2.0, 1.0, "lost"),
    ],
)
def test_a_host_is_marked_by_its_age_and_its_answers(
    alive: bool, age_s: float, round_trip_ms: float | None, lag_ms: float, mark: str
) -> None:
    assert host_mark(alive, age_s, round_trip_ms, lag_ms) == mark
