"""Every shipped preset is stored one tick before its end as it is at its end, also as a search and as a suite."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from tests.presets.against import (
    CHANGES,
    PLACEHOLDERS,
    WatchedRun,
    WatchedSearch,
    assert_shown_before_as_it_ended,
    opened,
)
from tests.servers.server import Server, until
from wstui.execution.run.commands import SkipStage
from wstui.execution.run.result import SuiteResult
from wstui.execution.suite import SuiteRun
from wstui.scenario.conversation.known_dialects import DIALECTS
from wstui.scenario.model import Suite
from wstui.scenario.presets import available, open_preset

OF_THE_DEMO = frozenset(
    ["auth", "fanout", "flood", "listen", "medium", "quick", "reconnect", "slow-reader", "soak", "stress", "subscribe"]
)
"""Those that test_presets_run and test_presets_fail carry out: `against` holds each against its partial result."""
OF_PROTOCOLS = frozenset(DIALECTS) - {"raw", "lines"}
"""Those that tests/protocols/test_shipped_presets carries out."""
HERE = frozenset(["breakpoint", "progressive"])


def test_no_preset_is_left_out() -> None:
    assert {entry.name for entry in available({})} == OF_THE_DEMO | OF_PROTOCOLS | HERE


async def test_a_search_is_shown_before_as_it_ended() -> None:
    flags: dict[str, Any] = {"workers": 1, "every": "200ms"}
    async with Server() as server:
        scenario = opened("breakpoint", {**PLACEHOLDERS, "WS_URL": server.url}, flags)
        assert scenario.breakpoint is not None
        short = {"start": 4, "ramp": 0.1, "settle": 0.1, "measure": 0.4}
        search = WatchedSearch(
            scenario.model_copy(
                update={
                    "breakpoint": scenario.breakpoint.model_copy(update=short),
                    "target": scenario.target.model_copy(update={"health": "off"}),
                }
            )
        )
        running = asyncio.create_task(search.execute())
        await until(lambda: search.status.breakpoint is not None and len(search.status.breakpoint.steps) >= 2)
        search.send(SkipStage())
        result = await running
    cut, whole = assert_shown_before_as_it_ended(search, result, CHANGES | {"breakpoint"})
    assert cut.breakpoint is not None and whole.breakpoint is not None and len(whole.breakpoint.steps) >= 2
    assert cut.breakpoint.sentence.endswith("; it was cut short")
    assert msgspec.structs.replace(cut.breakpoint, sentence=whole.breakpoint.sentence) == whole.breakpoint


async def test_each_run_of_a_suite_is_shown_before_as_it_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[WatchedRun] = []

    class Kept(WatchedRun):
        def __init__(self, *given: Any, **settings: Any) -> None:
            super().__init__(*given, **settings)
            made.append(self)

    monkeypatch.setattr("wstui.execution.search.breakpoint_search.Run", Kept)
    suite = open_preset("progressive", PLACEHOLDERS)
    assert isinstance(suite, Suite)
    small: dict[str, Any] = {"clients": 3, "ramp": "100ms", "hold": "300ms", "every": "100ms", "workers": 1}
    async with Server() as server:
        scenarios = [opened(name, {**PLACEHOLDERS, "WS_URL": server.url}, small) for name in suite.suite]
        result = await SuiteRun(scenarios, name="progressive", probe_first=False).run()
    assert isinstance(result, SuiteResult) and len(result.runs) == len(made) == 3
    for run, ended in zip(made, result.runs, strict=True):
        assert ended.connections.attempted == 3
        assert_shown_before_as_it_ended(run, ended)
