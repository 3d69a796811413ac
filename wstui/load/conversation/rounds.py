"""When clients begin a round of their loop: on an absolute schedule, which a pause shifts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from wstui.load.conversation.conversation_state import LOOP, Talk
from wstui.load.conversation.timers import Timers
from wstui.load.protocol import SendSpec
from wstui.load.schedule import first_send, jittered, poisson_gap


class Rounds:
    """The rounds of a worker's clients. `schedule` also times what they think: a pause stops it."""

    def __init__(self, spec: SendSpec, seed: int, loop: asyncio.AbstractEventLoop) -> None:
        self.schedule = Timers(loop)
        self._spec = spec
        self._seed = seed
        self._every_ns = spec.every_ns
        self._parked: dict[Talk, None] = {}  # until a pause ends
        self._stopped = False
        self._left: dict[int, int] | None = {} if spec.rounds else None  # rounds, by client

    @property
    def are_free(self) -> bool:
        """Return whether a round begins as soon as the one before has ended."""
        return not self._every_ns

    def first(self, talk: Talk) -> int:
        """Return when the first round of a client is due, at its own phase of the interval."""
        clock = self.schedule.clock()
        if self._spec.arrivals == "poisson":
            return clock
        return first_send(clock, talk.number, self._every_ns)

    def next(self, talk: Talk) -> bool:
        """Plan the next round. Return whether it has to be waited for."""
        talk.awaits_round = True
        if self._stopped or (self._left is not None and not self._may_begin(talk.number, self._left)):
            return True
        if not self._every_ns:
            if talk.context.paused:
                self.park(talk)
                return True
            talk.intended_ns = 0
            return False
        self._plan(talk)
        return True

    def _may_begin(self, number: int, left: dict[int, int]) -> bool:
        """Return whether a client has a round left; if so, take it."""
        left[number] = left.get(number, self._spec.rounds) - 1
        return left[number] >= 0

    def _plan(self, talk: Talk) -> None:
        """Put the next round on the schedule. It ignores when the last one ended: lateness never adds up."""
        spec, every, number = self._spec, self._every_ns, talk.number
        turn = talk.turns()
        if spec.arrivals == "poisson":
            talk.next_ns += poisson_gap(number, turn, every, self._seed)
            due = talk.next_ns
        else:
            due = talk.next_ns
            if spec.arrivals == "jitter":
                due = jittered(due, number, turn, every, spec.jitter, self._seed)
            talk.next_ns += every
        talk.behind_ns = 0
        talk.free_ns = time.monotonic_ns()
        talk.wake_ns = self.schedule.add(due, talk)

    def pace(self, every_ns: int, talks: Iterable[Talk]) -> None:
        """Change the interval: every client gets its place in the new one."""
        self._every_ns = every_ns
        for talk in talks:
            if talk.phase is not LOOP:
                continue
            talk.next_ns = self.first(talk)
            if talk.awaits_round and talk not in self._parked:
                self._go_on(talk)

    def park(self, talk: Talk) -> None:
        """Let a client wait until the run goes on."""
        talk.behind_ns = 0
        self._parked[talk] = None

    def forget(self, talk: Talk) -> None:
        self._parked.pop(talk, None)

    def pause(self) -> None:
        """Stop the schedule."""
        self.schedule.pause()

    def resume(self) -> None:
        """Let the schedule go on, and every client that the pause held up."""
        self.schedule.resume()
        parked, self._parked = list(self._parked), {}
        for talk in parked:
            self._go_on(talk)

    def _go_on(self, talk: Talk) -> None:
        if talk.awaits_round and self._every_ns:
            self._plan(talk)
        else:
            talk.wake_ns = self.schedule.add(self.schedule.clock(), talk)

    def stop(self) -> None:
        """Begin no more rounds."""
        self._stopped = True
        self.schedule.clear()
