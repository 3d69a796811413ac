"""Thresholds on real runs: kept, broken, never measured, and a reason to stop."""

from __future__ import annotations

import asyncio
import itertools
import re

import pytest

import wstui
from tests.execution.running import Finished, balance, finish, scenario, together
from tests.servers.failing_handshake import Rationing
from tests.servers.server import Connection, Server, until
from tests.servers.talk import ClosingEarly, Late, Losing
from wstui.execution.run.commands import CompletePlan
from wstui.execution.run.result_sections import ThresholdOutcome
from wstui.execution.run.run import Run
from wstui.execution.run.state import State
from wstui.execution.run.verdict import figure_of, threshold_words
from wstui.measure.format import limit_words
from wstui.scenario.model import Stage, Threshold
from wstui.scenario.threshold import parse_limit


def limits(*texts: str, **more: object) -> list[Threshold]:
    """Thresholds from "metric limit"."""
    return [
        Threshold(metric=metric, limit=limit, **more)  # type: ignore[arg-type]
        for metric, _, limit in (text.partition(" ") for text in texts)
    ]


async def against(server: Server, **settings: object) -> Finished:
    async with server:
        return await finish(scenario(server.url, **{"clients": 8, **settings}))  # type: ignore[arg-type]


async def test_limits_are_judged_by_what_was_measured() -> None:
    kept = limits(
        "connect.success >= 100%",
        "connect.p95 < 30s",
        "response.p99.9 < 30s",
        "response.mean < 30s",
        "roundtrip.max < 30s",
        "messages.timed_out == 0",
        "connections.dropped <= 0",
        "messages.sent_per_second > 1/s",
        "failures.rate <= 0%",
    )
    good, picky, half, lossy = await together(
        against(Server(), thresholds=kept),
        against(Late(delay_s=0.1), thresholds=limits("response.min > 95ms", "response.p50 < 1ms")),
        against(Rationing(), thresholds=limits("connect.success >= 60%", "connect.success < 60%")),
        against(
            Losing(every=2),
            timeout=0.3,
            thresholds=limits("messages.timed_out < 1", "failures.rate < 5%", "response.max >= 300ms"),
        ),
    )
    verdict = good.result.verdict
    assert verdict.passed and (verdict.reason == "all 9 thresholds kept" or verdict.generator_limited)
    assert all(outcome.passed for outcome in good.result.verdict.thresholds)

    assert [o.passed for o in picky.result.verdict.thresholds] == [True, False]
    assert not picky.result.passed
    assert re.match(r"response.p50 was \d{3} ms \(limit < 1 ms\)", picky.result.verdict.reason)

    assert [o.value for o in half.result.verdict.thresholds] == [50, 50]
    assert [o.passed for o in half.result.verdict.thresholds] == [False, True]

    assert [o.passed for o in lossy.result.verdict.thresholds] == [False, False, True]
    c = lossy.counters
    rate = (c.reply_timeouts) / (c.attempted + c.sent) * 100
    assert lossy.result.verdict.thresholds[1].value == pytest.approx(rate)


@pytest.mark.parametrize(
    ("value", "limit", "text"),
    [
        (66.0714, ">= 100%", "66.07 %"),
        (99.998, ">= 100%", "99.99 %"),
        (99.8999, ">= 99.9%", "99.8999 %"),
        (10_002.3, "<= 5", "10 002"),
        (5.0004, "<= 5ms", "5.0004 ms"),
        (230.2, "< 50ms", "230 ms"),
        (411.4, ">= 500/s", "411/s"),
        (3.0, "<= 0", "3"),
    ],
)
def test_a_broken_limit_is_told_in_the_numbers_of_every_report_and_never_looks_kept(
    value: float, limit: str, text: str
) -> None:
    outcome = ThresholdOutcome("some.metric", limit, value, False, unit=parse_limit(limit).unit)
    assert figure_of(outcome) == text
    assert threshold_words(outcome) == f"some.metric was {text} (limit {limit_words(limit)})"


async def test_limits_are_known_before_anything_is_measured() -> None:
    status = Run(scenario("ws://127.0.0.1:9/ws", thresholds=limits("response.p95 < 1s"))).status
    assert [(o.metric, o.value, o.passed) for o in status.thresholds] == [("response.p95", None, None)]


async def test_what_was_never_measured_is_not_kept() -> None:
    listening, refused = await together(
        against(Server(), exchange="listen", thresholds=limits("response.p95 < 1s")),
        against(Rationing(), thresholds=limits("response.p95 < 10s", stage="never"), hold=0.4),
    )
    for finished in (listening, refused):
        (outcome,) = finished.result.verdict.thresholds
        assert (outcome.value, outcome.passed) == (None, False)
        assert "never measured" in finished.result.verdict.reason


async def test_a_broken_limit_can_end_the_run_and_not_before_its_time() -> None:
    server = Losing(every=1)
    broken = limits("messages.timed_out < 1", abort_on_fail=True, after=2.5)
    early, late = Losing(every=1), server
    one, two = await together(
        against(early, timeout=0.3, hold=60, thresholds=limits("messages.timed_out < 1", abort_on_fail=True)),
        against(late, timeout=0.3, hold=60, thresholds=broken),
    )
    for finished, target in ((one, early), (two, late)):
        assert not finished.result.passed
        assert finished.result.verdict.reason.startswith("stopped: messages.timed_out was ")
        assert finished.result.duration_s < 60
        assert target.ends == {"close 1000": 8}
        assert "broken" in {kind for kind, _ in finished.marks}
        assert not finished.result.verdict.aborted, "nobody aborted it"
    end = next(event.at_s for event in two.result.events if event.kind == "end")
    assert end >= 2.5
    assert one.run.status.state is State.FINISHED


