"""The machines that make the load, on the dashboard."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.tui import fake
from tests.tui.driving import running, shown, until
from wstui.execution.run.status import HostStatus, Status

WELL = (
    HostStatus("host1", "ok", 2, 0, 5994, 0.61, 2.1, 0.1, 1.8),
    HostStatus("load-2.stage.example", "ok", 2, 0, 5993, 0.6, 2.0, 0.1, 1.7),
)
TROUBLED = (
    WELL[0],
    replace(WELL[1], mark="slow", round_trip_ms=410.0),
    HostStatus("host3", "stale", 4, 1, 2000, 0.4, 12.0, 1.6, 2.2),
    HostStatus(
        "host4", "lost", 2, 2, 0, 0.0, 0.0, 4.6, 2.2, "ssh ended with status 255: Timeout, server not responding"
    ),
)


def picture(hosts: tuple[HostStatus, ...], **changes: Any) -> Status:
    status = fake.status()
    return replace(status, generator=replace(status.generator, hosts=hosts, **changes))


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_each_machine_has_a_line_with_its_figures(size: tuple[int, int]) -> None:
    async with running(picture(WELL), size=size) as (app, _, _):
        rows = shown(app).split("\n")
    assert any("hosts  2 of 2 well" in row for row in rows)
    (row,) = (row for row in rows if " host1 " in row)
    for part in ("✓", "ok", "2 w", "clients", "61 %", "2.10 ms lag", "0.1 s ago"):
        assert part in row, part
    assert all(len(row) <= size[0] for row in rows)


async def test_those_in_trouble_come_first_with_a_mark_and_the_reason() -> None:
    hostile = replace(TROUBLED[3], why="ssh ended with status 255: \x1b[31mno answer")
    hosts = (*TROUBLED[:3], hostile)
    async with running(picture(hosts, unreplaced_workers=2, left_behind_clients=3000), size=(120, 40)) as (app, _, _):
        text = shown(app)
        rows = [row for row in text.split("\n") if any(f" {host.name} " in row for host in TROUBLED)]
    assert "hosts  1 of 4 well  ✗ 3 000 clients lost  R gives them to those left" in text
    assert ["lost" in rows[0], "stale" in rows[1], "slow" in rows[2], "ok" in rows[3]] == [True] * 4
    assert "ssh ended with status 255: \\x1b[31mno answer" in rows[0] and "\x1b" not in text
    assert "3/4 workers" in rows[1] and "1.6 s ago" in rows[1] and "410 ms away" in rows[2]


async def test_many_machines_leave_room_for_the_rest() -> None:
    many = tuple(replace(WELL[0], name=f"host{n:02}") for n in range(30))
    async with running(picture((*many, TROUBLED[3]))) as (app, _, _):
        text = shown(app)
    assert "host4" in text and "and 29 more: 29 ok" in text and "latency ms" in text


async def test_load_that_was_lost_is_given_to_others_only_by_a_key() -> None:
    async with running(picture(WELL)) as (app, pilot, session):
        await pilot.press("R")
        await pilot.pause()
        assert "Redistribute" not in shown(app)
        session.picture = picture(TROUBLED, unreplaced_workers=2, left_behind_clients=3000)
        await until(lambda: "R Redistribute" in shown(app), pilot)
        assert session.commands == [], "never by itself"
        await pilot.press("R")
        await until(lambda: "3 000 clients of lost workers go to those left" in shown(app), pilot)
    assert session.commands == [("redistribute",)]


async def test_a_run_on_this_machine_shows_no_hosts() -> None:
    async with running(size=(120, 40)) as (app, _, _):
        assert "hosts" not in shown(app)
