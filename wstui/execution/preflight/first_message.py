"""One client of the load's own engine: connects, says one message of the scenario, and waits for the answer."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from msgspec.structs import replace

from wstui.execution.run.compile import spec_of
from wstui.load.protocol import Drain, Go, Ramp
from wstui.load.worker import Worker
from wstui.scenario.model import Scenario
from wstui.scenario.secret_fields import mask_of

_EVERY_NS = 20_000_000
_LOOK_S = 0.005


@dataclass(frozen=True, slots=True)
class Reply:
    """How long the answer took, and the target's clock minus ours, in milliseconds, where its replies carry a time.

    `missing` says why there is no answer, "" when there is one.
    """

    round_trip_ms: float | None = None
    offset_ms: float | None = None
    uncertainty_ms: float | None = None
    missing: str = ""


async def one_reply(scenario: Scenario) -> Reply:
    """Let one client of the scenario say something, in this process, and wait for what comes back."""
    spec = spec_of(scenario)
    send, conversation = replace(spec.send, every_ns=_EVERY_NS), replace(spec.conversation, fanout=False)
    spec = replace(spec, send=send, conversation=conversation)
    worker = Worker(spec, lambda _: None)
    counters = worker.tally.counters
    await worker.prepare()
    worker.handle(Go())
    worker.handle(Ramp(1, 0))
    deadline = time.monotonic() + scenario.target.connect_timeout + scenario.messages.timeout + 1.0
    while not counters.matched and not worker.tally.failures.groups() and time.monotonic() < deadline:
        await asyncio.sleep(_LOOK_S)
    worker.handle(Drain(0))
    await asyncio.wait_for(worker.ended_event.wait(), scenario.target.close_timeout + 5.0)
    if counters.matched:
        trip, clock = worker.tally.round_trip.data().quantile(0.5), worker.context.clock
        return Reply(
            None if trip is None else trip / 1e6,
            None if clock.offset_ns is None else clock.offset_ns / 1e6,
            None if clock.uncertainty_ns is None else clock.uncertainty_ns / 1e6,
        )
    groups = sorted(worker.tally.failures.groups(), key=lambda group: group.kind == "timeout")  # what led to it first
    why = "; ".join(group.message for group in groups) or "nothing came back"
    if counters.unmatched:
        why += f"; {counters.unmatched} messages came that answer nothing"
    return Reply(missing=mask_of(scenario)(why))
