"""Clients that were dropped come back: after which delay, how often they try, and how long they were away."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from wstui.load.rng import draw, fraction

if TYPE_CHECKING:
    from wstui.load.client import Client
    from wstui.load.protocol import Spec
    from wstui.measure.counters import Tally

_LANE = 1 << 42
_DOUBLINGS = 62


def backoff(tries: int, base_ns: int, cap_ns: int, number: int, seed: int) -> int:
    """The delay before try number `tries` (from 0): anything up to base·2^tries, and up to the cap.

    Exponential with full jitter: clients that were dropped together do not come back together, again and again.
    """
    most = min(cap_ns, base_ns << min(tries, _DOUBLINGS))
    return int(fraction(draw(seed, number, tries, _LANE)) * most)


@dataclass(slots=True)
class ReconnectState:
    """A client that is away: its identity, since when, how often it has tried, and what it had got to."""

    number: int
    slot: int
    since_ns: int
    sequence: int
    turn: int
    stay_ns: int
    leaves_ns: int
    tries: int = 0
    failed: bool = False  # one of them at least


class Reconnects:
    """All clients of a worker that are away. Times are those of the schedule's clock, which pauses stop."""

    def __init__(self, spec: Spec, tally: Tally) -> None:
        self._spec = spec
        self._tally = tally
        self._absent: dict[int, ReconnectState] = {}
        self._due: list[
            tuple[int, int, ReconnectState]
        ] = []  # a heap; what was planned first decides between equal times
        self._planned = 0
        self.enabled = spec.reconnect != "none"

    def dropped(self, client: Client, clock: int) -> None:
        """The other side ended a ready connection."""
        self._absent[client.number] = ReconnectState(
            client.number,
            client.slot,
            clock,
            client.sequence,
            client.turn,
            client.stay_ns,
            client.leaves_ns,
        )
        self._tally.counters.away += 1

    def knows(self, number: int) -> bool:
        """Whether this client is away."""
        return number in self._absent

    def plan(self, number: int, clock: int) -> bool:
        """The connection, or the attempt to come back, is over: plan the next attempt. False when it was the last."""
        absent, spec = self._absent[number], self._spec
        absent.failed = absent.tries > 0
        if absent.tries >= spec.reconnect_attempts:
            self._tally.counters.reconnects_given_up += 1
            self.forget(number)
            return False
        delay = 0
        if spec.reconnect == "exponential":
            delay = backoff(absent.tries, spec.reconnect_base_ns, spec.reconnect_cap_ns, number, spec.seed)
        self._planned += 1
        heappush(self._due, (clock + delay, self._planned, absent))
        return True

    def due(self, clock: int) -> ReconnectState | None:
        """The next client that should try to come back now; it counts as tried."""
        while self._due and self._due[0][0] <= clock:
            absent = heappop(self._due)[2]
            if self._absent.get(absent.number) is absent:
                absent.tries += 1
                self._tally.counters.reconnect_attempts += 1
                return absent
        return None

    def returned(self, number: int, clock: int) -> None:
        """The client is ready again."""
        absent = self._absent[number]
        self._tally.counters.reconnects += 1
        self._tally.reconnect.record(clock - absent.since_ns)
        self.forget(number)

    def forget(self, number: int) -> None:
        """The client need not come back."""
        if self._absent.pop(number, None) is not None:
            self._tally.counters.away -= 1

    def forget_all(self) -> None:
        """Nobody comes back any more. Who has only just been dropped is not missed: nothing is known of it."""
        self._tally.counters.reconnects_missing += sum(absent.failed for absent in self._absent.values())
        self._absent.clear()
        self._due.clear()
        self._tally.counters.away = 0
