"""What the tests of presets share: a preset against the target that it asks for, with wide limits on latency.

How fast this machine is today is not what is tested.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.request import urlopen

from tests.report.stand_in import StandIn
from wstui.execution.run.commands import CompletePlan
from wstui.execution.run.result import Result
from wstui.execution.run.run import Run
from wstui.execution.run.status import Status
from wstui.execution.search.breakpoint_search import BreakpointRun
from wstui.measure.snapshot import Counters
from wstui.odin.demo_system import DemoTarget
from wstui.report.store.store import INTERRUPTED, Store
from wstui.report.store.writer import StoreWriter
from wstui.scenario.checks import warnings
from wstui.scenario.model import Scenario
from wstui.scenario.overrides import Overrides
from wstui.scenario.presets import open_preset

PLACEHOLDERS = {"WS_URL": "ws://127.0.0.1:1/ws", "AUTH_TOKEN": "-", "JWT_SECRET": "-"}
ATTEMPTS = 3
WIDE = ("response", "roundtrip", "delivery", "fanout.spread", "connect.p", "connect.m", "reconnect.p")
PATIENT = {"connect_timeout": 60.0, "close_timeout": 30.0}


def opened(name: str, environ: dict[str, str], flags: dict[str, Any], *, widened: bool = True) -> Scenario:
    """A preset with these variables and flags."""
    scenario = open_preset(name, environ, Overrides(**flags))
    assert isinstance(scenario, Scenario)
    wide = [
        threshold.model_copy(update={"limit": "< 30s"}) if widened and threshold.metric.startswith(WIDE) else threshold
        for threshold in scenario.thresholds
    ]
    often = scenario.target.model_copy(update={"health_every": 0.3, **PATIENT})  # the runs are short
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
    run = WatchedRun(scenario)
    running = asyncio.create_task(run.execute())
    while enough is not None and not running.done():
        if enough(run.status.counters):
            run.send(CompletePlan())
            break
        await asyncio.sleep(0.05)
    result = await running
    assert_shown_before_as_it_ended(run, result)
    return result


class WatchedRun(Run):
    """Keeps its last status before the end."""

    before: Status

    def _conclude(self) -> Result:
        self._monitor.conclude(self._controller.active_s)
        self._status_builder._computed = None
        self._publish()
        self.before = self.status
        return super()._conclude()


class WatchedSearch(BreakpointRun):
    """Keeps its last status before the end."""

    before: Status

    def _conclude(self, result: Result) -> Result:
        self.before = self.status
        return super()._conclude(result)


CHANGES = frozenset({"finished", "duration_s", "verdict"})
"""Fields of a result that the end of a run changes."""


def assert_shown_before_as_it_ended(
    run: WatchedRun | WatchedSearch, result: Result, changes: frozenset[str] = CHANGES
) -> tuple[Result, Result]:
    """What is stored of a run that is killed one tick before its end agrees with what is stored of it at its end."""
    assert run.before.result.verdict.running and not result.verdict.running
    cut, whole = stored(run.before, None), stored(run.status, result)
    assert whole == result and cut.verdict.reason == INTERRUPTED and not cut.passed
    assert [o.value for o in cut.verdict.thresholds] == [o.value for o in result.verdict.thresholds]
    for field in set(Result.__struct_fields__) - changes:
        assert getattr(cut, field) == getattr(whole, field), field
    return cut, whole


def stored(status: Status, result: Result | None) -> Result:
    """The result that a store gives back of a run with this last status, killed when `result` is None."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "runs.db"
        writer = StoreWriter(StandIn(status), path, every_s=0.01)
        writer.start()
        while not writer.ids and not writer.problem:
            time.sleep(0.01)
        writer.close(result)
        assert not writer.problem
        with Store(path) as store:
            return store.result(1)


async def carried_out(
    name: str,
    *,
    server: tuple[str, ...] = (),
    publisher: tuple[str, ...] = (),
    enough: Callable[[Counters], bool] | None = None,
    **flags: Any,
) -> Result:
    """Run a preset against the server that it asks for; further options hurry what takes long.

    A run whose verdict names the generator as the limit says nothing of the preset, so it is repeated.
    """
    demo = opened(name, PLACEHOLDERS, flags).demo
    for _ in range(ATTEMPTS):
        async with DemoTarget(None, (*demo.server, *server), (*demo.publisher, *publisher)) as target:
            result = await against(target, name, enough=enough, **flags)
        if not result.verdict.generator_limited:
            break
    return result


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
