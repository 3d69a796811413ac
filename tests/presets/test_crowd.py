"""More than a thousand clients through the presets that ask what a crowd meets at the door: each in a few seconds."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.presets.against import against, carried_out, kept, told
from wstui.execution.run.result import Result
from wstui.measure.snapshot import Counters
from wstui.odin.demo_system import DemoTarget

CROWD = 1200
WHILE: dict[str, Any] = {"clients": CROWD, "ramp": "1500ms", "hold": "40s", "every": "2s"}  # it ends when all are in


def everybody_was_answered(seen: Counters) -> bool:
    return seen.attempted == CROWD and seen.opening == 0


def everybody_is_back(seen: Counters) -> bool:
    return seen.reconnects > CROWD // 3 and seen.reconnecting == 0


def balanced(result: Result) -> Result:
    seen = result.connections
    assert seen.attempted == seen.ready + seen.refused + seen.timed_out + seen.failed + seen.drained
    assert (seen.failed, seen.timed_out) == (0, 0)
    return result


async def test_a_crowd_with_tokens_of_all_kinds_is_judged_exactly_on_both_sides() -> None:
    async with DemoTarget() as target:
        result = balanced(kept(await against(target, "auth", enough=everybody_was_answered, **WHILE)))
        stats = await asyncio.to_thread(told, target.ws_url)
    assert [(row.kind, row.ready, row.refused) for row in result.auth] == [
        ("good", 720, 0),
        ("expired", 0, 120),
        ("forged", 0, 120),
        ("missing", 0, 120),
        ("wrong_algorithm", 0, 120),
    ]
    assert stats["connections"]["opened"] == 720
    assert stats["refused"] == dict.fromkeys(
        ("token expired", "bad signature", "token missing", "wrong algorithm"), 120
    )


async def test_a_crowd_meets_the_rate_limit_and_everybody_is_answered() -> None:
    result = balanced(kept(await carried_out("flood", enough=everybody_was_answered, **WHILE)))
    seen = result.connections
    assert seen.attempted == CROWD and seen.refused == seen.rate_limited > CROWD // 2


async def test_a_crowd_that_was_dropped_comes_back() -> None:
    storm = ("--fault", "storm=50%/6s")  # the last one counts
    result = balanced(kept(await carried_out("reconnect", server=storm, enough=everybody_is_back, **WHILE)))
    seen = result.connections
    assert seen.dropped >= CROWD // 3
    assert (seen.reconnects_given_up, seen.reconnects_missing) == (0, 0)
