"""The shipped preset of each protocol, with the URL of a server of that kind alone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.presets.against import WatchedRun, assert_shown_before_as_it_ended, opened
from tests.protocols.test_crowds import CASES, NAMES, CrowdCase, mosquitto, of, rabbitmq, rails
from tests.protocols.test_signalr import Negotiating
from tests.servers.server import Server, until
from wstui.execution.run.commands import CompletePlan
from wstui.execution.run.status import Status
from wstui.scenario.conversation.known_dialects import DIALECTS

__all__ = ["mosquitto", "rabbitmq", "rails"]


OTHERS = {"signalr": of(Negotiating, "invocation")}
JSON = CrowdCase("json", of(Server, "received"), "")
SMALL: dict[str, Any] = {"clients": 3, "ramp": "100ms", "hold": "60s", "every": "200ms", "workers": 1}


def has_done_everything(status: Status) -> bool:
    """Whether each step that the clients take was done three times."""
    steps = [step for step in status.result.steps if step.kind == "step"]
    names = {step.name for step in steps}
    return bool(names) and all(sum(step.done for step in steps if step.name == name) >= 3 for name in names)


@pytest.mark.parametrize("case", [*CASES, JSON], ids=[*NAMES, "json"])
async def test_a_preset_runs_with_the_url_alone_and_is_shown_before_as_it_ended(case: CrowdCase, request: Any) -> None:
    async with OTHERS.get(case.protocol, case.serving)(request, False) as (url, _):
        run = WatchedRun(opened(case.protocol, {"WS_URL": url}, SMALL))
        running = asyncio.create_task(run.execute())
        await until(lambda: run.status.counters.ready == 3 and has_done_everything(run.status))
        run.send(CompletePlan())
        result = await running
    assert not result.failures and result.connections.success_rate == 1
    assert_shown_before_as_it_ended(run, result)


def test_there_is_a_preset_for_each_protocol() -> None:
    assert {case.protocol for case in [*CASES, JSON]} == frozenset(DIALECTS) - {"raw", "lines"}
