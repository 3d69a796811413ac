"""The search for a limit against servers whose capacity is built in: what it answers is that capacity."""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.servers.capacity import Doorkeeper, Seats, Worker, Wounded
from tests.servers.server import Server, until
from wstui.execution.run.commands import DrainRun, PauseRun, RampTo, ResumeRun, SkipStage
from wstui.execution.run.result import BreakpointSummary, Result
from wstui.execution.run.state import State
from wstui.execution.search.breakpoint_search import BreakpointRun
from wstui.scenario.breakpoint import Breakpoint
from wstui.scenario.model import Fleet, Messages, Scenario, Target, Threshold

SHORT: dict[str, Any] = {"factor": 1.5, "ramp": 0.1, "settle": 0.1, "measure": 0.4, "recover": 5.0}
ALL_GET_IN = ("connect.success", ">= 100%")


def searching(
    server: Server, *limits: tuple[str, str], every: float = 0.5, timeout: float = 1.0, **asked: Any
) -> BreakpointRun:
    """A search with short steps."""
    return BreakpointRun(
        Scenario(
            name="search",
            target=Target(url=server.url, health="off", connect_timeout=10.0, close_timeout=3.0),
            messages=Messages(every=every, timeout=timeout),
            thresholds=[Threshold(metric=metric, limit=limit) for metric, limit in limits],
            fleet=Fleet(workers=1),
            breakpoint=Breakpoint(**(SHORT | asked)),
        )
    )


async def found(server: Server, *limits: tuple[str, str], capacity: float = 0.0, **asked: Any) -> Result:
    """The result of a search. It is repeated if this machine was too busy, and if it missed a known
    `capacity`: this process, which is the server, may have been without a processor for a moment.
    """
    async with server:
        for _ in range(8):
            result = await searching(server, *limits, **asked).execute()
            if not of(result).limited_by and (not capacity or _is_near(of(result), capacity)):
                break
        return result


def _is_near(answer: BreakpointSummary, capacity: float) -> bool:
    return capacity * 0.9 <= (answer.low or 0) <= capacity * 1.1 and (answer.confirmed_low or 0) >= capacity * 0.8


def judged(result: Result) -> Result:
    """A result, unless this generator had so little time that the search could say nothing of the server."""
    if of(result).limited_by:
        pytest.skip(f"this machine is too busy: {of(result).sentence}")
    return result


def of(result: Result) -> BreakpointSummary:
    assert result.breakpoint is not None
    return result.breakpoint


@pytest.fixture(scope="module")
def answers() -> dict[str, Result]:
    """Several searches at once, to save time: none of them makes much load."""
    slow, soon = ("response.p99", "< 200ms"), {"every": 0.1, "timeout": 0.3}
    asked = {
        "messages": found(
            Worker(), ("response.p50", "< 25ms"), capacity=200, of="messages", start=100, clients=20, settle=0.5
        ),
        "connects": found(
            Doorkeeper(), ALL_GET_IN, capacity=120, of="connects", start=50, most=1000, clients=4, measure=0.5
        ),
        "clients": found(Seats(seats=60), ALL_GET_IN, capacity=60, of="clients", start=40),
        "wounded": found(Wounded(seats=12), ALL_GET_IN, slow, start=10, recover=0.5, **soon),
        "all hold": found(Server(), ALL_GET_IN, start=4, most=9, factor=2),
        "none holds": found(Server(), ("response.p50", "< 1us"), start=2, recover=0.0, every=0.05),
        "nobody gets in": found(Seats(seats=0), start=4),
    }

    async def all_of_them() -> list[Result]:
        turn = asyncio.Semaphore(4)

        async def one(search: Awaitable[Result]) -> Result:
            async with turn:
                return await search

        return await asyncio.gather(*map(one, asked.values()))

    return dict(zip(asked, asyncio.run(all_of_them()), strict=True))


@pytest.mark.parametrize(
    ("kind", "capacity", "broken_on"),
    [
        ("clients", 60, "connect.success"),
        ("messages", 200, "response.p50"),
        ("connects", 100 + 10 / 0.5, "connect.success"),
    ],
)
def test_the_answer_is_the_capacity_within_a_tenth(
    answers: dict[str, Result], kind: str, capacity: float, broken_on: str
) -> None:
    result = judged(answers[kind])
    answer = of(result)
    assert answer.low is not None and answer.high is not None, answer.sentence
    assert capacity * 0.9 <= answer.low <= capacity * 1.1, answer.sentence
    assert answer.low < answer.high <= answer.low * 1.1 + 1
    assert (answer.broken_on, answer.limited_by) == (broken_on, [])
    assert answer.confirmed_low is not None and capacity * 0.8 <= answer.confirmed_low <= answer.low, answer.sentence
    within = f"({answer.confirmed_low}–{answer.high})"
    assert answer.sentence.startswith(f"holds {answer.low} {answer.unit} {within}, breaks at {answer.high}: ")
    assert result.passed and result.verdict.reason == answer.sentence
    assert all(outcome.passed for outcome in result.verdict.thresholds), "as they stood at what holds"
    assert result.scenario["breakpoint"]["of"] == kind and result.scenario["stages"] == []


@pytest.mark.parametrize("kind", ["clients", "messages", "connects"])
def test_each_step_says_what_was_there(answers: dict[str, Result], kind: str) -> None:
    result = judged(answers[kind])
    steps = of(result).steps
    assert len(steps) >= 5
    for step in steps:
        if step.held:
            assert step.reached >= 0.9 * step.load and not step.why and not step.broken_on
        else:
            assert step.why and bool(step.broken_on) == (step.held is False)
        assert step.messages.sent_per_second and step.latency_ms.response.count
        c = step.connections
        assert c.attempted == c.ready + c.refused + c.timed_out + c.failed + c.drained
    assert all(a.ended_s <= b.started_s for a, b in itertools.pairwise(steps))
    told = [event.text for event in result.events if event.kind == "stage"]
    assert sum(text.startswith("step ") for text in told) == len(steps)


