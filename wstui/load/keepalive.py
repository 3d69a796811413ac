"""Keepalive pings beside any exchange: spread evenly over the clients, outside all latencies."""

from __future__ import annotations

from websockets.frames import CloseCode

from wstui.load.client import LoadClient
from wstui.load.connect_outcome import Cause
from wstui.load.context import KEEPALIVE, READY, RETIRING, WorkerContext
from wstui.load.frames import PING, encode
from wstui.load.protocol import SendSpec
from wstui.load.schedule import first_send
from wstui.load.timer_wheel import TimerWheel


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
