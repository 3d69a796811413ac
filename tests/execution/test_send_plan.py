"""Sends that never happened, and who took the processors."""

from __future__ import annotations

import os
import subprocess
import sys

import msgspec
import pytest

from tests.execution.running import scenario
from tests.report.example import limited
from tests.servers.server import until
from wstui.execution.run.contention import Contention, Taken
from wstui.execution.run.run_monitor import SendPlan
from wstui.measure.snapshot import Counters, Snapshot, Totals
from wstui.measure.steps import RoleCounts, Steps
from wstui.report.analysis.diagnosis import findings
from wstui.scenario.model import Messages, Scenario


class Hosts:
    """Two hosts with a worker each, that report at once."""

    size = 2

    def __init__(self) -> None:
        self.roles: list[dict[str, RoleCounts]] = [{}, {}]
        self.counters = [Counters(wanted=45, open=45, ready=45), Counters(wanted=45, open=45, ready=45)]

    @property
    def totals(self) -> Hosts:
        return self

    def latest(self) -> dict[int, Snapshot]:
        return {
            worker: Snapshot(worker, 1, Totals(0, counters, steps=Steps(roles=roles)))
            for worker, (counters, roles) in enumerate(zip(self.counters, self.roles, strict=True))
        }

    def alive(self, worker: int) -> bool:
        return True

    def age_s(self, worker: int) -> float:
        return 0.1

    def host_of(self, worker: int) -> str:
        return f"host{worker + 1}"


def after(seconds: int, *sends: int, active: bool = True, every_s: float = 1.0, **changes: int) -> list[str]:
    """What is found when the second host sends so many each second."""
    hosts = Hosts()
    plan = SendPlan(scenario("ws://127.0.0.1:9/").model_copy(update={"messages": Messages(every=every_s or 1.0)}))
    for second in range(seconds + 1):
        hosts.counters = [
            msgspec.structs.replace(counters, sent=rate * second, **changes)
            for counters, rate in zip(hosts.counters, sends, strict=True)
        ]
        plan.add(hosts, float(second) if active else 0.0, every_s)  # type: ignore[arg-type]
    return plan.short(hosts)  # type: ignore[arg-type]


def test_a_host_that_sends_nothing_is_named() -> None:
    assert after(7, 45, 0)[0].startswith("host2 sent 0 of about 3")
    assert after(7, 45, 20)[0].startswith("host2 sent 140 of about")


@pytest.mark.parametrize(
    "changes",
    [
        {"active": False},  # a pause
        {"every_s": 0.0},  # a closed loop has no plan
        {"slow_readers": 45},
        {"wanted": 0},  # they are leaving, and wait for their last reply
    ],
)
def test_what_is_not_planned_is_not_missed(changes: dict[str, int]) -> None:
    assert after(7, 0, 0, **changes) == []  # type: ignore[arg-type]
    assert after(7, 45, 45) == [] and after(7, 45, 43) == []


def rounds_after(seconds: int, begun: int, *, waiting: int = 0, listeners: int = 0) -> list[str]:
    """What is found when the clients of a role of the second host begin so many rounds each second."""
    hosts = Hosts()
    asked = scenario("ws://127.0.0.1:9/").model_dump(exclude={"messages"})
    roles = [{"name": "talker", "loop": [{"send": "x"}]}, {"name": "listener"}]
    plan = SendPlan(Scenario.model_validate(asked | {"messages": {"every": 1.0}, "roles": roles}))
    for second in range(seconds + 1):
        hosts.roles = [
            {
                "talker": RoleCounts(ready=45 - listeners, begun=rate * second, completed=rate * second - under_way),
                "listener": RoleCounts(ready=listeners),
            }
            for rate, under_way in ((45, 0), (begun, waiting))
        ]
        plan.add(hosts, float(second), 1.0)  # type: ignore[arg-type]
    return plan.short(hosts)  # type: ignore[arg-type]


def test_a_host_whose_conversations_begin_no_rounds_is_named() -> None:
    assert rounds_after(7, 0)[0].startswith("host2 began 0 of about 31")
    assert rounds_after(7, 20)[0].startswith("host2 began 140 of about 31")


def test_conversations_that_wait_or_listen_need_not_begin_rounds() -> None:
    assert rounds_after(7, 45) == [] and rounds_after(7, 43) == []
    assert rounds_after(7, 0, waiting=45) == []  # a round takes longer than its interval
    assert rounds_after(7, 5, listeners=40) == []


async def test_programs_that_take_the_processors_are_named() -> None:
    contention = Contention()
    secret = "--token=s3cr3t"
    busy = [
        subprocess.Popen([sys.executable, "-c", "while True: pass", secret]) for _ in range(max(2, os.cpu_count() or 1))
    ]
    try:
        await until(lambda: (taken := contention.taken()) is not None and bool(taken.programs))
        taken = contention.taken()
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert taken is not None and "other programs took" in str(taken) and "python" in str(taken)
    assert "s3cr3t" not in str(taken)


async def test_the_target_of_a_demo_is_named_as_such() -> None:
    contention = Contention()
    work = "while True: pass"
    busy = [
        subprocess.Popen([sys.executable, "-c", work, "wstui.execution.calibrate.sink"])
        for _ in range(max(2, os.cpu_count() or 1))
    ]
    try:
        await until(lambda: "the bundled target" in str(contention.taken()))
    finally:
        for process in busy:
            process.kill()
            process.wait()


def test_the_advice_is_not_less_load_when_others_took_the_machine() -> None:
    run = limited()
    ours = next(f for f in findings(run) if f.cause == "generator")
    assert "less load from here" in ours.next_step
    seen = msgspec.structs.replace(
        run.generator, limited_by=[str(Taken(1.6, 2, (("backup", 1.5),)))], other_programs=1.6
    )
    others = findings(msgspec.structs.replace(run, generator=seen))[0]
    assert "End the other programs" in others.next_step
    assert "other programs took 1.6 of 2 processors (backup 1.5)" in others.evidence