def test_an_overloaded_worker_shows_the_curve(answers: dict[str, Result]) -> None:
    answer = of(judged(answers["messages"]))
    over = [step for step in answer.steps if step.held is False]
    under = [step for step in answer.steps if step.held]
    assert max(s.latency_ms.response.p50 or 0 for s in over) > max(s.latency_ms.response.p50 or 0 for s in under)
    assert max(step.reached for step in over) < 230, "it answers no more than it can"
    assert max(step.unanswered for step in over) > max(step.unanswered for step in under)


async def test_the_limits_of_a_search_are_known_before_its_first_load_is_measured() -> None:
    async with Server() as server:
        status = searching(server, ALL_GET_IN).status
    assert [(o.metric, o.limit, o.passed) for o in status.thresholds] == [(*ALL_GET_IN, None)]


async def test_the_operator_ends_a_search_with_what_is_known() -> None:
    async with Server() as server:
        run = searching(server, ALL_GET_IN, start=5, most=1000)
        going = asyncio.create_task(run.execute())
        await until(lambda: run.status.breakpoint and run.status.breakpoint.low)
        run.send(RampTo(500, 1.0))
        run.send(PauseRun())
        await until(lambda: run.status.state is State.PAUSED)
        steps = len(run.status.breakpoint.steps)  # type: ignore[union-attr]
        await asyncio.sleep(1.2)  # longer than a step takes
        assert len(run.status.breakpoint.steps) == steps, "a pause holds the search"  # type: ignore[union-attr]
        run.send(ResumeRun())
        await until(lambda: len(run.status.breakpoint.steps) > steps)  # type: ignore[union-attr]
        run.send(SkipStage())
        result = await going
    answer = of(result)
    assert result.passed and answer.low is not None and answer.high is None
    assert (
        answer.sentence
        == f"holds {answer.low} clients or more; ended by the operator before it was known more precisely"
    )
    assert any("500 clients not done" in event.text for event in result.events)
    assert max(step.clients for step in answer.steps) <= 100
    status = run.status
    assert status.state is State.FINISHED and status.result is result and status.note == answer.sentence


async def test_a_drained_search_did_not_pass() -> None:
    async with Server() as server:
        run = searching(server, ALL_GET_IN, start=5, most=1000)
        going = asyncio.create_task(run.execute())
        await until(lambda: run.status.breakpoint is not None and run.status.breakpoint.low is not None)
        run.send(DrainRun())
        result = await going
        assert server.ends.keys() == {"close 1000"}
    assert result.verdict.aborted and not result.passed
    assert result.verdict.reason.startswith("ended early by the operator; holds ")


def test_a_server_that_does_not_get_well_ends_the_search(answers: dict[str, Result]) -> None:
    result = judged(answers["wounded"])
    assert (of(result).low, of(result).high) == (10, 15)
    assert "the target did not recover at 10 within 0.5 s" in of(result).sentence
    assert result.passed, "what held before it did hold"


def test_all_that_was_tried_may_hold_and_none_may(answers: dict[str, Result]) -> None:
    good, bad = judged(answers["all hold"]), judged(answers["none holds"])
    assert of(good).sentence == "holds 9 clients, the most that was tried" and good.passed
    assert (of(bad).low, of(bad).high) == (None, 1) and not bad.passed
    assert of(bad).sentence.startswith(
        "held no load of those that were tried (clients), breaks at 1: response.p50 was "
    )


def test_a_target_that_lets_nobody_in_is_unreachable(answers: dict[str, Result]) -> None:
    result = answers["nobody gets in"]
    assert result.verdict.unreachable and not result.passed
    assert len(of(result).steps) == 1


PRESET = """
[target]
health = "off"
[breakpoint]
start = 40
ramp = "200ms"
settle = "100ms"
measure = "400ms"
recover = "5s"
[messages]
every = "500ms"
[[thresholds]]
metric = "connect.success"
limit = ">= 100%"
[fleet]
workers = 1
"""
LIMIT_FILES = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
sys.argv = ["wstui", *sys.argv[1:]]
from wstui.cli import main
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit of open files")
async def test_a_generator_at_its_limit_ends_the_search_and_says_so(tmp_path: Path) -> None:
    preset, report, table = tmp_path / "mine.toml", tmp_path / "result.json", tmp_path / "result.md"
    preset.write_text(PRESET)
    async with Server() as server:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", LIMIT_FILES, "run", str(preset), "--no-store", "--progress-every", "0.5"),
            *("--json", str(report), "--markdown", str(table)),
            env={**os.environ, "WS_URL": server.url},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        out, _ = await process.communicate()
    text = out.decode()
    result = msgspec.json.decode(report.read_bytes(), type=Result)
    answer = of(result)
    assert process.returncode == 4, text
    assert answer.low in (40, 80) and answer.high is None, answer.sentence
    assert "this generator was the limit" in answer.sentence and "file descriptor" in answer.limited_by[0]
    assert result.verdict.generator_limited and result.generator.limited_by == answer.limited_by
    assert [step.held for step in answer.steps[-3:]] == [None] * 3, "it is tried again"
    assert "tries 80 clients" in text and "holds 40" in text
    for report_text in (text, table.read_text()):
        assert "✓ holds" in report_text and "▲ limited" in report_text