async def test_a_limit_on_a_stage_looks_at_that_stage_alone_and_others_leave_cooldowns_out() -> None:
    stages = [
        Stage(name="ramp", over=0.2, clients=6),
        Stage(name="quick", over=0.9),
        Stage(name="slow", over=0.9),
        Stage(name="cooldown", over=0.9),
    ]
    thresholds = [
        *limits("response.p50 < 300ms", stage="quick"),
        *limits("response.p90 > 300ms", stage="slow"),
        *limits("response.p90 < 1200ms", "response.p50 > 0.001ms"),
        *limits("response.p90 > 1200ms", stage="cooldown"),
    ]
    async with Late(delay_s=0.02) as server:
        run = Run(scenario(server.url, stages=stages, thresholds=thresholds, timeout=10))
        running = asyncio.create_task(run.execute())
        await until(lambda: ("stage", "slow: 6 clients, 0.9 s") in [(m.kind, m.text) for m in run.status.marks])
        server.delay_s = 0.5
        await until(lambda: ("stage", "cooldown: 6 clients, 0.9 s") in [(m.kind, m.text) for m in run.status.marks])
        server.delay_s = 1.5
        finished = Finished(run, await running)
    balance(finished)
    assert [o.passed for o in finished.result.verdict.thresholds] == [True] * 5, finished.result.verdict
    stages_seen = {stage.name: stage.latency_ms.response for stage in finished.result.stages}
    assert stages_seen["quick"].p50 is not None and stages_seen["quick"].p50 < 300
    assert stages_seen["slow"].p90 is not None and stages_seen["slow"].p90 > 300


async def test_a_limit_that_is_crossed_and_kept_again_is_marked_both_times() -> None:
    class Recovering(Server):
        well = False

        async def ping(self, client: Connection, timestamp: int) -> None:
            if self.well:
                self.pong(client, timestamp)

    def crossed() -> list[str]:
        return [mark.kind for mark in run.status.marks if "failures.rate" in mark.text]

    async with Recovering() as server:
        what = scenario(server.url, every=0.05, timeout=0.4, hold=120, thresholds=limits("failures.rate < 20%"))
        run = Run(what)
        running = asyncio.create_task(run.execute())
        await until(lambda: crossed() == ["broken"])
        server.well = True
        await until(lambda: crossed() == ["broken", "kept"])
        run.send(CompletePlan())
        finished = Finished(run, await running)
    balance(finished)
    assert finished.result.passed


async def test_the_stages_and_the_timeline_tell_the_same_story_as_the_totals() -> None:
    stages = [
        Stage(name="ramp", over=0.5, clients=12),
        Stage(name="hold", over=1.0),
        Stage(name="down", over=0.3, clients=4),
        Stage(name="cooldown", over=0.8),
    ]
    finished, dropped = await together(
        against(Server(), stages=stages, workers=2, every=0.05),
        against(ClosingEarly(codes=(1001,)), stages=stages, every=0.05),
    )
    result = finished.result
    assert [stage.name for stage in result.stages] == ["ramp", "hold", "down", "cooldown"]
    assert result.stages[0].connections.attempted == 12
    assert sum(stage.connections.attempted for stage in result.stages[1:]) == 0
    rows = finished.run.status.rows
    assert len(rows) >= 2
    # A row covers the interval from the one before it: rates times seconds are the counts up to the last row.
    assert all(row.at_s.is_integer() for row in rows)
    assert all(before.at_s < after.at_s for before, after in itertools.pairwise(rows))
    seen = sum(row.replies for row in rows)
    assert seen <= result.latency_ms.response.count
    assert seen >= result.latency_ms.response.count * 0.5
    assert max(row.open for row in rows) <= 12 and rows[-1].wanted in (4, 12)
    assert dropped.counters.dropped == 12


async def test_a_result_says_who_ran_what_and_hides_secrets() -> None:
    from wstui.scenario.model import Auth

    async with Server() as server:
        auth = Auth(kind="token", token="very-secret-token")  # type: ignore[arg-type]
        finished = await finish(scenario(server.url, clients=2, hold=0.3, auth=auth, headers={"X-Api-Key": "hidden"}))
        assert server.paths[0] == b"/ws?token=very-secret-token"
    text = finished.result.to_json()
    assert "very-secret-token" not in text and "hidden" not in text
    assert finished.result.started < finished.result.finished


async def test_a_program_can_run_a_scenario() -> None:
    async with Server() as server:
        what = wstui.Scenario(
            target=wstui.Target(url=server.url, health="off"),
            stages=[wstui.Stage(name="ramp", over=0.1, clients=3), wstui.Stage(name="hold", over=0.4)],
            messages=wstui.Messages(every="50ms"),  # type: ignore[arg-type]
            thresholds=[wstui.Threshold(metric="connect.success", limit=">= 100%")],
        )
        result = await wstui.run(what)
        assert isinstance(result, wstui.Result)
        assert result.passed and result.connections.ready == 3 and result.messages.sent > 3
        again = await asyncio.to_thread(wstui.run_sync, what)
        assert again.passed and again.connections.ready == 3


async def test_a_target_that_is_not_there_is_a_result_and_no_error() -> None:
    result = await wstui.run(
        wstui.Scenario(
            target=wstui.Target(url="ws://127.0.0.1:1/", health="off"),
            stages=[wstui.Stage(name="ramp", over=0.1, clients=3), wstui.Stage(name="hold", over=0.2)],
        )
    )
    assert not result.passed and result.verdict.unreachable
    assert result.connections.failed == 3
