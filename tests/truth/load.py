"""Plans that make no load, limits that are broken, and a generator or an operator that ends a run."""

from __future__ import annotations

import os
import signal
from typing import Any

from tests.servers.server import until
from tests.truth.case import Case, Right, failed, no_load, passed, unreachable
from tests.truth.case_server import Target, later, nothing, silent
from wstui.execution.run.commands import AbortRun, DrainRun

QUICK = {"stages": [{"name": "hold", "over": 0.6, "clients": 2}]}


def limit(metric: str, limit: str, **more: object) -> dict[str, Any]:
    return {"thresholds": [{"metric": metric, "limit": limit, **more}]}


def kills(*workers: int) -> Any:
    async def act(server: Target, run: Any) -> None:
        await until(lambda: run.status.counters.sent >= 8)
        for worker in workers:
            os.kill(run.fleet._transport.pid(worker), signal.SIGKILL)

    return act


async def drains(server: Target, run: Any) -> None:
    await until(lambda: run.status.counters.sent >= 8)
    run.send(DrainRun())


async def aborts(server: Target, run: Any) -> None:
    await until(lambda: run.status.counters.sent >= 8)
    run.send(AbortRun())


LONG: dict[str, Any] = {"hold": 30.0}
CASES = [
    Case(
        "a run shorter than clients settle",
        no_load(),
        settled=False,
        target={"settle": 2.0},
        scenario=QUICK,
        says=("no message was sent (settle 2s, ",),
    ),
    Case(
        "a welcome that a short run waits for in vain",
        unreachable("connect timeout timed_out"),
        settled=False,
        target={"ready": "welcome", "connect_timeout": 1.5},
        scenario=QUICK,
        says=("no welcome within 1.5 s",),
    ),
    Case(
        "a run shorter than the first message takes",
        no_load(),
        settled=False,
        messages={"every": 3600.0},
        scenario={"stages": [{"name": "hold", "over": 2.0, "clients": 2}]},
        says=("no message was sent",),
    ),
    Case(
        "arrivals that never come",
        no_load(),
        settled=False,
        scenario={"stages": [{"name": "wait", "over": 0.3, "arrive": 0.1, "stay": 1.0}]},
        says=("no client was started",),
    ),
    Case(
        "nothing attempted, and limits that nothing can break",
        no_load(),
        settled=False,
        scenario={
            "stages": [{"name": "wait", "over": 0.3, "arrive": 0.1, "stay": 1.0}],
            **limit("connections.dropped", "== 0"),
        },
    ),
    Case(
        "the only client of a stage",
        passed(),
        settled=False,
        scenario={"stages": [{"name": "hold", "over": 3.0, "clients": 1}]},
    ),
    Case(
        "a source address that this machine does not have",
        no_load("local address failed"),
        scenario={"fleet": {"workers": 1, "local_addresses": ["192.0.2.7"]}},
        uncounted=True,
        says=("192.0.2.7",),
    ),
    Case(
        "replies of ours above max_size",
        failed("too large dropped", "timeout unanswered", finding="max size"),
        messages={"size": 9000},
        target={"max_size": 4096},
        lossy=True,
    ),
    Case(
        "a limit that was never measured",
        Right("FAILED"),
        scenario=limit("reconnect.p99", "< 1s"),
        says=("reconnect.p99 was never measured",),
    ),
    Case(
        "a rate that was not reached",
        Right("FAILED"),
        scenario=limit("messages.sent_per_second", ">= 100000/s"),
        says=("messages.sent_per_second was",),
    ),
    Case(
        "a limit of one stage",
        Right("FAILED"),
        message=later(0.5),
        scenario=limit("response.min", "< 10ms", stage="hold"),
        hold=1.0,
        says=("response.min in hold",),
    ),
    Case(
        "a limit that ends the run",
        Right("FAILED", frozenset(("timeout unanswered",)), "no replies"),
        message=nothing,
        messages={"timeout": 0.3},
        scenario={
            "stages": [{"name": "hold", "over": 30.0, "clients": 4}],
            **limit("messages.timed_out", "== 0", abort_on_fail=True),
        },
        settled=False,
        says=("stopped: messages.timed_out",),
    ),
    Case(
        "connects under way when the run ends",
        Right("UNREACHABLE", frozenset(("connect timeout timed_out",)), "unreachable"),
        answer=silent,
        target={"connect_timeout": 1.5},
        scenario=QUICK,
        settled=False,
    ),
    Case(
        "the only worker is killed",
        Right("LOST", frozenset(("worker lost",)), "generator"),
        meanwhile=kills(0),
        lossy=True,
        unbalanced=True,
        **LONG,
    ),
    Case(
        "one of two workers is killed",
        Right("LIMITED", frozenset(("worker lost",)), "generator"),
        meanwhile=kills(1),
        scenario={"fleet": {"workers": 2}},
        lossy=True,
        unbalanced=True,
        hold=3.0,
    ),
    Case("the operator ends the run", Right("DRAINED"), meanwhile=drains, says=("ended early",), **LONG),
    Case("the operator aborts the run", Right("ABORTED"), meanwhile=aborts, says=("aborted",), lossy=True, **LONG),
]
