"""Several scenarios in sequence: one verdict, pauses that can be skipped, ends that are named, and a suite resumed."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.execution.running import scenario
from tests.report.example import broken, good, limited
from tests.servers.server import PATIENCE_S, Server, until
from wstui.cli.prepare import earlier_results, first_of
from wstui.execution.run.client_watches import WatchedLines
from wstui.execution.run.commands import AbortRun, DrainRun, SkipStage
from wstui.execution.run.result import Result, SuiteResult
from wstui.execution.run.run import Run
from wstui.execution.run.state import State
from wstui.execution.suite import SuiteRun, combine
from wstui.fleet.transport import FleetError
from wstui.report.store.store import Store
from wstui.scenario.file import load
from wstui.scenario.model import Scenario, Stage, Threshold
from wstui.scenario.overrides import Overrides, apply


def member(server: Server, name: str, limit: str = ">= 100%", *, hold: float = 0.8) -> Scenario:
    """A scenario of a few tenths of a second."""
    return scenario(
        server.url,
        clients=3,
        stages=[Stage(name="ramp", over=0.1, clients=3), Stage(name="hold", over=hold)],
        thresholds=[Threshold(metric="connect.success", limit=limit)],
    ).model_copy(update={"name": name})


def never(server: Server, name: str) -> Scenario:
    """One whose threshold breaks."""
    return member(server, name).model_copy(update={"thresholds": [Threshold(metric="response.p50", limit="< 1us")]})


async def finished(suite: SuiteRun) -> SuiteResult:
    result = await suite.run()
    assert isinstance(result, SuiteResult)
    return result


async def test_a_broken_member_fails_the_whole_and_the_rest_is_run() -> None:
    heard: list[Result] = []
    async with Server() as server:
        members = [member(server, "one"), never(server, "two"), member(server, "three")]
        suite = SuiteRun(members, name="all", cooldown_s=0.1, on_result=heard.append)
        result = await finished(suite)
        assert server.ends == {"close 1000": 9 + 1}, "the first client of all, and three of each"
    assert [run.scenario["name"] for run in result.runs] == ["one", "two", "three"] and heard == result.runs
    assert [run.passed for run in result.runs] == [True, False, True]
    assert not result.passed and not result.verdict.aborted and result.skipped == []
    assert result.verdict.reason.startswith("two: response.p50 was ")
    assert len(result.verdict.thresholds) == 3
    status = suite.status
    assert status.state is State.FINISHED and status.suite is not None
    assert (status.suite.index, status.suite.passed) == (2, (True, False, True))


async def test_a_cooldown_is_seen_and_can_be_skipped() -> None:
    async with Server() as server:
        suite = SuiteRun([member(server, "one"), member(server, "two")], cooldown_s=300.0)
        states: list[State] = []
        going = asyncio.create_task(finished(suite))

        def cooling() -> bool:
            status = suite.status
            states.append(status.state)
            return status.suite is not None and status.state is State.COOLDOWN and status.suite.cooldown_left_s < 300

        await until(cooling)
        seen = suite.status.suite
        assert seen is not None and (seen.names, seen.index, seen.passed) == (("one", "two"), 0, (True, None))
        assert 290 < seen.cooldown_left_s <= seen.cooldown_s == 300
        suite.send(SkipStage(), by="ada (ci, pid 7)")
        result = await asyncio.wait_for(going, PATIENCE_S)
    assert result.passed and result.verdict.reason.startswith("both runs passed")
    skipped = [event.text for event in result.runs[1].events if event.kind == "operator"]
    assert skipped == ["ada (ci, pid 7): cooldown skipped"]
    assert State.FINISHED not in states, "between two runs the suite is not over"


async def test_a_drain_in_a_cooldown_ends_the_suite() -> None:
    async with Server() as server:
        suite = SuiteRun([member(server, "one"), member(server, "two")], cooldown_s=300.0)
        going = asyncio.create_task(finished(suite))
        await until(lambda: suite.status.state is State.COOLDOWN)
        suite.send(DrainRun(), by="ada (ci, pid 7)")
        result = await asyncio.wait_for(going, PATIENCE_S)
        assert server.upgraded == 1 + 3
    assert result.verdict.aborted and not result.passed
    assert result.verdict.reason == "not run: two (ended by ada (ci, pid 7))" and result.verdict.drained
    assert len(result.runs) == 1 and result.runs[0].passed
    assert suite.status.state.ended


async def test_a_client_is_watched_from_one_run_to_the_next() -> None:
    async with Server() as server:
        suite = SuiteRun([member(server, "one", hold=60), member(server, "two", hold=60)], cooldown_s=0.0)
        going = asyncio.create_task(finished(suite))
        await until(lambda: suite.status.counters.open == 3)
        watched = WatchedLines(suite, 1)

        def is_seen() -> bool:
            assert watched.renew() == ""
            return any(line.kind == "state" and line.text == "ready" for line in watched.new())

        for name in ("one", "two"):
            await until(lambda name=name: suite.status.scenario.name == name and is_seen())
            suite.send(SkipStage())
        result = await asyncio.wait_for(going, PATIENCE_S)
    assert len(result.runs) == 2


async def test_an_abort_stops_the_run_and_all_that_would_follow() -> None:
    async with Server() as server:
        suite = SuiteRun([member(server, "one", hold=60), member(server, "two")])
        going = asyncio.create_task(finished(suite))
        await until(lambda: suite.status.counters.open == 3)
        suite.send(AbortRun())
        result = await asyncio.wait_for(going, PATIENCE_S)
    assert result.verdict.aborted and not result.passed
    assert result.verdict.reason == "one: aborted by the operator; not run: two" and not result.verdict.drained


async def test_one_scenario_is_no_suite() -> None:
    async with Server() as server:
        suite = SuiteRun([member(server, "one")])
        result = await suite.run()
    assert isinstance(result, Result) and result.passed and suite.status.suite is None


async def test_what_was_measured_is_kept_when_no_further_load_can_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    class Exhausted(Run):
        async def execute(self) -> Result:
            if self.scenario.name == "two":
                raise FleetError("no more processes")
            return await super().execute()

    monkeypatch.setattr("wstui.execution.suite.run_for", Exhausted)
    async with Server() as server:
        result = await finished(SuiteRun([member(server, name) for name in ("one", "two", "three")]))
    assert [run.scenario["name"] for run in result.runs] == ["one"]
    assert not result.passed and not result.verdict.aborted
    assert result.verdict.reason == "not run: two, three (no more processes)"


async def test_a_resumed_suite_names_what_was_skipped() -> None:
    async with Server() as server:
        members = [member(server, "one"), never(server, "two"), member(server, "three")]
        earlier = await SuiteRun([members[1]]).run()
        assert isinstance(earlier, Result)
        skipping = SuiteRun(members, first=2)
        assert skipping.status.suite is not None and skipping.status.suite.index == 2
        skipped = await finished(skipping)
        resumed = await finished(SuiteRun(members, first=2, earlier=[None, earlier]))
    assert skipped.passed and skipped.skipped == ["one", "two"]
    assert skipped.verdict.reason == "three passed; skipped: one, two"
    assert not resumed.passed and resumed.skipped == ["one"]
    assert resumed.runs[0] is earlier and len(resumed.runs) == 2
    assert resumed.verdict.reason.endswith(f"; two as it was at {earlier.started}; skipped: one")


# -- as a command ------------------------------------------------------------------------------------------------


PRESET = """
[target]
health = "off"
[[stages]]
name = "ramp"
over = "100ms"
clients = 3
[[stages]]
name = "hold"
over = "{hold}"
[messages]
every = "100ms"
timeout = "1s"
[[thresholds]]
metric = "{metric}"
limit = "{limit}"
[fleet]
workers = 1
"""


async def wstui(folder: Path, server: Server, *arguments: str) -> tuple[int, str]:
    """`wstui` as a process of its own, in `folder`; its exit status and all it printed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "wstui", *arguments),
        cwd=folder,
        env={**os.environ, "WS_URL": server.url, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()


def presets(folder: Path, hold: str = "800ms") -> None:
    (folder / "good.toml").write_text(PRESET.format(metric="connect.success", limit=">= 100%", hold=hold))
    (folder / "bad.toml").write_text(PRESET.format(metric="response.p50", limit="< 1us", hold=hold))
    (folder / "both.toml").write_text('suite = ["bad", "good"]\ncooldown = "100ms"\n')


async def test_a_suite_is_one_report_in_every_format(tmp_path: Path) -> None:
    presets(tmp_path, "1100ms")
    reports = [part for name in ("json", "csv", "markdown", "junit") for part in (f"--{name}", f"r.{name}")]
    async with Server() as server:
        status, out = await wstui(tmp_path, server, "run", "./both.toml", *reports, "--no-store")
    assert status == 1, out
    result = json.loads((tmp_path / "r.json").read_text())
    assert result["schema"] == "wstui.suite/1" and result["name"] == "both"
    assert [run["scenario"]["name"] for run in result["runs"]] == ["bad", "good"]
    assert not result["verdict"]["passed"] and result["verdict"]["reason"].startswith("bad: response.p50 was ")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "r.csv").read_text())))
    assert {row["run"] for row in rows} == {"bad", "good"}
    assert "FAILED `both`" in (tmp_path / "r.markdown").read_text()
    suites = ElementTree.parse(tmp_path / "r.junit").getroot()
    assert [(suite.get("name"), suite.get("failures")) for suite in suites] == [("bad", "1"), ("good", "0")]
    assert "✗ FAILED both: bad: response.p50 was" in " ".join(out.split()), "in one line or two"


