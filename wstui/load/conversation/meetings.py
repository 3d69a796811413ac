"""Clients that wait for each other."""

from __future__ import annotations

from wstui.load.context import WorkerContext
from wstui.load.conversation.program import Operation
from wstui.load.conversation.replies import Replies

ALL_READY = b"all ready"


class Meetings:
    """The meetings of a worker's clients, by name."""

    def __init__(self) -> None:
        self._waiting: dict[bytes, dict[Replies, Operation]] = {}
        self._names: dict[Replies, bytes] = {}

    def join(self, name: bytes, replies: Replies, operation: Operation) -> None:
        """Let a client wait for others."""
        waiting = self._waiting.setdefault(name, {})
        waiting[replies] = operation
        self._names[replies] = name
        replies.meet(operation)
        if operation.clients and len(waiting) >= operation.clients:
            self._release(name)

    def leave(self, replies: Replies) -> None:
        """Let a client wait no more."""
        name = self._names.pop(replies, None)
        if name is not None:
            waiting = self._waiting[name]
            del waiting[replies]
            if not waiting:
                del self._waiting[name]

    def look(self, context: WorkerContext) -> None:
        """Release the clients that wait until all are ready."""
        if ALL_READY in self._waiting:
            operation = next(iter(self._waiting[ALL_READY].values()))
            if context.counters.open >= operation.clients:
                self._release(ALL_READY)

    def _release(self, name: bytes) -> None:
        for replies in self._waiting.pop(name):
            del self._names[replies]
            replies.met()
