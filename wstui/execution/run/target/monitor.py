"""The target through a run: asked every few seconds, its claims held against what the clients have seen."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wstui.execution.run.machine_sections import TargetSummary
from wstui.execution.run.sampler import Sampler
from wstui.execution.run.status import TargetHealth
from wstui.execution.run.target.endpoint_poller import EndpointPoller
from wstui.execution.run.target.reported_metrics import Claims, counts_differ
from wstui.fleet.fleet import WorkerFleet
from wstui.measure.format import grouped
from wstui.measure.theil_sen import theil_sen
from wstui.scenario.model import Scenario

POLLS_MOST = 1000
"""So many polls are kept; of older ones every other goes."""
LAST_POLL_S = 1.5
PERSONAL = ("connection:established", "pong", "subscription:ack", "error", "(pong frame)", "(echo)")
"""Types of message that are meant for one client: no delivery of a broadcast."""
GATE_POLLS = 3
"""So many polls in a row must find the target degraded or silent before the gate closes."""
DELIVERED_SHARE = 0.02
"""Counts of deliveries may differ by so much: server and clients are not asked at the same instant."""
STEADY_SHARE = 0.05
STEADY_LEAST = 4
STEADY_LEAST_S = 60.0
"""A shorter look at the memory says nothing of an hour."""
NOISE_MIB = 1.0
"""Memory that rises or falls by less than this in all is not told from the habits of an allocator: it does not grow."""
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class ClientView:
    """What the clients have seen at one moment: `at_s` of the run, connections wanted and open, messages received in
    all, and those among them that were meant for one client (welcomes, replies).
    """

    at_s: float
    wanted: int
    open: int
    received: int
    personal: int


@dataclass(frozen=True, slots=True)
class Poll:
    """The target's report, and the clients' view at that moment."""

    claims: Claims
    seen: ClientView


class TargetWatch:
    """One run's look at its target. `mark` takes the text of a mark on the timeline."""

    def __init__(
        self,
        endpoints: EndpointPoller,
        seen: Callable[[], ClientView],
        mark: Callable[[str], None],
        *,
        gate: bool = False,
        every_s: float = 5.0,
    ) -> None:
        self._endpoints = endpoints
        self._seen = seen
        self._mark = mark
        self._gate = gate
        self._every_s = every_s
        self._polls: list[Poll] = []  # the first, the latest, and fewer the older they are
        self._polled = 0
        self._failing = 0  # polls in a row
        self._failing_total = 0
        self._mismatches = 0  # polls in a row
        self._differences: dict[str, str] = {}
        self._worst: Poll | None = None
        self._steady: Poll | None = None  # the last poll without a change of clients since the one before
        self.growth: Growth | None = None
        """How fast the target's memory grows under a steady load, None while that is not known."""

    @property
    def latest(self) -> TargetHealth | None:
        return self._polls[-1].claims.shown if self._polls else None

    async def watch(self) -> None:
        """Ask until cancelled."""
        while True:
            await self.poll()
            await asyncio.sleep(self._every_s)

    async def poll(self) -> None:
        """Ask once."""
        claims = await self._endpoints.ask(self._seen().open)
        self.take(Poll(claims, self._seen()))

    async def poll_last(self) -> None:
        """Ask once more when every client has left, so that both sides have counted all; a silent target not."""
        if self._polls and self._polls[-1].claims.shown.state in ("healthy", "degraded", "unknown"):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.poll(), LAST_POLL_S)

    def take(self, poll: Poll) -> None:
        state, before = poll.claims.shown.state, self.latest
        self._polls.append(poll)
        self._polled += 1
        if len(self._polls) > POLLS_MOST:  # a day of polls must not fill the memory
            half = len(self._polls) // 2
            self._polls[1:half] = self._polls[2:half:2]
        if before is not None and before.state != state:
            self._mark(f"target {before.state} → {state}")
        is_failing = state in ("degraded", "unhealthy")
        self._failing = self._failing + 1 if is_failing else 0
        self._failing_total += is_failing
        self._look_at_connections(poll)
        self._look_at_deliveries(poll)
        if poll.claims.resident is not None:
            self.growth = growth(self._polls)

    def stop_reason(self) -> str:
        """Return why the gate is closed, "" while it is open or there is none."""
        if not self._gate or not self._polls:
            return ""
        claims = self._polls[-1].claims
        if claims.down:
            return "stopped: the target says that it is unhealthy"
        if self._failing >= GATE_POLLS:
            return f"stopped: the target was {claims.shown.state} in {self._failing} polls in a row"
        return ""

    def summary(self) -> TargetSummary | None:
        """Return the summary; None if the target offers no endpoints."""
        told = [poll for poll in self._polls if poll.claims.shown.state != "not offered"]
        if not told:
            return None
        memory = [poll.claims.resident / _MIB for poll in told if poll.claims.resident is not None]
        last = _last(told, lambda poll: poll.claims.delivered is not None)
        first = next((poll for poll in told if poll.claims.delivered is not None), None)
        worst = self._worst
        return TargetSummary(
            state=told[-1].claims.shown.state,
            polls=self._polled,
            troubled=self._failing_total,
            connections_claimed=None if worst is None else worst.claims.connections,
            connections_open=None if worst is None else worst.seen.open,
            delivered_claimed=None if first is None or last is None else _claimed(first, last),
            delivered_received=None if first is None or last is None else _broadcasts(first, last),
            memory_first_mib=memory[0] if memory else None,
            memory_last_mib=memory[-1] if memory else None,
            memory_growth_mib_per_hour=self.growth.per_hour if self.growth else None,
            memory_growth_uncertainty=self.growth.uncertainty if self.growth else None,
            memory_steady_s=self.growth.steady_s if self.growth else None,
            differences=list(self._differences.values()),
        )

    def _look_at_connections(self, poll: Poll) -> None:
        claimed, ours = poll.claims.connections, poll.seen.open
        before = self._polls[-2] if len(self._polls) > 1 else None
        if claimed is None or before is None or not _same_load(before, poll):
            self._steady = None
            return  # while clients come and go, the two counts are of different moments
        # What clients do just now is known a little later: a poll counts when the next one finds them as they were.
        if self._steady is not None and (self._worst is None or _apart(self._steady) >= _apart(self._worst)):
            self._worst = self._steady
        self._steady = poll
        # Once may be a matter of when each side was asked.
        self._mismatches = self._mismatches + 1 if counts_differ(claimed, ours) else 0
        if self._mismatches >= 2 and self._worst is not None:
            claimed, ours = self._worst.claims.connections or 0.0, self._worst.seen.open
            self._differ(
                "connections", f"the target claims {grouped(claimed)} connections, clients hold {grouped(ours)}"
            )

    def _look_at_deliveries(self, poll: Poll) -> None:
        first = next((p for p in self._polls if p.claims.delivered is not None), None)
        if first is None or first is poll or poll.claims.delivered is None:
            return
        claimed, received = _claimed(first, poll), _broadcasts(first, poll)
        every = poll.seen.received - first.seen.received
        # Some servers count replies among their deliveries: the count that is nearer is taken for what they mean.
        nearest = min((received, every), key=lambda ours: abs(ours - claimed))
        allowed = DELIVERED_SHARE * max(claimed, nearest) + 2 * max(each.seen.open for each in self._polls) + 10
        if abs(claimed - nearest) > allowed:
            self._differ(
                "deliveries", f"the target claims {grouped(claimed)} deliveries, clients received {grouped(received)}"
            )
        else:
            self._differences.pop("deliveries", None)

    def _differ(self, what: str, text: str) -> None:
        if what not in self._differences:
            self._mark(text)
        self._differences[what] = text


