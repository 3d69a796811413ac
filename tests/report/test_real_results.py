"""Results of real runs, of each exchange, a suite and a search, are what the schema says and what reports take."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from typing import Any

import jsonschema
import pytest
from junitparser import JUnitXml

from tests.servers.server import Server
from wstui.execution.run.result import Result, SuiteResult
from wstui.execution.run.run import Run
from wstui.execution.search.breakpoint_search import BreakpointRun
from wstui.execution.suite import SuiteRun
from wstui.report.formats import format_registry, json_file, result_schema
from wstui.scenario.breakpoint import Breakpoint
from wstui.scenario.model import Fleet, Scenario, Stage, Target, Threshold

PING = {
    "name": "ping",
    "json": {"type": "ping", "timestamp": "{{timestamp}}"},
    "expect": {"originalTimestamp": "{{timestamp}}"},
}
ROLE = {"name": "one", "open": [{"expect": {"type": "connection:established"}}], "loop": [PING]}
EXCHANGES = ("odin", "echo", "ping", "listen", "roles")


def scenario(url: str, exchange: str, **further: Any) -> Scenario:
    stages = [
        Stage(name="ramp", over=0.2, clients=4),
        Stage(name="hold", over=2.0),
        Stage(name="cooldown", over=0.2, clients=0),
    ]
    roles = exchange == "roles"
    return Scenario.model_validate(
        {
            "name": exchange,
            "target": Target(url=url, health="off", **({} if roles else {"ready": "welcome"})),  # type: ignore[arg-type]
            "messages": {"exchange": exchange, "every": 0.1, "timeout": 10.0},
            "roles": [ROLE] if roles else [],
            "thresholds": [Threshold(metric="connect.success", limit=">= 100%")],
            "fleet": Fleet(workers=1),
            "stages": stages,
            **further,
        }
    )


async def searched(asked: Scenario) -> Result:
    """Search again if this machine was so busy that the search could say nothing of the server."""
    for _ in range(6):
        result = await BreakpointRun(asked).execute()
        if result.breakpoint is not None and not result.breakpoint.limited_by:
            break
    return result


@pytest.fixture(scope="module")
def results() -> dict[str, Result | SuiteResult]:
    async def all_of_them() -> dict[str, Result | SuiteResult]:
        async with Server() as server:
            search = Breakpoint(of="clients", start=2, most=4, factor=2.0, ramp=0.1, settle=0.1, measure=0.3)
            runs: dict[str, Any] = {name: Run(scenario(server.url, name)).execute() for name in EXCHANGES}
            runs["search"] = searched(scenario(server.url, "odin", stages=[], breakpoint=search))
            runs["suite"] = SuiteRun([scenario(server.url, "odin"), scenario(server.url, "listen")], name="both").run()
            return dict(zip(runs, await asyncio.gather(*runs.values()), strict=True))

    return asyncio.run(all_of_them())


@pytest.mark.parametrize("name", [*EXCHANGES, "search", "suite"])
def test_a_real_result_is_what_the_schema_says_and_every_report_takes_it(
    results: dict[str, Result | SuiteResult], name: str, tmp_path: Any
) -> None:
    result = results[name]
    jsonschema.Draft202012Validator(json.loads(result_schema.text())).validate(json.loads(result.to_json()))
    written = {form: format_registry.named(form).render(result) for form in format_registry.FORMATS}
    file = tmp_path / "result.json"
    file.write_text(written["json"])
    assert json_file.read_any(file) == result
    runs = result.runs if isinstance(result, SuiteResult) else [result]
    rows = list(csv.DictReader(io.StringIO(written["csv"])))
    assert len(rows) == sum(len(run.timeline) for run in runs)
    cases = {case.name for suite in JUnitXml.fromstring(written["junit"].encode()) for case in suite}
    assert {"verdict", "generator", "connect.success ≥ 100 %"} <= cases
    if name != "search":
        assert {"stage ramp", "stage hold", "stage cooldown"} <= cases
    for text in (written["markdown"], written["html"], written["text"]):
        assert result.verdict.reason.split(",")[0].split(" (")[0] in text


@pytest.mark.parametrize("name", ["odin", "echo", "ping", "roles"])
def test_the_classic_figures_are_in_order(results: dict[str, Result | SuiteResult], name: str) -> None:
    result = results[name]
    assert isinstance(result, Result)
    seen, response = result.connections, result.latency_ms.response
    assert seen.attempted == seen.ready + seen.refused + seen.timed_out + seen.failed + seen.drained == 4
    assert response.min is not None and response.mean is not None and response.max is not None
    assert 0 < response.min <= response.mean <= response.max
    assert result.messages.sent >= response.count > 20
