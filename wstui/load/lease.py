"""How long a worker, and the agent on a host, make load without a word from their operator.

An operator that has ended closes its pipe, which ends the load at once. Silence proves less: the operator may have no
CPU or be stopped for a moment. But where a network is cut no end ever arrives, so silence has a limit as well.
"""

from __future__ import annotations

import asyncio
import time

LEASE_S = 30.0
"""A machine may be busy for seconds, and a run of an hour must not be lost for that."""
FIRST_S = 60.0
"""Time for the operator's first message: other hosts may still be starting."""
TICK_S = 0.5
MOST_S = 2 * TICK_S
"""A longer gap between two ticks is time in which this process did not run."""
SILENCE = "no message from the operator"


class OwnClock:
    """Seconds for which this process ran: the clock stands still while it is stopped or gets no CPU.

    Silence is measured by it, since a process that does not run can't hear anything either.
    """

    def __init__(self) -> None:
        self.stalled_s = 0.0
        """How long this process stood still in all."""
        self._ticked = time.monotonic()
        self._missed_s = 0.0

    def begin(self) -> None:
        """Forget what happened before."""
        self.tick()
        self.stalled_s = 0.0

    def tick(self) -> float:
        """Note the time, at least every `TICK_S`; return how long this process stood still just now, or 0."""
        now = time.monotonic()
        gap_s = now - self._ticked
        self._ticked = now
        if gap_s <= MOST_S:
            return 0.0
        self._missed_s += gap_s - MOST_S
        self.stalled_s += gap_s
        return gap_s

    def now(self) -> float:
        now = time.monotonic()
        return now - self._missed_s - max(0.0, now - self._ticked - MOST_S)


class Lease:
    """Renewed by each message; over after `term_s` of silence, from the first message on."""

    def __init__(self, term_s: float = LEASE_S) -> None:
        self._term_s = FIRST_S
        self._next_s = term_s
        self._clock = OwnClock()
        self._last_message = self._clock.now()

    def renew(self) -> None:
        self._last_message, self._term_s = self._clock.now(), self._next_s

    async def over(self) -> str:
        """Wait until the lease is over; return why, in words."""
        while self._clock.now() - self._last_message < self._term_s:
            await asyncio.sleep(TICK_S)
            self._clock.tick()
        return f"{SILENCE} for {self._term_s:g} s"
