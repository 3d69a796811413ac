"""A scenario's workers on the test's own loop, led by hand."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from tests.servers.server import PATIENCE_S
from wstui.execution.run.compile import shares_of
from wstui.fleet.meetings import MeetingRelay
from wstui.load.protocol import (
    Abort,
    AuthSpec,
    Command,
    ConnectSpec,
    ConversationSpec,
    Drain,
    Go,
    Message,
    Ramp,
    SendSpec,
    Spec,
    Waiting,
)
from wstui.load.worker import Worker
from wstui.measure.failure import FailureGroup, merge_failures
from wstui.measure.snapshot import Counters, Snapshot
from wstui.measure.steps import RoleCounts, StepData, Steps
from wstui.scenario.checks import check
from wstui.scenario.model import Scenario

S = 1_000_000_000
MS = 1_000_000


_PARTS = {"connect": ConnectSpec, "auth": AuthSpec, "send": SendSpec, "conversation": ConversationSpec}


def spec(url: str, **settings: Any) -> Spec:
    """A specification with these settings, each in the part that has it."""
    given = {"url": url, **settings}
    parts = {}
    for part, made in _PARTS.items():
        parts[part] = made(**{name: given.pop(name) for name in made.__struct_fields__ if name in given})
    return Spec(**parts, **given)


class Workers:
    """Several workers as one."""

    def __init__(self, scenario: Scenario, count: int) -> None:
        self.said: list[list[Snapshot]] = [[] for _ in range(count)]
        self.relay = MeetingRelay()
        self.all = []
        for share in shares_of(scenario, count):
            self.all.append(Worker(share, self._note))

    def _note(self, message: Message) -> None:
        if isinstance(message, Snapshot):
            self.said[message.worker].append(message)
        elif isinstance(message, Waiting):
            self.relay.take(message)
        else:
            return
        for worker, meet in self.relay.due(self.c.open).items():
            self.all[worker].handle(meet)

    def handle(self, command: Command) -> None:
        """Give a command to each."""
        for worker in self.all:
            worker.handle(command)

    @property
    def c(self) -> Counters:
        """What all have counted."""
        return Counters.add_all(worker.tally.counters for worker in self.all)

    @property
    def _steps(self) -> Steps:
        return sum((worker.steps() for worker in self.all), Steps())

    @property
    def steps(self) -> list[StepData]:
        """What has been counted of the steps of roles, by all."""
        return self._steps.rows

    @property
    def roles(self) -> dict[str, RoleCounts]:
        """The rounds of each role."""
        return self._steps.roles

    @property
    def failures(self) -> list[FailureGroup]:
        """The failures of all."""
        return merge_failures([worker.tally.failures.groups() for worker in self.all])

    @property
    def types(self) -> dict[str, int]:
        """What has been received."""
        found: dict[str, int] = {}
        for worker in self.all:
            for name, count in worker.tally.types.items():
                found[name.decode()] = found.get(name.decode(), 0) + count
        return found

    async def drained(self, grace_ns: int = 2 * S) -> Counters:
        """Bring all to their end."""
        self.handle(Drain(grace_ns))
        await asyncio.wait_for(self._ended(), PATIENCE_S)
        return self.c

    async def _ended(self) -> None:
        for worker in self.all:
            await worker.ended_event.wait()


@contextlib.asynccontextmanager
async def led(scenario: Scenario, workers: int = 1, clients: int | None = None) -> AsyncIterator[Workers]:
    """The workers of a scenario, started, with so many clients asked for; gone at the end, with balanced books."""
    led = Workers(check(scenario), workers)
    for worker in led.all:
        await worker.prepare()
    led.handle(Go())
    led.handle(Ramp((scenario.stages[0].clients or 0) if clients is None else clients, 0))
    try:
        yield led
    finally:
        if not all(worker.ended_event.is_set() for worker in led.all):
            led.handle(Abort())
            await asyncio.wait_for(led._ended(), PATIENCE_S)
        c = led.c
        assert c.attempted == c.ready + c.refused + c.timed_out + c.failed + c.drained
        for worker in led.all:
            assert not worker.failure, worker.failure
        assert (c.open, c.opening, c.closing) == (0, 0, 0)
        assert c.ready == c.dropped + c.closed


def saying(url: str, *steps: Mapping[str, Any], clients: int = 1, every: float = 0.02, **messages: Any) -> Scenario:
    """Return a scenario whose clients go through these steps in each round; without steps they send pings."""
    roles = {"roles": [{"name": "one", "loop": [dict(step) for step in steps]}]} if steps else {}
    return Scenario.model_validate(
        {
            "target": {"url": url, "ready": "open", "settle": 0.05, "connect_timeout": 10.0, "close_timeout": 2.0},
            "stages": [{"name": "all", "over": 60.0, "clients": clients}],
            "messages": {"every": every, "timeout": 1.5, **messages},
            **roles,
        }
    )