@dataclass(frozen=True, slots=True)
class Growth:
    """Of memory, in MiB an hour ± `uncertainty` (with 95 % confidence), as seen over `steady_s` seconds."""

    per_hour: float
    uncertainty: float
    steady_s: float


def growth(polls: Sequence[Poll]) -> Growth | None:
    """Over the longest interval in which the number of clients did not change; None where that is too short."""
    steady: list[Poll] = []
    interval: list[Poll] = []
    for poll in polls:
        if interval and not _same_load(interval[-1], poll):
            interval = []
        if poll.claims.resident is not None and poll.seen.wanted:
            interval.append(poll)
        if len(interval) > len(steady):
            steady = list(interval)
    steady_s = steady[-1].seen.at_s - steady[0].seen.at_s if steady else 0.0
    if len(steady) < STEADY_LEAST or steady_s < STEADY_LEAST_S:
        return None
    slope = theil_sen([(poll.seen.at_s, (poll.claims.resident or 0.0) / _MIB) for poll in steady])
    if slope is None:
        return None
    grown = abs(slope.value * steady_s) >= NOISE_MIB
    return Growth(slope.value * 3600 if grown else 0.0, slope.uncertainty * 3600, steady_s)


def _same_load(before: Poll, now: Poll) -> bool:
    """Return whether as many clients are wanted and there as before."""
    change = abs(now.seen.open - before.seen.open)
    return now.seen.wanted == before.seen.wanted and change <= max(2.0, STEADY_SHARE * before.seen.open)


