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
        busy = [c for c in self._live.values() if c.step in (READY, RETIRING)]
        if now >= self._grace_end_ns:
            busy += [c for c in self._opening.values() if c.step is WAITING]
        for client in busy[:CLOSES_A_TICK]:
            client.close()
        if now >= self._grace_end_ns and len(busy) <= CLOSES_A_TICK:
            for client in list(self._opening.values()):
                client.abort()
        if busy or self._opening:
            self._deadline_ns = now + self._close_timeout_ns
        elif now >= self._deadline_ns:
            self._cut(now)
        return not self._live and not self._opening

    def _cut(self, now: int) -> None:
        self._phase = DrainPhase.CUT
        self._deadline_ns = now + CUT_NS
        for client in [*self._opening.values(), *self._live.values()]:
            client.abort()

    def _is_waiting(self, now: int) -> bool:
        """Whether replies may still come, or slow readers still have to see how they were ended."""
        if self._slow is not None and self._slow.open and now - self._begun_ns < READ_UP_NS:
            return True
        return any(
            c.pending or (c.conversation is not None and c.conversation.request is not None)
            for c in self._live.values()
            if c.step < CLOSING
        )
