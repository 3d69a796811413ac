"""Reconnects dropped clients: after which delay, how often they try, and how long they were disconnected."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush

from wstui.load.client import LoadClient
from wstui.load.protocol import ConnectSpec
from wstui.load.rng import draw, fraction
from wstui.measure.counters import Tally

_LANE = 1 << 42
_DOUBLINGS = 62


def backoff(tries: int, base_ns: int, cap_ns: int, number: int, seed: int) -> int:
    """Return the delay before try number `tries` (from 0): up to base·2^tries, and up to the cap.

    Exponential with full jitter, so that clients that were dropped together do not keep coming back together.
    """
    most = min(cap_ns, base_ns << min(tries, _DOUBLINGS))
    return int(fraction(draw(seed, number, tries, _LANE)) * most)


@dataclass(slots=True)
class ReconnectState:
    """A client that is disconnected: its identity, since when, how often it has tried, and where it had got to."""

    number: int
    slot: int
    since_ns: int
    sequence: int
    turn: int
    stay_ns: int
    leaves_ns: int
    tries: int = 0
    failed: bool = False  # at least one of them


class Reconnects:
    """All disconnected clients of a worker. Times are those of the schedule's clock, which stands still in a pause."""

    def __init__(self, spec: ConnectSpec, seed: int, tally: Tally) -> None:
        self._spec = spec
        self._seed = seed
        self._tally = tally
        self._states: dict[int, ReconnectState] = {}
        self._due: list[tuple[int, int, ReconnectState]] = []  # a heap; between equal times the one planned first
        self._planned = 0
        self.enabled = spec.reconnect != "none"

    def dropped(self, client: LoadClient, clock: int) -> None:
        """Remember a client whose ready connection was ended by the other side."""
        self._states[client.number] = ReconnectState(
            client.number, client.slot, clock, client.sequence, client.turn, client.stay_ns, client.leaves_ns
        )
        self._tally.counters.reconnecting += 1

    def is_waiting(self, number: int) -> bool:
        """Return whether this client is disconnected and to reconnect."""
        return number in self._states

    def plan(self, number: int, clock: int) -> bool:
        """Plan the next attempt, after the connection or an attempt has ended. Return False if it was the last."""
        state, spec = self._states[number], self._spec
        state.failed = state.tries > 0
        if state.tries >= spec.reconnect_attempts:
            self._tally.counters.reconnects_given_up += 1
            self.cancel(number)
            return False
        delay = 0
        if spec.reconnect == "exponential":
            delay = backoff(state.tries, spec.reconnect_base_ns, spec.reconnect_cap_ns, number, self._seed)
        self._planned += 1
        heappush(self._due, (clock + delay, self._planned, state))
        return True

    def pop_due(self, clock: int) -> ReconnectState | None:
        """Return the next client that is due to reconnect, and count its try."""
        while self._due and self._due[0][0] <= clock:
            state = heappop(self._due)[2]
            if self._states.get(state.number) is state:
                state.tries += 1
                self._tally.counters.reconnect_attempts += 1
                return state
        return None

    def succeeded(self, number: int, clock: int) -> None:
        """Record that the client is ready again."""
        self._tally.counters.reconnects += 1
        self._tally.reconnect.record(clock - self._states[number].since_ns)
        self.cancel(number)

    def cancel(self, number: int) -> None:
        """Forget the client, if it is to reconnect."""
        if self._states.pop(number, None) is not None:
            self._tally.counters.reconnecting -= 1

    def cancel_all(self) -> None:
        """Forget all clients. One that has not tried yet does not count as missing: nothing is known of it."""
        self._tally.counters.reconnects_missing += sum(state.failed for state in self._states.values())
        self._states.clear()
        self._due.clear()
        self._tally.counters.reconnecting = 0
