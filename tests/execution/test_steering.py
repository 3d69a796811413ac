"""What an operator does to a run, and what the run then does."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from tests.execution.running import Finished, balance, scenario
from tests.servers.failing_handshake import Silent
from tests.servers.server import PATIENCE_S, Server, until
from tests.servers.talk import Late, Stubborn
from wstui.execution.run.commands import (
    AbortRun,
    AddNote,
    BeginSpan,
    CommandAnswer,
    CompletePlan,
    DrainRun,
    EndSpan,
    PauseRun,
    RampTo,
    Redistribute,
    ResumeRun,
    RunCommand,
    SetInterval,
    SkipStage,
)
from wstui.execution.run.load_controller import NS, LoadController
from wstui.execution.run.run import Run
from wstui.execution.run.state import State
from wstui.load.protocol import Arrive, Ramp
from wstui.report.formats.console import summary
from wstui.report.model.labels import ramp_rates, verdict_sign
from wstui.scenario.model import Scenario, Stage, Target


class SteeredRun:
    """A run that goes on while the test steers it."""

    def __init__(self, what: Scenario) -> None:
        self.run = Run(what)
        self.task = asyncio.create_task(self.run.execute())

    @property
    def open(self) -> int:
        return self.run.status.counters.open

    @property
    def marks(self) -> list[tuple[str, str]]:
        return [(mark.kind, mark.text) for mark in self.run.status.marks]

    async def end(self, *, complete: bool = True) -> Finished:
        finished = Finished(self.run, await asyncio.wait_for(self.task, PATIENCE_S))
        balance(finished, complete=complete)
        return finished


@contextlib.asynccontextmanager
async def steered(url: str, **settings: Any) -> AsyncIterator[SteeredRun]:
    run = SteeredRun(scenario(url, **{"clients": 10, "hold": 60, "every": 0.05, **settings}))
    try:
        yield run
    finally:
        if not run.task.done():
            run.task.cancel()
            await asyncio.gather(run.task, return_exceptions=True)


async def quiet(server: Server) -> int:
    """How many pings there are once no more come: what was due a moment ago may still be on its way."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            pings = server.messages["ping"]
            await asyncio.sleep(0.3)
            if server.messages["ping"] == pings:
                return pings


async def test_a_pause_stops_sends_and_the_plan_and_keeps_the_connections() -> None:
    async with Server() as server, steered(server.url, workers=2) as run:
        await until(lambda: run.open == 10 and server.messages["ping"] > 50)
        run.run.send(PauseRun())
        await until(lambda: run.run.status.state is State.PAUSED)
        await until(lambda: run.run.status.counters.sent == run.run.status.counters.matched)
        pings, plan_s = await quiet(server), run.run.status.plan_s
        rows = len(run.run.status.rows)
        await until(lambda: len(run.run.status.rows) >= rows + 2)
        assert server.messages["ping"] == pings
        assert run.run.status.plan_s == plan_s
        assert len(server.live) == run.open == 10
        paused = run.run.status.rows[-1]
        assert paused.paused and paused.sent_per_s == 0 and paused.response_p50_ms is None
        run.run.send(ResumeRun())
        await until(lambda: server.messages["ping"] > pings + 50)
        run.run.send(CompletePlan())
        finished = await run.end()
        assert server.ends == {"close 1000": 10}
    result = finished.result
    kinds = [event.kind for event in result.events]
    assert kinds.index("pause") < kinds.index("resume")
    assert result.paused_s > 1.0
    active = result.duration_s - result.paused_s
    # Averages leave the pause out.
    assert result.messages.sent_per_second is not None
    assert result.messages.sent / active < result.messages.sent_per_second * 1.5
    assert result.messages.sent_per_second > result.messages.sent / result.duration_s * 1.2
    # Nothing was due in the pause: else there would be messages that are as late as it was long, 200 a second.
    assert result.latency_ms.response.max is not None and result.latency_ms.response.max < result.paused_s * 1000
    assert result.generator.late_sends < result.paused_s * 100


async def test_a_pause_in_a_ramp_does_not_count_as_a_slow_one() -> None:
    stages = [Stage(name="ramp", over=2.0, clients=40), Stage(name="hold", over=60.0)]
    async with Server() as server, steered(server.url, stages=stages) as run:
        await until(lambda: run.open >= 4)
        run.run.send(PauseRun())
        await until(lambda: run.run.status.state is State.PAUSED)
        rows = len(run.run.status.rows)
        await until(lambda: len(run.run.status.rows) >= rows + 3)
        run.run.send(ResumeRun())
        await until(lambda: run.open == 40)
        run.run.send(CompletePlan())
        result = (await run.end()).result
    ramp = result.stages[0]
    (rate,) = ramp_rates(result)
    assert ramp.active_s is not None and ramp.ended_s - ramp.started_s > ramp.active_s + 2
    assert rate.planned == 20.0 and rate.achieved == pytest.approx(40 / ramp.active_s)


