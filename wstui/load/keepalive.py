"""Keepalive pings beside any exchange: spread evenly over the clients, in no latency, and judged only when asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from websockets.frames import CloseCode

from wstui.load.client_state import READY, RETIRING
from wstui.load.connect_outcome import Cause
from wstui.load.frames import PING, encode
from wstui.load.schedule import first_send
from wstui.load.timer_wheel import TimerWheel

if TYPE_CHECKING:
    from wstui.load.client import Client
    from wstui.load.protocol import Spec
    from wstui.measure.snapshot import Counters

PAYLOAD = b"keepalive"


class Keepalive:
    """Pings every client at its own phase of the interval, also while the load is paused or drains."""

    def __init__(self, spec: Spec, counters: Counters) -> None:
        self._every_ns = spec.ping_every_ns
        self._timeout_ns = spec.ping_timeout_ns
        self._counters = counters
        self._wheel: TimerWheel[Client] = TimerWheel()
        self._waiting: dict[Client, int] = {}  # those without a pong, by when they were pinged; oldest first

    def add(self, client: Client, now_ns: int) -> None:
        """Ping a client from now on."""
        self._wheel.add(first_send(now_ns, client.number, self._every_ns), client)

    def tick(self, now_ns: int) -> None:
        """Send what is due, and drop the clients whose pong is overdue."""
        while (taken := self._wheel.take(now_ns)) is not None:
            due_ns, clients = taken
            for client in clients:
                if client.step is READY or client.step is RETIRING:
                    self._ping(client, now_ns)
                    self._wheel.add(max(due_ns + self._every_ns, now_ns), client)
        if not self._timeout_ns:
            return
        while self._waiting:
            client, pinged_ns = next(iter(self._waiting.items()))
            if now_ns - pinged_ns < self._timeout_ns:
                break
            del self._waiting[client]
            if client.step is READY or client.step is RETIRING:
                cause = Cause("keepalive", f"no pong within {self._timeout_ns / 1e9:g} s")
                client.fail(CloseCode.INTERNAL_ERROR, cause)

    def _ping(self, client: Client, now_ns: int) -> None:
        self._counters.pings += 1
        if not client.blocked:  # to a peer that does not read it would only fill our memory
            client.write(encode(PING, PAYLOAD, self._counters.pings))
        if self._timeout_ns:
            self._waiting.setdefault(client, now_ns)

    def took(self, client: Client, payload: bytes) -> bool:
        """Whether a pong answers one of these pings."""
        if payload != PAYLOAD:
            return False
        self._counters.pongs += 1
        self._waiting.pop(client, None)
        return True

    def gone(self, client: Client) -> None:
        """The client's connection is over."""
        self._waiting.pop(client, None)
