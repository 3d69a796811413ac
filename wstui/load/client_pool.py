"""Who should be there: clients of the ramp, visitors, those that come back; begins attempts, sends clients home."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from wstui.load.arrivals import Arrivals
from wstui.load.ramp import RampLine, share
from wstui.load.reconnect import Reconnects
from wstui.load.slots import Slots

if TYPE_CHECKING:
    from wstui.load.client import Client
    from wstui.load.connector import Connector
    from wstui.load.protocol import Arrive, Spec
    from wstui.measure.counters import Tally

CLOSES_A_TICK = 100


class ClientPool:
    """The plan of one worker's clients. Times are those of the schedule's clock, which pauses stop.

    `begin(number, place, stay_ns)` starts an attempt; `find(number)` knows the client that has this number now.
    """

    def __init__(
        self,
        spec: Spec,
        tally: Tally,
        connector: Connector,
        begin: Callable[[int, int, int], Client],
        find: Callable[[int], Client | None],
    ) -> None:
        self._worker, self._workers = spec.worker, spec.workers
        self._counters = tally.counters
        self._connector = connector
        self._begin = begin
        self._find = find
        self._line = RampLine(0, 0, 0, 0)
        self._places = Slots()
        self._ramped: list[int] = []  # places of the clients that the ramp has asked for, the newest last
        self._visitors = Arrivals(spec)
        self._comebacks = Reconnects(spec, tally)

    # -- the plan ----------------------------------------------------------------------------------------------

    def ramp(self, to: int, over_ns: int, clock: int) -> None:
        """From as many as are wanted now, go to `to` clients of the whole fleet in a straight line."""
        self._line = RampLine(clock, self._line.wanted(clock), to, over_ns)

    def arrive(self, command: Arrive, clock: int) -> None:
        """Let visitors arrive."""
        self._visitors.arrive(command, clock)

    def is_settled(self, clock: int) -> bool:
        """Whether nobody is on the way in or out: all who are here stay."""
        return not self._connector.opening and not self._visitors.expected and self._line.done(clock)

    def behind(self, clock: int) -> int:
        """How many clients that are wanted have not begun to connect: too many attempts were under way."""
        wanted = share(self._line.wanted(clock), self._worker, self._workers)
        return max(0, wanted - len(self._ramped)) + self._visitors.behind(clock)

    def approach(self, clock: int, *, held: bool) -> None:
        """Let clients come and go until as many are there as are wanted now; who comes back waits while `held`."""
        connector = self._connector
        wanted = share(self._line.wanted(clock), self._worker, self._workers)
        self._counters.wanted = wanted + self._visitors.wanted(clock)
        while connector.room > 0 and not held and (absent := self._comebacks.due(clock)) is not None:
            if absent.stay_ns and absent.leaves_ns <= clock:
                self._comebacks.forget(absent.number)
                self._places.vacate(absent.slot)
                continue
            client = self._begin(absent.number, absent.slot, absent.stay_ns)
            client.leaves_ns, client.sequence, client.turn = absent.leaves_ns, absent.sequence, absent.turn
        while connector.room > 0 and len(self._ramped) < wanted:
            place = self._places.take()
            self._ramped.append(place)
            self._begin(self._number(place), place, 0)
        while connector.room > 0 and (visitor := self._visitors.next(clock)) is not None:
            number, stay_ns = visitor
            place = self._places.take()
            self._places.leave(place)
            self._begin(number, place, stay_ns)
        if len(self._ramped) > wanted:
            self._retire(len(self._ramped) - wanted)
        for client in self._visitors.leaving(clock):
            client.close_when_idle()

    def _number(self, place: int) -> int:
        return self._worker + place * self._workers

    def _retire(self, count: int) -> None:
        """Let the newest clients go. Numbers whose attempt failed, or that are away, go without a sound."""
        for _ in range(min(count, CLOSES_A_TICK)):
            place = self._ramped.pop()
            number = self._number(place)
            self._comebacks.forget(number)
            client = self._find(number)
            if client is None:
                self._places.give_back(place)
            else:
                self._places.leave(place)
                client.close_when_idle()

    # -- what became of a client -------------------------------------------------------------------------------

    def ready(self, client: Client, clock: int) -> None:
        """A client is ready: for the first time, or again."""
        if self._comebacks.knows(client.number):
            self._comebacks.returned(client.number, clock)
        if client.stay_ns:
            self._visitors.stays(client, clock)

    def dropped(self, client: Client, clock: int) -> None:
        """The other side ended a ready connection: its client may come back, if it is still wanted."""
        if not self._comebacks.enabled:
            return
        wanted = client.leaves_ns > clock if client.stay_ns else not self._places.is_left(client.slot)
        if wanted:
            self._comebacks.dropped(client, clock)

    def gone(self, client: Client, clock: int, *, returns: bool) -> None:
        """The client has no connection any more: it will try again, or its place is free."""
        if self._comebacks.knows(client.number):
            if returns and self._comebacks.plan(client.number, clock):
                return
            self._comebacks.forget(client.number)
        self._places.vacate(client.slot)

    def stop_reconnecting(self) -> None:
        """Nobody comes back any more."""
        self._comebacks.forget_all()