async def test_a_suite_is_resumed_with_what_the_store_knows(tmp_path: Path) -> None:
    presets(tmp_path)
    store_path = str(tmp_path / "runs.db")
    async with Server() as server:
        assert (await wstui(tmp_path, server, "run", "./bad.toml", "--store", store_path, "-q"))[0] == 1
        status, out = await wstui(
            tmp_path, server, "run", "./both.toml", "--from", "good", "--store", store_path, "--json", "r.json", "-q"
        )
        result = json.loads((tmp_path / "r.json").read_text())
        assert status == 1 and result["skipped"] == [], out
        assert [run["scenario"]["name"] for run in result["runs"]] == ["bad", "good"]
        assert f"bad as it was at {result['runs'][0]['started']}" in result["verdict"]["reason"]
        with Store(tmp_path / "runs.db") as store:
            assert [run.name for run in store.runs()] == ["good", "bad"], "nothing is added twice"
        known = load(tmp_path / "bad.toml", {"WS_URL": server.url})
        assert isinstance(known, Scenario)
        same = apply(known, {"WS_URL": server.url})
        assert [found and found.started for found in earlier_results([same], store_path)] == [
            result["runs"][0]["started"]
        ]
        other = apply(known, {"WS_URL": server.url}, Overrides(clients=2))
        assert earlier_results([other], store_path) == [None], "it was asked for something else"
        assert earlier_results([same], str(tmp_path / "none.db")) == [None]


def test_a_member_that_there_is_not_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    members = [Scenario(name="good"), Scenario(name="bad")]
    assert (first_of(members, "bad"), first_of(members, None)) == (1, 0)
    with pytest.raises(SystemExit):
        first_of(members, "god")
    assert capsys.readouterr().err == 'wstui: --from "god" is not a member of the suite: did you mean "good"?\n'


def test_a_suite_says_of_which_of_its_runs_the_generator_was_the_limit() -> None:
    verdict = combine([good(), limited()], ["calm", "flood"])
    assert verdict.passed and verdict.generator_limited
    assert verdict.reason == "both runs passed, but the generator was the limit of flood"
    assert "limit" not in combine([good(), good()], ["calm", "calm"]).reason
    assert combine([broken(), limited()], ["stress", "flood"]).reason.startswith("stress: ")
