"""What the tests of presets share: a preset against the target that it asks for, with wide limits on latency.

How fast this machine is today is not what is tested.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any
from urllib.request import urlopen

from wstui.execution.run.commands import CompletePlan
from wstui.execution.run.result import Result
from wstui.execution.run.run import Run
from wstui.measure.snapshot import Counters
from wstui.odin.demo_system import DemoTarget
from wstui.scenario.checks import warnings
from wstui.scenario.model import Scenario
from wstui.scenario.presets import open_preset

PLACEHOLDERS = {"WS_URL": "ws://127.0.0.1:1/ws", "AUTH_TOKEN": "-", "JWT_SECRET": "-"}
WIDE = ("response", "roundtrip", "delivery", "fanout.spread", "connect.p", "connect.m")


def opened(name: str, environ: dict[str, str], flags: dict[str, Any], *, widened: bool = True) -> Scenario:
    """A preset with these variables and flags."""
    scenario = open_preset(name, environ, flags)
    assert isinstance(scenario, Scenario)
    wide = [
        threshold.model_copy(update={"limit": "< 30s"}) if widened and threshold.metric.startswith(WIDE) else threshold
        for threshold in scenario.thresholds
    ]
    often = scenario.target.model_copy(update={"health_every": 0.3})  # the runs are short
    return scenario.model_copy(update={"thresholds": wide, "target": often})


async def against(
    target: DemoTarget,
    name: str,
    *,
    environ: dict[str, str] | None = None,
    widened: bool = True,
    enough: Callable[[Counters], bool] | None = None,
    **flags: Any,
) -> Result:
    """Run a preset as `wstui demo` does; `environ` goes before what that would set. It may end when it is `enough`."""
    known = {"WS_URL": target.ws_url, "AUTH_TOKEN": target.token, "JWT_SECRET": target.secret}
    scenario = opened(name, {**known, **(environ or {})}, {**flags, "workers": 1}, widened=widened)
    assert warnings(scenario) == []
    run = Run(scenario)
    running = asyncio.create_task(run.execute())
    while enough is not None and not running.done():
        if enough(run.status.counters):
            run.send(CompletePlan())
            break
        await asyncio.sleep(0.05)
    return await running


async def carried_out(
    name: str,
    *,
    server: tuple[str, ...] = (),
    publisher: tuple[str, ...] = (),
    enough: Callable[[Counters], bool] | None = None,
    **flags: Any,
) -> Result:
    """Run a preset against the server that it asks for; further options hurry what takes long."""
    demo = opened(name, PLACEHOLDERS, flags).demo
    async with DemoTarget(None, (*demo.server, *server), (*demo.publisher, *publisher)) as target:
        return await against(target, name, enough=enough, **flags)


def told(url: str) -> dict[str, Any]:
    """What the server at this address counts."""
    with urlopen(url.replace("ws:", "http:").removesuffix("/ws") + "/stats") as answer:
        stats: dict[str, Any] = json.load(answer)
        return stats


def kept(result: Result) -> Result:
    """The result, which must have passed."""
    broken = [(outcome.metric, outcome.value) for outcome in result.verdict.thresholds if not outcome.passed]
    assert result.passed, (broken, result.verdict.reason)
    return result
