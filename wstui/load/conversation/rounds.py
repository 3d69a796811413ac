"""When clients begin a round of their loop: on an absolute schedule, which a pause shifts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from wstui.load.conversation.conversation_state import LOOP, ConversationState
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
        self._parked: dict[ConversationState, None] = {}  # until a pause ends
        self._stopped = False
        self._left: dict[int, int] | None = {} if spec.rounds else None  # rounds, by client

    @property
    def are_free(self) -> bool:
        """Return whether a round begins as soon as the one before has ended."""
        return not self._every_ns

    def first(self, conversation: ConversationState) -> int:
        """Return when the first round of a client is due, at its own phase of the interval."""
        clock = self.schedule.clock()
        if self._spec.arrivals == "poisson":
            return clock
        return first_send(clock, conversation.number, self._every_ns)

    def next(self, conversation: ConversationState) -> bool:
        """Plan the next round. Return whether it has to be waited for."""
        conversation.awaits_round = True
        if self._stopped or (self._left is not None and not self._may_begin(conversation.number, self._left)):
            return True
        if not self._every_ns:
            if conversation.context.paused:
                self.park(conversation)
                return True
            conversation.intended_ns = 0
            return False
        self._plan(conversation)
        return True

    def _may_begin(self, number: int, left: dict[int, int]) -> bool:
        """Return whether a client has a round left; if so, take it."""
        left[number] = left.get(number, self._spec.rounds) - 1
        return left[number] >= 0

    def _plan(self, conversation: ConversationState) -> None:
        """Put the next round on the schedule. It ignores when the last one ended: lateness never adds up."""
        spec, every, number = self._spec, self._every_ns, conversation.number
        turn = conversation.turns()
        if spec.arrivals == "poisson":
            conversation.next_ns += poisson_gap(number, turn, every, self._seed)
            due = conversation.next_ns
        else:
            due = conversation.next_ns
            if spec.arrivals == "jitter":
                due = jittered(due, number, turn, every, spec.jitter, self._seed)
            conversation.next_ns += every
        conversation.behind_ns = 0
        conversation.free_ns = time.monotonic_ns()
        conversation.wake_ns = self.schedule.add(due, conversation)

    def pace(self, every_ns: int, conversations: Iterable[ConversationState]) -> None:
        """Change the interval: every client gets its place in the new one."""
        self._every_ns = every_ns
        for conversation in conversations:
            if conversation.phase is not LOOP:
                continue
            conversation.next_ns = self.first(conversation)
            if conversation.awaits_round and conversation not in self._parked:
                self._go_on(conversation)

    def park(self, conversation: ConversationState) -> None:
        """Let a client wait until the run goes on."""
        conversation.behind_ns = 0
        self._parked[conversation] = None

    def forget(self, conversation: ConversationState) -> None:
        self._parked.pop(conversation, None)

    def pause(self) -> None:
        """Stop the schedule."""
        self.schedule.pause()

    def resume(self) -> None:
        """Let the schedule go on, and every client that the pause held up."""
        self.schedule.resume()
        parked, self._parked = list(self._parked), {}
        for conversation in parked:
            self._go_on(conversation)

    def _go_on(self, conversation: ConversationState) -> None:
        if conversation.awaits_round and self._every_ns:
            self._plan(conversation)
        else:
            conversation.wake_ns = self.schedule.add(self.schedule.clock(), conversation)

    def stop(self) -> None:
        """Begin no more rounds."""
        self._stopped = True
        self.schedule.clear()
