"""One client of the load's own engine: connects, says one message of the scenario, and waits for the answer."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from msgspec.structs import replace

from wstui.execution.run.compile import spec_of
from wstui.load.conversation.matcher import all_steps
from wstui.load.protocol import Drain, Go, Ramp
from wstui.load.role_spec import RoleSpec
from wstui.load.worker import Worker
from wstui.measure.steps import RoleCounts
from wstui.scenario.model import Scenario
from wstui.scenario.secret_fields import mask_of

_EVERY_NS = 20_000_000
_LOOK_S = 0.005
LISTENS_S = 1.0
LONGEST_ROUND_S = 15.0
"""A round that thinks for longer is not waited for."""


@dataclass(frozen=True, slots=True)
class Reply:
    """How long the answer took, and the target's clock minus ours, in milliseconds, where its replies carry a time.

    `missing` says why no answer came, or "".
    """

    round_trip_ms: float | None = None
    offset_ms: float | None = None
    uncertainty_ms: float | None = None
    missing: str = ""


async def one_reply(scenario: Scenario) -> Reply:
    """Let one client of the scenario say something, in this process, and wait for what comes back.

    Of each role one client goes through `open` and one round.
    """
    if scenario.roles:
        return await _one_round(scenario)
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


async def _one_round(scenario: Scenario) -> Reply:
    """Let one client of each role, those that meet others left out, go through `open` and one round."""
    spec = spec_of(scenario)
    alone = [role for role in spec.conversation.roles.roles if not any(step.meet for step in all_steps(role))]
    if not alone:
        return Reply()
    roles = [replace(role, clients=1, weight=0.0) for role in alone]
    conversation = replace(spec.conversation, fanout=False, roles=replace(spec.conversation.roles, roles=roles))
    worker = Worker(replace(spec, send=replace(spec.send, every_ns=_EVERY_NS), conversation=conversation), _ignore)
    failures = worker.tally.failures
    await worker.prepare()
    worker.handle(Go())
    worker.handle(Ramp(len(roles), 0))
    begun = time.monotonic()
    deadline = begun + scenario.target.connect_timeout + scenario.target.settle + 2 * LONGEST_ROUND_S
    while not failures.groups() and not worker.failure and time.monotonic() < deadline:
        counts = worker.role_counts()
        if worker.mistake or all(_is_through(role, counts[role.name], time.monotonic() - begun) for role in roles):
            break
        await asyncio.sleep(_LOOK_S)
    worker.handle(Drain(0))
    await asyncio.wait_for(worker.ended_event.wait(), scenario.target.close_timeout + scenario.messages.timeout + 5.0)
    if worker.mistake:
        return Reply(missing=mask_of(scenario)(worker.mistake))
    if groups := failures.groups():
        why = "; ".join(f"{group.message} ({sample.detail})" if (sample := group.samples[-1]).detail else group.message
                        for group in groups)  # fmt: skip
        return Reply(missing=mask_of(scenario)(why))
    trip = worker.tally.on_time.data() + worker.tally.round_trip.data()
    median = trip.quantile(0.5)
    return Reply(None if median is None else median / 1e6)


def _is_through(role: RoleSpec, counts: RoleCounts, after_s: float) -> bool:
    """Whether a client has been through a round, or has none. A script has none if it doesn't begin one soon."""
    if counts.completed:
        return True
    return bool(counts.ready) and not role.loop and (not role.script or (not counts.begun and after_s > LISTENS_S))


def _ignore(_: object) -> None:
    pass
