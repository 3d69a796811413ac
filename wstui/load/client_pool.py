"""Decides which clients should exist now: those of the ramp, arrivals, reconnects. Starts and retires them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush

from wstui.load.arrivals import Arrivals
from wstui.load.client import LoadClient
from wstui.load.connector import Connector
from wstui.load.context import WorkerContext
from wstui.load.pacer import Pacer
from wstui.load.protocol import Arrive, Ramp, Spec
from wstui.load.ramp import RampLine, share
from wstui.load.reconnect import Reconnects

CLOSES_A_TICK = 100
CONNECTS_A_PASS, CONNECTS_BEHIND = 8, 1
"""So many attempts start in one pass of the loop; the second while sends are late: each takes as long as 20 sends."""


class Slots:
    """Small numbers for the clients, so that the receivers of a message fit into a row of bytes.

    The lowest free one is taken first, and none is taken again while its client still exists.
    """

    def __init__(self) -> None:
        self._made = 0
        self._free: list[int] = []
        self._leaving: set[int] = set()

    def take(self) -> int:
        if self._free:
            return heappop(self._free)
        self._made += 1
        return self._made - 1

    def leave(self, slot: int) -> None:
        """Free the slot as soon as its client has gone."""
        self._leaving.add(slot)

    def is_left(self, slot: int) -> bool:
        """Return whether the slot becomes free when its client has gone."""
        return slot in self._leaving

    def vacate(self, slot: int) -> None:
        """Free the slot if it was left: its client has gone."""
        if slot in self._leaving:
            self.give_back(slot)

    def give_back(self, slot: int) -> None:
        """Free a slot without a client."""
        self._leaving.discard(slot)
        heappush(self._free, slot)


class ClientPool:
    """The plan of one worker's clients, between `start` and `stop`. Times are those of the pacer's clock.

    `begin(number, slot, stay_ns)` starts an attempt; `find(number)` returns the client that has this number now.
    """

    def __init__(
        self,
        spec: Spec,
        context: WorkerContext,
        connector: Connector,
        pacer: Pacer,
        begin: Callable[[int, int, int], LoadClient],
        find: Callable[[int], LoadClient | None],
    ) -> None:
        self._worker, self._workers = spec.worker, spec.workers
        self._context = context
        self._counters = context.counters
        self._connector = connector
        self._pacer = pacer
        self._running = False
        self._continuing = False
        self._begin = begin
        self._find = find
        self._line = RampLine(0, 0, 0, 0)
        self._slots = Slots()
        self._ramped: list[int] = []  # slots of the clients that the ramp has started, the newest last
        self._arrivals = Arrivals(spec.worker, spec.workers)
        self._reconnects = Reconnects(spec.connect, spec.seed, context.tally)

    # -- the plan ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        self._running = True

    def stop(self) -> None:
        """Start no more clients, for good, also no reconnects."""
        self._running = False
        self._reconnects.cancel_all()

    def change(self, command: Ramp | Arrive) -> None:
        """Change the plan: go from the clients wanted now to others in a straight line, or let clients arrive."""
        clock = self._pacer.clock()
        if isinstance(command, Arrive):
            self._arrivals.arrive(command, clock)
        else:
            origin = self._line.to if command.reached else self._line.wanted(clock)
            self._line = RampLine(clock, origin, command.to, command.over_ns)
        self.reconcile()

    @property
    def planned(self) -> int:
        """Return how many clients the ramp leads to, of all workers together."""
        return self._line.to

    def is_settled(self) -> bool:
        """Return whether no client is about to come or go."""
        return not self._connector.opening and not self._arrivals.expected and self._line.done(self._pacer.clock())

    def behind(self) -> int:
        """Return how many wanted clients have not begun to connect, because too many attempts were under way."""
        clock = self._pacer.clock()
        wanted = share(self._line.wanted(clock), self._worker, self._workers)
        return max(0, wanted - len(self._ramped)) + self._arrivals.behind(clock)

    def reconcile(self, *, last: bool = False) -> None:
        """Start and retire clients until there are as many as the plan wants now; do not reconnect in a pause.

        Start a few in each pass of the loop, so that sends and replies get their turn; if this is the last pass, also
        while sends are late.
        """
        if not self._running:
            return
        connector, clock = self._connector, self._pacer.clock()
        most = CONNECTS_BEHIND if self._pacer.is_behind and not last else CONNECTS_A_PASS
        until = connector.in_flight + min(most, connector.capacity)
        wanted = share(self._line.wanted(clock), self._worker, self._workers)
        self._counters.wanted = wanted + self._arrivals.wanted(clock)
        while (
            connector.in_flight < until
            and not self._context.paused
            and (state := self._reconnects.pop_due(clock)) is not None
        ):
            if state.stay_ns and state.leaves_ns <= clock:
                self._reconnects.cancel(state.number)
                self._slots.vacate(state.slot)
                continue
            client = self._begin(state.number, state.slot, state.stay_ns)
            client.leaves_ns, client.sequence, client.turn = state.leaves_ns, state.sequence, state.turn
        while connector.in_flight < until and len(self._ramped) < wanted:
            slot = self._slots.take()
            self._ramped.append(slot)
            self._begin(self._number(slot), slot, 0)
        while connector.in_flight < until and (arrival := self._arrivals.pop_due(clock)) is not None:
            number, stay_ns = arrival
            slot = self._slots.take()
            self._slots.leave(slot)
            self._begin(number, slot, stay_ns)
        if len(self._ramped) > wanted:
            self._retire(len(self._ramped) - wanted)
        for client in self._arrivals.pop_leaving(clock):
            client.close_when_idle()
        if connector.in_flight == until and connector.capacity > 0 and not self._continuing:
            self._continuing = True
            asyncio.get_running_loop().call_soon(self._continue)

    def _continue(self) -> None:
        self._continuing = False
        self.reconcile()

    def _number(self, slot: int) -> int:
        return self._worker + slot * self._workers

    def _retire(self, count: int) -> None:
        """Retire the newest clients. Numbers without a client (its attempt failed, or it was dropped) just go."""
        for _ in range(min(count, CLOSES_A_TICK)):
            slot = self._ramped.pop()
            number = self._number(slot)
            self._reconnects.cancel(number)
            client = self._find(number)
            if client is None:
                self._slots.give_back(slot)
            else:
                self._slots.leave(slot)
                client.close_when_idle()

    # -- what happened to a client -----------------------------------------------------------------------------

    def ready(self, client: LoadClient) -> None:
        """A client is ready: for the first time, or again."""
        clock = self._pacer.clock()
        if self._reconnects.is_waiting(client.number):
            self._reconnects.succeeded(client.number, clock)
        if client.stay_ns:
            self._arrivals.schedule_leave(client, clock)

    def dropped(self, client: LoadClient) -> None:
        """The other side ended a ready connection: let its client reconnect, if it is still wanted."""
        if not self._running or not self._reconnects.enabled:
            return
        clock = self._pacer.clock()
        wanted = client.leaves_ns > clock if client.stay_ns else not self._slots.is_left(client.slot)
        if wanted:
            self._reconnects.dropped(client, clock)

    def gone(self, client: LoadClient, *, reconnects: bool) -> bool:
        """The client has no connection any more: plan its next attempt, or free its slot. Return whether it has one."""
        if self._reconnects.is_waiting(client.number):
            if reconnects and self._reconnects.plan(client.number, self._pacer.clock()):
                return True
            self._reconnects.cancel(client.number)
        self._slots.vacate(client.slot)
        return False
