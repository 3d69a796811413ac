"""Serves sockets from an epoll set of our own, which the loop watches like one socket, so that its passes stay short.

uvloop polls again, up to 48 times, while a poll returns 1024 events, before timers, callbacks and pipes get their
turn: with 1200 busy clients that takes over a second. asyncio's own loop reads every ready socket in one pass.
"""

from __future__ import annotations

import asyncio
import select
import time
from collections.abc import Callable
from typing import Protocol

EVENTS_A_TURN = 64
TURN_NS = 5_000_000
"""Serve fewer sockets per turn if that many take longer."""
IN, OUT = (select.EPOLLIN, select.EPOLLOUT) if hasattr(select, "epoll") else (1, 4)


class SocketEntry(Protocol):
    """What gets the events of a socket."""

    def ready(self, events: int) -> None: ...


class Sockets:
    """Serves what has entered: connections, and attempts at one. Linux only."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self.loop = loop
        self.epoll = select.epoll()
        self.entries: list[SocketEntry | None] = []  # by the number of the socket
        self.events_a_turn = EVENTS_A_TURN
        self._clock = clock
        loop.add_reader(self.epoll.fileno(), self.turn)

    def close(self) -> None:
        self.loop.remove_reader(self.epoll.fileno())

    def enter(self, fd: int, entry: SocketEntry) -> None:
        """Pass the events of a socket to `entry`."""
        if fd >= len(self.entries):
            self.entries.extend([None] * (fd + 64 - len(self.entries)))
        self.entries[fd] = entry

    def turn(self) -> None:
        """Serve some of the ready sockets. The kernel then queues them behind those that have waited longer."""
        begun = self._clock()
        most = self.events_a_turn
        events = self.epoll.poll(0, most)
        entries = self.entries
        for fd, event in events:
            # Sockets are closed in a later pass of the loop, so the number cannot mean another socket here.
            if (entry := entries[fd]) is not None:
                entry.ready(event)
        took = self._clock() - begun
        if took > TURN_NS:
            self.events_a_turn = max(1, len(events) * TURN_NS // took)
        elif most < EVENTS_A_TURN and 2 * took <= TURN_NS:
            self.events_a_turn = min(EVENTS_A_TURN, 2 * most)
