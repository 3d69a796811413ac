"""Fan-out against the real Odin target: what it drops or sends twice on purpose is what is reported."""

from __future__ import annotations

import math

import pytest
from pydantic import SecretStr

import wstui
from wstui.execution.run.result import FanOutSummary, Result
from wstui.odin.demo_system import DemoTarget
from wstui.scenario.model import Fleet

CLIENTS = 60
RATE = 60


async def listen(fault: tuple[str, ...], workers: int) -> Result:
    options = tuple(option for one in fault for option in ("--fault", one))
    async with DemoTarget(
        server_options=("--fault-seed", "1", *options), publisher_options=("--rate", str(RATE), "--speed", "0.001")
    ) as target:
        return await wstui.run(
            wstui.Scenario(
                target=wstui.Target(url=target.ws_url),
                auth=wstui.Auth(kind="token", token=SecretStr(target.token)),
                stages=[wstui.Stage(name="ramp", over=0.3, clients=CLIENTS), wstui.Stage(name="hold", over=4.0)],
                messages=wstui.Messages(exchange="listen", fanout_window=3.0),
                thresholds=[
                    wstui.Threshold(metric="fanout.completeness", limit=">= 99.9%"),
                    wstui.Threshold(metric="fanout.spread.p99", limit="< 10s"),
                    wstui.Threshold(metric="delivery.p99", limit="< 10s"),
                ],
                fleet=Fleet(workers=workers),
            )
        )


def seen(result: Result) -> FanOutSummary:
    assert result.fanout is not None
    assert result.fanout.messages > RATE
    return result.fanout


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_server_that_loses_nothing_is_complete_over_all_workers(workers: int) -> None:
    result = await listen((), workers)
    fanout = seen(result)
    assert fanout.completeness == 1.0
    assert fanout.duplicates == 0
    assert fanout.spread_ms.count == pytest.approx(fanout.messages * CLIENTS, rel=0.15)
    assert fanout.by_type["price:update"].completeness == 1.0
    assert result.passed, result.verdict.reason


async def test_one_percent_dropped_is_ninety_nine_percent_complete() -> None:
    result = await listen(("drop=1%",), 1)
    fanout = seen(result)
    assert fanout.completeness is not None
    # Four standard deviations of a binomial share.
    deliveries = fanout.messages * CLIENTS
    assert abs(fanout.completeness - 0.99) < 4 * math.sqrt(0.01 * 0.99 / deliveries)
    assert not result.passed
    assert "fanout.completeness" in result.verdict.reason


async def test_what_is_delivered_twice_is_counted_as_duplicates() -> None:
    fanout = seen(await listen(("duplicate=5%",), 2))
    assert fanout.completeness == 1.0
    deliveries = fanout.messages * CLIENTS
    assert fanout.duplicates == pytest.approx(0.05 * deliveries, abs=4 * math.sqrt(0.05 * 0.95 * deliveries))


async def test_delivery_is_told_with_the_uncertainty_of_the_clocks() -> None:
    async with DemoTarget(publisher_options=("--rate", "50")) as target:
        result = await wstui.run(
            wstui.Scenario(
                target=wstui.Target(url=target.ws_url),
                auth=wstui.Auth(kind="token", token=SecretStr(target.token)),
                stages=[wstui.Stage(name="hold", over=3.0, clients=20)],
                messages=wstui.Messages(exchange="odin", every=0.2, fanout_window=3.0),
            )
        )
    delivery = seen(result).delivery_ms
    # Both ends read the same clock here, and stamps are whole milliseconds.
    assert delivery.offset_ms is not None and delivery.uncertainty_ms is not None
    assert abs(delivery.offset_ms) <= delivery.uncertainty_ms + 1.0
    assert delivery.count == result.fanout.spread_ms.count  # type: ignore[union-attr]