async def test_a_ramp_of_the_operator_ends_at_the_exact_number_up_and_down() -> None:
    async with Server() as server, steered(server.url, workers=2) as run:
        await until(lambda: run.open == 10)
        for to, over in ((25, 0.3), (3, 0.2), (14, 0.0)):
            run.run.send(RampTo(to, over))
            await until(lambda to=to: run.open == to == run.run.status.counters.wanted)
            await until(lambda to=to: len(server.live) == to)
            assert run.run.status.target_clients == to
        run.run.send(DrainRun())
        finished = await run.end()
        assert server.ends == {"close 1000": server.accepted}
    assert ("operator", "operator: 10 → 25 clients over 300 ms") in finished.marks
    assert finished.counters.dropped == 0


async def test_a_stage_may_set_the_pace_from_its_beginning_on() -> None:
    stages = [
        Stage(name="ramp", over=0.0, clients=10),
        Stage(name="slow", over=0.4),
        Stage(name="fast", over=60.0, every=0.02),
    ]
    async with Server() as server, steered(server.url, every=60.0, stages=stages) as run:
        await until(lambda: run.run.status.every_s == 0.02 and server.messages["ping"] > 100)
        assert run.run.status.turns[-1].every_s == 0.02 and not run.run.status.turns[-1].by_operator


async def test_a_new_pace_is_taken_up_by_every_client() -> None:
    async with Server() as server, steered(server.url, every=3600) as run:
        await until(lambda: run.open == 10)
        assert server.messages["ping"] <= 1  # one of ten may be due at once
        run.run.send(SetInterval(0.02))
        await until(lambda: server.messages["ping"] > 200)
        assert run.run.status.every_s == 0.02
        run.run.send(SetInterval(0))
        pings = server.messages["ping"]
        await until(lambda: server.messages["ping"] > pings + 500)
        run.run.send(SetInterval(3600))
        await until(lambda: run.run.status.every_s == 3600)
        await quiet(server)
        run.run.send(DrainRun())
        finished = await run.end()
    assert [text for kind, text in finished.marks if "a message every" in text] == [
        "operator: a message every 1 h → 20 ms",
        "operator: a message every 20 ms → 0 s",
        "operator: a message every 0 s → 1 h",
    ]


async def test_a_skip_ends_a_stage_and_moves_the_later_ones_forward() -> None:
    stages = [
        Stage(name="ramp", over=60, clients=600),
        Stage(name="hold", over=0.5),
        Stage(name="more", over=3, clients=30),
        Stage(name="cooldown", over=600, clients=0),
    ]
    async with Server() as server, steered(server.url, stages=stages) as run:
        await until(lambda: run.open >= 5)
        run.run.send(SkipStage())
        await until(lambda: ("operator", "operator: ramp skipped") in run.marks)
        await until(lambda: [s.name for s in run.run.status.stages if s.current] == ["cooldown"])
        await until(lambda: server.accepted >= 28)
        drained = run.run.status.counters.closed
        await until(lambda: run.open >= 25)
        run.run.send(SkipStage())
        finished = await run.end()
    assert drained <= 2, "who was there when the ramp was skipped may stay"
    result = finished.result
    assert [stage.name for stage in result.stages] == ["ramp", "hold", "more", "cooldown"]
    assert result.duration_s < 60, "the ramp alone would take longer"
    assert result.verdict.passed


async def test_a_skip_of_a_ramp_stays_at_the_number_that_it_had_reached() -> None:
    stages = [Stage(name="ramp", over=600, clients=6000), Stage(name="hold", over=1.2)]
    async with Server() as server, steered(server.url, stages=stages, every=1) as run:
        await until(lambda: run.open >= 6)
        run.run.send(SkipStage())
        finished = await run.end()
    c = finished.counters
    assert server.ends == {"close 1000": c.ready}
    (hold,) = [stage for stage in finished.result.stages if stage.name == "hold"]
    # Ten clients a second: those of a moment may come too much or too few.
    wanted = [row.wanted for row in finished.run.status.rows if row.stage == "hold"]
    assert wanted and abs(wanted[-1] - c.ready) <= 8
    assert hold.connections.attempted <= 8


