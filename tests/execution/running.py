"""Runs for tests: short scenarios, and the books that must balance after each."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Awaitable
from typing import Any

from tests.servers.server import PATIENCE_S, until
from wstui.execution.run.commands import CompletePlan
from wstui.execution.run.result import Result
from wstui.execution.run.result_sections import Latency
from wstui.execution.run.run import Run
from wstui.measure.snapshot import Counters
from wstui.scenario.model import Auth, Fleet, Messages, Scenario, Stage, Target, Threshold

SHORT_S = 10.0
PICTURE_S = 0.4


def scenario(
    url: str,
    *,
    clients: int = 10,
    ramp: float = 0.2,
    hold: float = 1.0,
    workers: int = 1,
    exchange: str = "odin",
    every: float = 0.1,
    timeout: float = 5.0,
    text: bool = True,
    stages: list[Stage] | None = None,
    thresholds: list[Threshold] | None = None,
    auth: Auth | None = None,
    **target: Any,
) -> Scenario:
    """A short one."""
    return Scenario(
        name="test",
        target=Target(url=url, **{"health": "off", "connect_timeout": 10.0, "close_timeout": 3.0, **target}),
        auth=auth or Auth(),
        stages=stages or [Stage(name="ramp", over=ramp, clients=clients), Stage(name="hold", over=hold)],
        messages=Messages(exchange=exchange, every=every, timeout=timeout, text=text),  # type: ignore[arg-type]
        thresholds=thresholds or [],
        fleet=Fleet(workers=workers),
    )


class Finished:
    """A run that has ended: its result and its last counters."""

    def __init__(self, run: Run, result: Result) -> None:
        self.run = run
        self.result = result
        self.counters: Counters = run.status.counters
        self.failures = {group.kind: 0 for group in result.failures}
        for group in result.failures:
            self.failures[group.kind] += group.count
        self.messages = [group.message for group in result.failures]
        self.details = [sample.detail for group in result.failures for sample in group.samples]
        self.marks = [(event.kind, event.text) for event in result.events]


async def finish(what: Scenario | Run, *, complete: bool = True, settled: bool = True) -> Finished:
    """Run to the end and check the books. `complete`: every message sent was answered or timed out.

    `settled`: a short hold at the end of a scenario begins when every client has got in, or has not. On a busy machine
    it could else be over before that.
    """
    if isinstance(what, Run):
        run, ending = what, None
    elif settled and _holds(what.stages[-1]):
        last = what.stages[-1]
        longer = [*what.stages[:-1], last.model_copy(update={"over": last.over + PATIENCE_S})]
        run = Run(what.model_copy(update={"stages": longer}))
        ending = asyncio.create_task(_end_settled(run, what))
    else:
        run, ending = Run(what), None
    try:
        result = await run.execute()
    finally:
        if ending is not None:
            ending.cancel()
    finished = Finished(run, result)
    balance(finished, complete=complete)
    return finished


def _holds(stage: Stage) -> bool:
    """Whether a stage asks for nobody new, and is over soon."""
    return stage.clients is None and not stage.arrive and stage.over < SHORT_S


async def _end_settled(run: Run, planned: Scenario) -> None:
    """End a run whose last stage is too long when it has lasted as long as planned after everybody was there."""
    total_s = sum(stage.over for stage in planned.stages)

    def settled() -> bool:
        counters = run.status.counters
        return counters.attempted >= planned.peak_clients and not counters.opening

    await until(settled)
    # The picture is that of a moment ago.
    end_s = max(total_s, run.status.plan_s - PICTURE_S + planned.stages[-1].over)
    await until(lambda: run.status.plan_s >= end_s)
    run.send(CompletePlan())


async def together(*runs: Awaitable[Finished], at_once: int = 4) -> list[Finished]:
    """Several runs, a few at a time: a machine with few cores starts few workers well."""
    turn = asyncio.Semaphore(at_once)

    async def one(run: Awaitable[Finished]) -> Finished:
        async with turn:
            return await run

    return await asyncio.gather(*(one(run) for run in runs))


def balance(finished: Finished, *, complete: bool = True) -> None:
    """What must hold of any run, whatever the server did."""
    result, c = finished.result, finished.counters
    assert c.attempted == c.ready + c.refused + c.timed_out + c.failed + c.drained, "each attempt has one outcome"
    assert (c.open, c.opening) == (0, 0)
    assert c.ready == c.dropped + c.closed, "each ready client was dropped, or closed by us"
    accounted = c.no_reply_expected + c.matched + c.reply_timeouts + c.abandoned
    assert c.sent == accounted, "each message was answered, timed out, abandoned, or wanted no reply"
    if complete:
        assert c.abandoned == 0
    latency = result.latency_ms
    assert latency.response.count == c.matched + c.reply_timeouts
    assert latency.round_trip.count == c.matched
    assert latency.connect.count == c.ready
    for distribution in (latency.response, latency.round_trip, latency.connect, result.generator.send_delay_ms):
        ordered(distribution)
    connections, messages = result.connections, result.messages
    assert (connections.attempted, connections.ready, connections.dropped) == (c.attempted, c.ready, c.dropped)
    assert (messages.sent, messages.received, messages.timed_out) == (c.sent, c.received, c.reply_timeouts)
    assert (messages.abandoned, messages.no_reply_expected) == (c.abandoned, c.no_reply_expected)
    wrong = c.refused + c.timed_out + c.failed + c.dropped + c.reply_timeouts + c.broken_expectations
    wrong += c.invalid_texts + c.failed_steps
    if "worker lost" not in finished.failures:
        assert sum(finished.failures.values()) == wrong, "each failure is explained"
    add_up(result)
    times = [row["at_s"] for row in result.timeline]
    assert all(a < b for a, b in itertools.pairwise(times))
    assert [event.at_s for event in result.events] == sorted(event.at_s for event in result.events)
    json.loads(result.to_json(), parse_constant=_no_number)


def _no_number(name: str) -> None:
    raise AssertionError(f"the result holds {name}")


def ordered(distribution: Latency) -> None:
    """Its figures are in order, or all missing."""
    figures = (
        distribution.min,
        distribution.p50,
        distribution.p90,
        distribution.p95,
        distribution.p99,
        distribution.p999,
        distribution.max,
    )
    if not distribution.count:
        assert {*figures, distribution.mean} == {None}
        return
    known = [figure for figure in figures if figure is not None]
    assert len(known) == len(figures) and known == sorted(known)
    assert distribution.mean is not None and known[0] <= distribution.mean <= known[-1]


def add_up(result: Result) -> None:
    """The stages together are the whole."""
    for name in ("attempted", "ready", "refused", "timed_out", "failed", "drained", "dropped"):
        parts = [getattr(stage.connections, name) for stage in result.stages]
        assert sum(parts) == getattr(result.connections, name), name
        assert min(parts, default=0) >= 0
    for name in ("sent", "received", "timed_out", "unmatched", "late", "duplicates", "bytes_sent", "bytes_received"):
        parts = [getattr(stage.messages, name) for stage in result.stages]
        assert sum(parts) == getattr(result.messages, name), name
        assert min(parts, default=0) >= 0
    for name in ("response", "round_trip", "connect"):
        parts = [getattr(stage.latency_ms, name).count for stage in result.stages]
        assert sum(parts) == getattr(result.latency_ms, name).count, name
    for before, after in itertools.pairwise(result.stages):
        assert before.ended_s == after.started_s
