"""Clients that wait for each other, on all workers and hosts: the operator counts them, and says who goes on."""

from __future__ import annotations

import time

from wstui.load.conversation.program import Operation
from wstui.load.conversation.replies import Replies
from wstui.load.protocol import ReleaseMeetings, Waiting


class Meetings:
    """The meetings of a worker's clients, by name."""

    def __init__(self, worker: int) -> None:
        self._worker = worker
        self._waiting: dict[bytes, dict[Replies, Operation]] = {}
        self._names: dict[Replies, bytes] = {}
        self._changed: dict[bytes, int] = {}  # and how many clients they need
        self._handled = 0

    def join(self, name: bytes, replies: Replies, operation: Operation) -> None:
        """Let a client wait for others."""
        self._waiting.setdefault(name, {})[replies] = operation
        self._names[replies] = name
        self._changed[name] = operation.clients
        replies.wait(operation)

    def leave(self, replies: Replies) -> None:
        """Let a client wait no more."""
        name = self._names.pop(replies, None)
        if name is not None:
            waiting = self._waiting[name]
            self._changed[name] = waiting.pop(replies).clients
            if not waiting:
                del self._waiting[name]

    def release(self, command: ReleaseMeetings) -> None:
        """Let the clients go on that have waited longest."""
        self._handled = command.number
        for name, count in command.names.items():
            waiting = self._waiting.get(name, {})
            for replies in list(waiting)[:count]:
                self.leave(replies)
                _end_wait(replies)
            self._changed.setdefault(name, 0)

    def report(self, planned: int) -> Waiting | None:
        """Return what has changed since the last report, or None. `planned` clients are wanted of all workers."""
        if not self._changed:
            return None
        names = {name: (len(self._waiting.get(name, ())), clients) for name, clients in self._changed.items()}
        self._changed = {}
        return Waiting(self._worker, self._handled, planned, names)


def _end_wait(replies: Replies) -> None:
    """Count the step of a client, now that the others are there; it goes on when its worker looks at it next."""
    conversation = replies.conversation
    operation, replies.operation = replies.operation, None
    assert operation is not None and operation.tally is not None
    now = time.monotonic_ns()
    operation.tally.counts.done += 1
    operation.tally.round_trip.record(now - replies.began_ns)
    operation.tally.response.record(now - conversation.intended_ns)
    conversation.behind_ns = 0
    replies.early, replies.since_ns = [], now
    conversation.wake_ns = conversation.live.add(conversation.live.clock(), conversation)