def _apart(poll: Poll) -> float:
    """Return how far the counts of connections are apart, 0 if that may be a matter of when each side was asked."""
    claimed, ours = poll.claims.connections or 0.0, poll.seen.open
    return abs(claimed - ours) if counts_differ(claimed, ours) else 0.0


def _claimed(first: Poll, last: Poll) -> float:
    return (last.claims.delivered or 0.0) - (first.claims.delivered or 0.0)


def _broadcasts(first: Poll, last: Poll) -> int:
    return (last.seen.received - last.seen.personal) - (first.seen.received - first.seen.personal)


def _last(polls: Sequence[Poll], wanted: Callable[[Poll], bool]) -> Poll | None:
    return next((poll for poll in reversed(polls) if wanted(poll)), None)


class TargetPolling:
    """`mark` takes the text of a mark on the timeline."""

    def __init__(self, scenario: Scenario, fleet: WorkerFleet, sampler: Sampler, mark: Callable[[str], None]) -> None:
        self._scenario = scenario
        self._fleet = fleet
        self._sampler = sampler
        self._mark = mark
        self._task: asyncio.Task[None] | None = None
        self.watch: TargetWatch | None = None

    def start(self) -> None:
        """Ask from now on."""
        if (endpoints := EndpointPoller.of(self._scenario)) is None:
            return
        told = self._scenario.target
        self.watch = TargetWatch(
            endpoints, self._client_view, self._mark, gate=told.health_gate, every_s=told.health_every
        )
        self._task = asyncio.create_task(self.watch.watch())

    def stop(self) -> None:
        """Ask no more."""
        if self._task is not None:
            self._task.cancel()

    async def poll_last(self) -> None:
        """Ask once more, when the load has ended."""
        if self.watch is not None:
            await self.watch.poll_last()

    @property
    def memory_growth(self) -> float | None:
        """The target's memory growth an hour, as far as it tells."""
        return self.watch.growth.per_hour if self.watch and self.watch.growth else None

    def stop_reason(self) -> str:
        """Return why the target's health ends the run, or ""."""
        return self.watch.stop_reason() if self.watch else ""

    def _client_view(self) -> ClientView:
        counters, types = self._fleet.totals.counters(), self._fleet.totals.types()
        personal = sum(types.get(name, 0) for name in {*PERSONAL, self._scenario.target.welcome})
        return ClientView(self._sampler.at_s, counters.wanted, counters.open, counters.received, personal)