async def test_a_drain_closes_every_connection_in_order() -> None:
    async with Late(delay_s=0.3) as server, steered(server.url, timeout=5) as run:
        await until(lambda: run.run.status.counters.matched > 10)
        run.run.send(DrainRun())
        finished = await run.end()
        assert server.ends == {"close 1000": 10}
    assert finished.counters.sent == finished.counters.matched, "the replies in flight were waited for"
    assert finished.failures == {}
    verdict = finished.result.verdict
    assert not verdict.passed and verdict.reason == "ended early by the operator"
    assert verdict.drained and verdict_sign(verdict).word == "DRAINED"
    assert finished.run.status.state is State.FINISHED


async def test_an_abort_drops_every_connection_at_once() -> None:
    async with Late(delay_s=30) as server, steered(server.url, timeout=60, workers=2) as run:
        await until(lambda: run.open == 10 and server.messages["ping"] > 20)
        run.run.send(AbortRun())
        finished = await run.end(complete=False)
        await until(lambda: not server.live)
        assert server.ends == {"lost": 10}
    c = finished.counters
    assert c.matched + c.reply_timeouts == 0
    assert c.abandoned == c.sent == finished.result.messages.abandoned, "what was in flight is counted"
    assert f"abandoned {c.sent}" in summary(finished.result)
    assert finished.failures == {}, "what we cut off is nobody's failure"
    assert finished.result.verdict.aborted
    assert finished.result.verdict.reason == "aborted by the operator"
    assert verdict_sign(finished.result.verdict).word == "ABORTED"


async def test_an_abort_cuts_a_drain_short() -> None:
    async with Stubborn() as server, steered(server.url, close_timeout=600) as run:
        await until(lambda: run.open == 10)
        run.run.send(DrainRun())
        await until(lambda: run.run.status.state is State.DRAINING)
        run.run.send(AbortRun())
        verdict = (await run.end(complete=False)).result.verdict
    assert run.run.status.state is State.ABORTED
    assert verdict.reason == "ended early by the operator, then aborted" and not verdict.drained


async def test_an_abort_is_obeyed_that_comes_in_the_same_moment_as_a_drain() -> None:
    async with Stubborn() as server, steered(server.url, close_timeout=600) as run:
        await until(lambda: run.open == 10)
        run.run.send(DrainRun())
        run.run.send(AbortRun())
        finished = await run.end(complete=False)
        await until(lambda: not server.live)
    assert finished.result.verdict.aborted and finished.run.status.state is State.ABORTED
    assert ("end", "every connection dropped") in finished.marks


async def test_attempts_in_flight_at_the_end_are_drained_and_no_failures() -> None:
    async with Silent() as server, steered(server.url, connect_timeout=60) as run:
        await until(lambda: server.accepted == 10)
        run.run.send(DrainRun())
        finished = await run.end()
    assert finished.counters.drained == 10
    assert finished.failures == {}


async def test_a_paused_run_can_be_drained_and_skipped() -> None:
    async with Server() as server, steered(server.url) as run:
        await until(lambda: run.open == 10)
        run.run.send(PauseRun())
        run.run.send(SkipStage())
        await until(lambda: run.task.done() or run.run.status.state is State.DRAINING)
        finished = await run.end()
        assert server.ends == {"close 1000": 10}
    assert finished.result.passed


async def test_commands_may_come_before_the_start_and_after_the_end() -> None:
    async with Server() as server:
        run = SteeredRun(scenario(server.url, clients=4, hold=60))
        early = [run.run.send(RampTo(7, 0)), run.run.send(SetInterval(0.01))]
        await until(lambda: run.open == 7)
        assert [answer.result() for answer in early] == [
            CommandAnswer(True, "target 4 → 7 clients over 0 s"),
            CommandAnswer(True, "each client sends every 10 ms"),
        ]
        run.run.send(DrainRun())
        finished = await run.end()
        for command in (PauseRun(), ResumeRun(), SkipStage(), DrainRun(), AbortRun(), RampTo(3, 1), SetInterval(1)):
            assert run.run.send(command).result() == CommandAnswer(False, "the run has ended")
        assert run.run.status.result is finished.result


