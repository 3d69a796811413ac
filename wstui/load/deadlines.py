"""What clients wait for, each no longer than it may: to settle, replies, the end of a close."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from wstui.load.client import LoadClient
from wstui.load.protocol import ConnectSpec

SWEEP_TICKS = 25
"""In this many ticks the outstanding replies of every client are checked once."""


class Deadlines:
    """Of the clients of one worker; `live` are those ready or closing, by number. Times are monotonic nanoseconds."""

    def __init__(self, live: Mapping[int, LoadClient], connect: ConnectSpec) -> None:
        self._live = live
        self._connect = connect
        self._sweep: list[LoadClient] = []
        self.settling: deque[LoadClient] = deque()
        self.closing: dict[LoadClient, None] = {}

    def tick(self, now: int) -> None:
        """Let those settle, give up or go whose time is over."""
        settling, settle_ns = self.settling, self._connect.settle_ns
        while settling and now - settling[0].opened_ns >= settle_ns:
            settling.popleft().become_ready(now)
        self._expire_replies(now)
        closing, timeout_ns = self.closing, self._connect.close_timeout_ns
        while closing and now - (client := next(iter(closing))).closing_ns >= timeout_ns:
            del closing[client]
            client.abort()

    def _expire_replies(self, now: int) -> None:
        if not self._sweep:
            self._sweep = list(self._live.values())
        count = len(self._sweep) // SWEEP_TICKS + 1
        for client in self._sweep[-count:]:
            if client.pending:
                client.expire(now)
        del self._sweep[-count:]
