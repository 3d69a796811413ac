"""Drains a worker: wait for replies and connects under way, close every connection, drop what is left."""

from __future__ import annotations

import time
from collections.abc import Mapping
from enum import IntEnum

from wstui.load.client import LoadClient
from wstui.load.client_pool import CLOSES_A_TICK
from wstui.load.context import CLOSING, READY, RETIRING, WAITING
from wstui.load.slow_readers import READ_UP_NS, SlowReaders

CUT_NS = 1_000_000_000
"""How long a dropped connection's transport may take to report its end. It takes one pass of the loop."""


class DrainPhase(IntEnum):
    DRAINING = 0  # waiting for replies in flight
    CLOSING = 1  # closing handshakes
    CUT = 2  # dropped; what was in flight is known once the transports have reported it


class DrainController:
    """Drains all clients. `live` are those with a connection, `opening` those whose attempt is under way.

    With a grace, wait that long for replies in flight, and for attempts until they are ready or have failed (at most
    their connect timeout); give each close `close_timeout_ns`. Without one (None), drop every connection at once.
    """

    def __init__(
        self,
        live: Mapping[int, LoadClient],
        opening: Mapping[int, LoadClient],
        slow: SlowReaders | None,
        close_timeout_ns: int,
        grace_ns: int | None,
    ) -> None:
        self._live = live
        self._opening = opening
        self._slow = slow
        self._close_timeout_ns = close_timeout_ns
        self._begun_ns = time.monotonic_ns()
        self._phase = DrainPhase.DRAINING
        # To look through all clients in every tick would take the square of their number.
        self._unanswered: list[LoadClient] = []
        self._to_close: list[LoadClient] = []
        self._all_told = False
        self._grace_end_ns = self._deadline_ns = self._begun_ns + (grace_ns or 0)
        if grace_ns is None:
            self._cut(self._begun_ns)

    def advance(self, now: int) -> bool:
        """Do what is due. Return whether every client is gone."""
        if self._phase is DrainPhase.DRAINING:
            if self._is_waiting(now) and now < self._grace_end_ns:
                return False
            for client in list(self._live.values()):
                client.expire(now)
            self._phase = DrainPhase.CLOSING
            self._deadline_ns = now + self._close_timeout_ns
        if self._phase is DrainPhase.CUT:
            return not self._live or now >= self._deadline_ns
        looked = not self._to_close and not self._all_told
        if looked:
            self._look(now)
        batch = self._to_close[: -CLOSES_A_TICK - 1 : -1]
        del self._to_close[-CLOSES_A_TICK:]
        for client in batch:
            client.close()
        if now >= self._grace_end_ns and looked and not self._to_close:
            for client in list(self._opening.values()):
                client.abort()
        if batch or self._opening:
            self._deadline_ns = now + self._close_timeout_ns
        elif now >= self._deadline_ns:
            self._cut(now)
        return not self._live and not self._opening

    def _look(self, now: int) -> None:
        """Look for clients that are to be closed; again, too: some say goodbye first."""
        busy = [c for c in self._live.values() if c.step in (READY, RETIRING)]
        if now >= self._grace_end_ns:
            busy += [c for c in self._opening.values() if c.step is WAITING]
        self._to_close = busy[::-1]
        self._all_told = not busy and not self._opening  # else one may become ready

    def _cut(self, now: int) -> None:
        self._phase = DrainPhase.CUT
        self._deadline_ns = now + CUT_NS
        for client in [*self._opening.values(), *self._live.values()]:
            client.abort()

    def _is_waiting(self, now: int) -> bool:
        """Return whether replies may still come, or slow readers still have to see how they were ended."""
        if self._slow is not None and self._slow.open and now - self._begun_ns < READ_UP_NS:
            return True
        unanswered = self._unanswered
        while unanswered and not _awaits_reply(unanswered[-1]):
            unanswered.pop()
        if not unanswered:
            unanswered += filter(_awaits_reply, self._live.values())
        return bool(unanswered)


def _awaits_reply(client: LoadClient) -> bool:
    conversation = client.conversation
    return client.step < CLOSING and (
        bool(client.pending) or (conversation is not None and conversation.request is not None)
    )
