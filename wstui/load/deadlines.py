"""What clients wait for, each no longer than it may: to settle, replies, pongs, the end of a close."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from websockets.frames import CloseCode

from wstui.load.client import LoadClient
from wstui.load.connect_outcome import Cause
from wstui.load.context import KEEPALIVE, READY, RETIRING, WorkerContext
from wstui.load.frames import PING, encode
from wstui.load.protocol import ConnectSpec, SendSpec
from wstui.load.schedule import first_send
from wstui.load.timer_wheel import TimerWheel

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


class Keepalive:
    """Pings every client at its own phase of the interval, also while the load is paused or drains.

    The pings that wait for a pong are in the context, where the clients' pongs take them out.
    """

    def __init__(self, spec: SendSpec, context: WorkerContext) -> None:
        assert context.unanswered_pings is not None
        self._every_ns = spec.ping_every_ns
        self._timeout_ns = spec.ping_timeout_ns
        self._counters = context.counters
        self._wheel: TimerWheel[LoadClient] = TimerWheel()
        self._unanswered = context.unanswered_pings  # oldest first

    def add(self, client: LoadClient, now_ns: int) -> None:
        """Ping a client from now on."""
        self._wheel.add(first_send(now_ns, client.number, self._every_ns), client)

    def tick(self, now_ns: int) -> None:
        """Send the pings that are due, and drop the clients whose pong is overdue."""
        while (taken := self._wheel.take(now_ns)) is not None:
            due_ns, clients = taken
            for client in clients:
                if client.step is READY or client.step is RETIRING:
                    self._ping(client, now_ns)
                    self._wheel.add(max(due_ns + self._every_ns, now_ns), client)
        if not self._timeout_ns:
            return
        while self._unanswered:
            client, pinged_ns = next(iter(self._unanswered.items()))
            if now_ns - pinged_ns < self._timeout_ns:
                break
            del self._unanswered[client]
            if client.step is READY or client.step is RETIRING:
                cause = Cause("keepalive", f"no pong within {self._timeout_ns / 1e9:g} s")
                client.fail(CloseCode.INTERNAL_ERROR, cause)

    def _ping(self, client: LoadClient, now_ns: int) -> None:
        self._counters.pings += 1
        if not client.blocked:  # a ping to a peer that does not read would only fill our memory
            client.write(encode(PING, KEEPALIVE, self._counters.pings))
        if self._timeout_ns:
            self._unanswered.setdefault(client, now_ns)

    def discard(self, client: LoadClient) -> None:
        """Forget the ping of a client whose connection has ended."""
        self._unanswered.pop(client, None)
