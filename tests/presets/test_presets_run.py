"""Every shipped preset does what it promises, small and short, against the target that it asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tests.presets.against import PLACEHOLDERS, against, carried_out, kept, opened, told
from wstui.cli import odin as commands
from wstui.measure.snapshot import Counters
from wstui.odin.demo_system import DemoTarget
from wstui.odin.faults import parse_faults
from wstui.scenario.model import Scenario
from wstui.scenario.presets import available


@pytest.fixture(scope="module")
def usual() -> Iterator[DemoTarget]:
    """The server as it is, with lively data: for the presets that want nothing else of it."""
    target = DemoTarget(None, (), ("--rate", "50", "--speed", "10"))
    asyncio.run(target.start())
    yield target
    asyncio.run(target.stop())


def test_what_presets_ask_of_the_demo_is_understood() -> None:
    asked = [entry.content.demo for entry in available({}) if isinstance(entry.content, Scenario)]
    assert sum(bool(demo.server) for demo in asked) >= 3 and sum(bool(demo.publisher) for demo in asked) >= 3
    for demo in asked:
        for command, options in ((commands.server, demo.server), (commands.publisher, demo.publisher)):
            with command.make_context(command.name, list(options), resilient_parsing=False) as context:
                parse_faults(list(context.params.get("faults", ())))


async def test_auth_lets_exactly_the_good_tokens_in(usual: DemoTarget) -> None:
    result = kept(await against(usual, "auth", clients=20, ramp="500ms", hold="1s", every="300ms"))
    assert [(row.kind, row.attempted, row.ready, row.refused) for row in result.auth] == [
        ("good", 12, 12, 0),
        ("expired", 2, 0, 2),
        ("forged", 2, 0, 2),
        ("missing", 2, 0, 2),
        ("wrong_algorithm", 2, 0, 2),
    ]


async def test_flood_meets_the_limit_and_those_who_are_in_stay_well() -> None:
    result = kept(await carried_out("flood", clients=300, ramp="1s", hold="2s", every="500ms"))
    seen = result.connections
    assert seen.ready + seen.refused == seen.attempted == 300
    assert seen.rate_limited == seen.refused > 100
    assert {failure.kind for failure in result.failures} == {"http 429"}


async def test_fanout_follows_every_broadcast_to_every_client(usual: DemoTarget) -> None:
    result = kept(await against(usual, "fanout", clients=20, ramp="500ms", hold="1500ms"))
    assert result.fanout is not None and result.fanout.messages > 3
    assert (result.fanout.completeness, result.fanout.duplicates) == (1, 0)
    assert result.messages.sent == 0


async def test_listen_keeps_quiet_clients_served(usual: DemoTarget) -> None:
    result = kept(await against(usual, "listen", clients=20, ramp="500ms", hold="1500ms"))
    assert result.messages.sent == 0 and result.messages.received > 20


async def test_slow_readers_are_given_up_and_the_others_are_well() -> None:
    flags: dict[str, Any] = {"clients": 10, "ramp": "300ms", "hold": "60s"}
    demo = opened("slow-reader", PLACEHOLDERS, flags).demo
    async with DemoTarget(None, tuple(demo.server), (*demo.publisher, "--rate", "100")) as target:

        def given_up(_seen: Counters) -> bool:
            # Who does not read notices only at the end.
            return bool(told(target.ws_url)["slowConsumers"]["closed"])

        result = kept(await against(target, "slow-reader", enough=given_up, **flags))
    assert result.slow_readers is not None
    assert (result.slow_readers.clients, result.slow_readers.closed) == (1, 1)


async def test_reconnect_brings_back_everybody_whom_the_server_dropped() -> None:
    hurry = ("--fault", "storm=50%/1500ms")  # the last one counts

    def everybody_is_back(seen: Counters) -> bool:
        return seen.reconnects >= 8 and seen.reconnecting == 0

    flags: dict[str, Any] = {"clients": 20, "ramp": "300ms", "hold": "60s", "every": "300ms"}
    result = kept(await carried_out("reconnect", server=hurry, enough=everybody_is_back, **flags))
    seen = result.connections
    assert seen.dropped >= 8
    assert 0 < seen.reconnects <= seen.dropped and seen.reconnects_given_up == 0
    assert "close 1012" in {failure.kind for failure in result.failures}


async def test_soak_follows_the_memory_of_the_target(usual: DemoTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wstui.execution.run.target.monitor.STEADY_LEAST_S", 1.0)
    scenario_result = await against(usual, "soak", clients=10, ramp="500ms", hold="2500ms", every="500ms")
    outcomes = {outcome.metric: outcome for outcome in scenario_result.verdict.thresholds}
    # A few seconds say nothing of an hour, but they are measured.
    assert outcomes.pop("target.memory_growth").value is not None
    assert all(outcome.passed for outcome in outcomes.values())


async def test_subscribers_get_their_own_tokens_and_no_others(usual: DemoTarget) -> None:
    result = kept(await against(usual, "subscribe", clients=20, ramp="500ms", hold="1500ms", every="500ms"))
    assert result.subscriptions is not None
    assert (result.subscriptions.asked, result.subscriptions.acknowledged, result.subscriptions.filter_leaks) == (
        20,
        20,
        0,
    )
    assert result.messages.by_type["price:update"] > 20
