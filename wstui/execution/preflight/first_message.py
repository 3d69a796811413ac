"""One client of the load's own engine: connects, says one message of the scenario, and waits for the answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from msgspec.structs import replace

from wstui.execution.preflight.probe import Probe, ProbeStep, Unreachable, probe
from wstui.execution.run.compile import spec_of
from wstui.load.conversation.roles import Roles
from wstui.load.conversation.trace import TracedRoles
from wstui.load.protocol import Drain, Go, Ramp, ReleaseMeetings, TraceLine, Waiting
from wstui.load.role_paths import all_steps
from wstui.load.role_spec import RoleSpec
from wstui.load.worker import Worker
from wstui.measure.steps import RoleCounts, StepCounts
from wstui.scenario.model import Scenario
from wstui.scenario.secret_fields import mask_of

Note = Callable[[TraceLine], None]
"""Takes each message of a conversation that is looked at."""
_EVERY_NS = 20_000_000
_LOOK_S = 0.005
LISTENS_S = 1.0
"""A script that begins no round for so long is taken for one that only listens."""
LONGEST_ROUND_S = 15.0
"""A round that thinks for longer is not waited for."""


@dataclass(frozen=True, slots=True)
class FirstReply:
    """How long the answer took, and the target's clock minus ours, in milliseconds, where its replies carry a time.

    `missing` says why no answer came, or "".
    """

    round_trip_ms: float | None = None
    offset_ms: float | None = None
    uncertainty_ms: float | None = None
    missing: str = ""


async def first_client(scenario: Scenario, seen: Probe) -> None:
    """Open one client as the load will, then let one of the load's own engine say one message.

    `seen` is filled step by step, each with its time; where clients wait for no reply it ends with the way in.
    Raises Unreachable.
    """
    await probe(scenario, seen)
    if seen.warning or (scenario.messages.is_one_way and not scenario.roles):
        return
    reply = await one_reply(scenario, seen.note)
    if reply.missing:
        exchange = scenario.messages.exchange
        if scenario.roles:
            raise Unreachable(f"one round of each role did not succeed ({reply.missing})", "correct the step it names")
        raise Unreachable(
            f"the first message got no answer ({reply.missing})",
            f'is messages.exchange = "{exchange}" what the server answers?',
        )
    seen.steps.append(
        ProbeStep("reply", reply.round_trip_ms or 0.0, f"{scenario.messages.exchange}, by the load's own engine")
    )


async def one_reply(scenario: Scenario, note: Note | None = None) -> FirstReply:
    """Let one client of the scenario say something, in this process, and wait for what comes back.

    Of each role one client goes through `open` and one round; `note` gets each message of theirs.
    """
    if scenario.roles:
        return await _one_round(scenario, note)
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
        return FirstReply(
            None if trip is None else trip / 1e6,
            None if clock.offset_ns is None else clock.offset_ns / 1e6,
            None if clock.uncertainty_ns is None else clock.uncertainty_ns / 1e6,
        )
    groups = sorted(worker.tally.failures.groups(), key=lambda group: group.kind == "timeout")  # what led to it first
    why = "; ".join(group.message for group in groups) or "nothing came back"
    if counters.unmatched:
        why += f"; {counters.unmatched} messages came that answer nothing"
    return FirstReply(missing=mask_of(scenario)(why))


async def _one_round(scenario: Scenario, note: Note | None) -> FirstReply:
    """Let one client of each role go through `open` and one round."""
    seen = await run_trial(scenario, note=note)
    if seen.failures:
        return FirstReply(missing="; ".join(seen.failures))
    return FirstReply(seen.round_trip_ms)


@dataclass(frozen=True, slots=True)
class TrialResult:
    """Results of a few clients of each role: counts by role and step, and failures in words, masked.

    `waiting` are the steps that wait for a reply.
    """

    steps: dict[tuple[str, str], StepCounts]
    failures: list[str]
    ready: int
    round_trip_ms: float | None
    waiting: frozenset[tuple[str, str]] = frozenset()


async def run_trial(
    scenario: Scenario, clients: int = 1, rounds: int = 1, *, to_the_end: bool = False, note: Note | None = None
) -> TrialResult:
    """Let clients of each role go through `open` and so many rounds, in this process.

    Clients that wait for others go on once no other can come. It ends with the first failure, unless it is to go on
    `to_the_end`.
    """
    spec = spec_of(scenario)
    roles = [replace(role, clients=clients, weight=0.0) for role in spec.conversation.roles.roles]
    conversation = replace(spec.conversation, fanout=False, roles=replace(spec.conversation.roles, roles=roles))
    spec = replace(spec, send=replace(spec.send, every_ns=_EVERY_NS, rounds=rounds), conversation=conversation)
    gathering = _Gathering()
    worker = Worker(spec, gathering.hear, Roles if note is None else partial(TracedRoles, note=note))
    failures = worker.tally.failures
    await worker.prepare()
    worker.handle(Go())
    worker.handle(Ramp(clients * len(roles), 0))
    begun = time.monotonic()
    deadline = begun + scenario.target.connect_timeout + scenario.target.settle + 2 * LONGEST_ROUND_S
    while (
        not worker.failure
        and not worker.reports.mistake
        and time.monotonic() < deadline
        and (to_the_end or not failures.groups())
    ):
        counts, ended = worker.steps().roles, worker.tally.counters
        done = [_is_through(role, counts[role.name], rounds * clients, time.monotonic() - begun) for role in roles]
        through = sum(counts[role.name].ready for role in roles) + ended.refused + ended.timed_out + ended.failed
        if through >= clients * len(roles) and (all(done) or not ended.open):
            break
        if (meet := gathering.complete(through, clients * len(roles))) is not None:
            worker.handle(meet)
        await asyncio.sleep(_LOOK_S)
    worker.handle(Drain(0))
    await asyncio.wait_for(worker.ended_event.wait(), scenario.target.close_timeout + scenario.messages.timeout + 5.0)
    mask = mask_of(scenario)
    why = [f"{group.message} ({sample.detail})" if (sample := group.samples[-1]).detail else group.message
           for group in failures.groups()]  # fmt: skip
    if worker.reports.mistake:
        why = [worker.reports.mistake]
    trip = worker.tally.on_time.data() + worker.tally.round_trip.data()
    median = trip.quantile(0.5)
    steps = {(step.role, step.name): step.counts for step in worker.steps().rows}
    ready = sum(role.ready for role in worker.steps().roles.values())
    waiting = {(role.name, step.name) for role in roles for step in all_steps(role) if step.expect is not None}
    waiting |= {(role.name, beat.name) for role in roles for beat in role.heartbeats if beat.expect is not None}
    return TrialResult(
        steps, [mask(text) for text in why], ready, None if median is None else median / 1e6, frozenset(waiting)
    )


def _is_through(role: RoleSpec, counts: RoleCounts, rounds: int, after_s: float) -> bool:
    """Whether clients have been through so many rounds, or have none. A script has none if it begins none soon."""
    if counts.completed + counts.failed >= rounds:
        return True
    return not role.loop and (not role.script or (not counts.begun and after_s > LISTENS_S))


class _Gathering:
    """The clients of a rehearsal that wait for others, of whom not all are there."""

    def __init__(self) -> None:
        self._waiting: dict[bytes, int] = {}
        self._ready = self._handled = self._released = 0
        self._since = time.monotonic()

    def hear(self, event: object) -> None:
        """Take what the worker reports."""
        if isinstance(event, Waiting):
            self._waiting |= {name: count for name, (count, _) in event.names.items()}
            self._handled = event.handled
            self._since = time.monotonic()

    def complete(self, ready: int, clients: int) -> ReleaseMeetings | None:
        """Let all go on who wait, once all `clients` are ready, or nothing has happened for a while."""
        if ready != self._ready:
            self._ready, self._since = ready, time.monotonic()
        names = {name: count for name, count in self._waiting.items() if count}
        stuck = time.monotonic() - self._since > LISTENS_S
        if not names or self._handled < self._released or (ready < clients and not stuck):
            return None
        self._released += 1
        return ReleaseMeetings(self._released, names)
