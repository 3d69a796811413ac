"""The shipped preset of each protocol, with the URL of a server of that kind alone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.load.leading import led
from tests.protocols.test_crowds import CASES, NAMES, Case, mosquitto, of, rabbitmq, rails
from tests.protocols.test_signalr import Negotiating
from tests.servers.server import until
from wstui.scenario.file import load
from wstui.scenario.model import Scenario
from wstui.scenario.overrides import Overrides, apply
from wstui.scenario.presets import find

__all__ = ["mosquitto", "rabbitmq", "rails"]


OTHERS = {"signalr": of(Negotiating, "invocation")}


@pytest.mark.parametrize("case", CASES, ids=NAMES)
async def test_a_preset_runs_with_the_url_alone(case: Case, request: Any) -> None:
    async with OTHERS.get(case.protocol, case.serving)(request, False) as (url, _):
        found = load(find(case.protocol), {})
        assert isinstance(found, Scenario)
        scenario = apply(found, {}, Overrides(url=url, every=0.2))
        async with led(scenario, clients=3) as workers:
            await until(lambda: workers.c.ready == 3)
            steps = {row.name for row in workers.steps if row.kind == "step"}
            await until(lambda: all(sum(r.counts.done for r in workers.steps if r.name == name) >= 3 for name in steps))
            await asyncio.sleep(0.3)
            await workers.drained()
            assert not workers.failures
