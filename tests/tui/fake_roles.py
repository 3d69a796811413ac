"""A made-up run of two roles, and what it leaves behind."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import msgspec

from tests.tui import fake
from wstui.execution.run.result import Result
from wstui.execution.run.result_sections import Latency, ThresholdOutcome
from wstui.execution.run.role_sections import RoleSummary, SequenceSummary, StepSummary
from wstui.execution.run.status import Status
from wstui.measure.timeline import TimelineRow, step_columns
from wstui.scenario.conversation.role import Heartbeat, Role, Step
from wstui.scenario.model import Messages

SCENARIO = fake.SCENARIO.model_copy(
    update={
        "name": "chat",
        "messages": Messages(exchange="roles", every=5.0),
        "roles": [
            Role(
                name="member",
                weight=99,
                open=[Step(name="auth", json={"type": "auth"}, expect={"type": "auth_ok"})],
                loop=[Step(name="say", json={"type": "say"}, expect={"type": "said"})],
                heartbeats=[Heartbeat(name="beat", every="25s", json={"type": "beat"})],
            ),
            Role(name="announcer", clients=1, loop=[Step(name="announce", json={"type": "announce"})]),
        ],
    }
)


def _latency(count: int, p50: float) -> Latency:
    return Latency(count, p50 * 1.3, p50 / 4, p50, p50 * 2.1, p50 * 3, p50 * 8, p50 * 15, p50 * 31)


def _step(role: str, name: str, done: int, p50: float, kind: str = "step", **more: Any) -> StepSummary:
    latency = _latency(done, p50) if p50 else Latency()
    lost = more.get("lost", 0)
    return StepSummary(role, name, kind, done + lost, done, per_second=done / 252, response_ms=latency,
                       round_trip_ms=latency, **more)  # fmt: skip


STEPS = [
    _step("member", "auth", 11_987, 31.0),
    _step("member", "join", 11_987, 12.0),
    _step("member", "say", 604_112, 12.4, lost=214, late=12, failed=3),
    _step("member", "beat", 120_400, 2.1, "heartbeat"),
    _step("member", "news", 61_104, 4.4, "delivery", lost=0),
    _step("announcer", "announce", 51, 0.0),
]
ROLES = [RoleSummary("member", 11_987, 604_400, 604_112, 3, 285), RoleSummary("announcer", 1, 51, 51)]
SEQUENCE = SequenceSummary(61_104, 2, 0, 0)
OUTCOMES = (ThresholdOutcome("step.say.p99", "< 120ms", 99.2, True, unit="ms", used=0.83), *fake.OUTCOMES[1:])


def rows() -> tuple[TimelineRow, ...]:
    """The seconds of the usual run, with those of each step."""
    chance = random.Random(3)
    made = []
    for row in fake.rows():
        share = row.open / fake.CLIENTS
        steps: dict[str, float | None] = {}
        for step in STEPS:
            p50 = (step.response_ms.p50 or 0) * (0.5 + share / 2) * chance.uniform(0.95, 1.05)
            figures = ((step.per_second or 0) * share, 0, p50, p50 * 8)
            steps |= dict(zip(step_columns(step.role, step.name), figures, strict=True))
        made.append(replace(row, steps=steps))
    return tuple(made)


def status(**changes: Any) -> Status:
    """The picture 4:12 into the run."""
    plain = fake.status(scenario=SCENARIO, rows=rows(), thresholds=OUTCOMES, **changes)
    result = msgspec.structs.replace(plain.result, steps=STEPS, roles=ROLES, sequence=SEQUENCE)
    return replace(plain, result=result)


def result() -> Result:
    """What it leaves behind."""
    return msgspec.structs.replace(fake.result(name="chat"), steps=STEPS, roles=ROLES, sequence=SEQUENCE)