async def test_each_command_says_what_became_of_it() -> None:
    async with Server() as server, steered(server.url) as run:
        await until(lambda: run.open == 10)

        async def told(command: RunCommand) -> tuple[bool, str]:
            answer = await asyncio.wait_for(asyncio.wrap_future(run.run.send(command)), PATIENCE_S)
            return answer.done, answer.text

        assert await told(ResumeRun()) == (False, "the run is not paused")
        assert await told(Redistribute()) == (False, "no lost worker is left to replace")
        assert await told(RampTo(4, 0.1)) == (True, "target 10 → 4 clients over 100 ms")
        await until(lambda: run.open == 4)
        assert await told(PauseRun()) == (True, "paused: 4 connections stay open, no messages are sent")
        assert await told(PauseRun()) == (False, "the run is paused already")
        assert await told(RampTo(6)) == (True, "target 4 → 6 clients over 0 s, once resumed")
        assert await told(ResumeRun()) == (True, "resumed: messages are sent again, the clock of the plan goes on")
        assert await told(SkipStage()) == (True, "hold ended")
        await run.end()


async def test_notes_and_spans_are_marks_with_who_wrote_them() -> None:
    async with Server() as server, steered(server.url) as run:
        await until(lambda: run.open == 10)
        for command, by, done in (
            (AddNote("cache emptied"), "operator", True),
            (AddNote(" "), "operator", False),
            (EndSpan(), "operator", False),
            (BeginSpan("3 → 6 \x1b[31mpods"), "ada (ci, pid 7)", True),
            (BeginSpan("another"), "operator", False),
            (EndSpan(), "operator", True),
        ):
            answer = await asyncio.wait_for(asyncio.wrap_future(run.run.send(command, by=by)), PATIENCE_S)
            assert answer.done is done, (command, answer)
        run.run.send(CompletePlan())
        finished = await run.end()
        pods = "3 → 6 \\x1b[31mpods (ada (ci, pid 7))"
        assert [mark for mark in finished.marks if mark[0] in ("note", "span", "span_end")] == [
            ("note", "cache emptied"),
            ("span", pods),
            ("span_end", f"end of {pods}"),
        ]


@pytest.mark.parametrize(
    "commands",
    [
        (RampTo(12), SetInterval(0.2), PauseRun(), ResumeRun(), AddNote("x"), BeginSpan("y"), EndSpan(), SkipStage()),
        (CompletePlan(),),
        (DrainRun(), AbortRun()),
    ],
    ids=["steered", "completed", "ended"],
)
async def test_each_command_of_another_is_a_mark_with_who_sent_it(commands: tuple[RunCommand, ...]) -> None:
    async with Server() as server, steered(server.url) as run:
        await until(lambda: run.open == 10)
        sent = [run.run.send(command, by=f"ada (ci, pid {number})") for number, command in enumerate(commands)]
        answers = await asyncio.gather(*map(asyncio.wrap_future, sent))
        assert all(answer.done for answer in answers), answers
        finished = await run.end(complete=False)
        told = " ".join(text for _, text in finished.marks)
        assert [command for number, command in enumerate(commands) if f"ada (ci, pid {number})" not in told] == []


async def test_commands_from_another_thread_are_obeyed() -> None:
    async with Server() as server, steered(server.url) as run:
        await until(lambda: run.open == 10)
        assert (await asyncio.to_thread(lambda: run.run.send(RampTo(4)).result(PATIENCE_S))).done
        await until(lambda: run.open == 4)
        await asyncio.to_thread(run.run.send, AbortRun())
        await run.end(complete=False)


def test_a_command_survives_the_wire() -> None:
    commands: list[RunCommand] = [RampTo(12, 1.5), SetInterval(0.25), PauseRun(), SkipStage(), AbortRun()]
    wire = msgspec.json.encode(commands)
    assert msgspec.json.decode(wire, type=list[RunCommand]) == commands
    assert msgspec.json.decode(b'{"type": "ramp", "clients": 5}', type=RunCommand) == RampTo(5)


def test_a_stage_says_whether_the_ramp_before_it_had_reached_its_end() -> None:
    sent: list[Ramp | Arrive] = []
    fleet = SimpleNamespace(send=sent.append)
    stages = [Stage(name=f"{number}", over=over, clients=10) for number, over in enumerate((0.1, 0.2, 0.7, 60, 60))]
    what = Scenario(target=Target(url="ws://127.0.0.1:1"), stages=stages)
    load = LoadController(what, fleet, lambda *_: None, lambda _: None)  # type: ignore[arg-type]
    load.start(time.monotonic_ns() - round(1.0 * NS))
    load.advance()
    load.leave_stage(skipped=True)
    assert [said.reached for said in sent if isinstance(said, Ramp)] == [True, True, True, True, False]
