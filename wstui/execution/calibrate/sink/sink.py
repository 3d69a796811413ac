"""The built-in sink: the leanest server that answers, so that a measurement finds the limit of the generator."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from wstui.execution.calibrate.sink.broadcast import Broadcaster, SinkBroadcast
from wstui.execution.calibrate.sink.message_log import NEVER, SinkLog
from wstui.execution.calibrate.sink.replies import frame, named, pong_to, welcome
from wstui.execution.calibrate.sink.sink_connection import SinkConnection

_now = time.monotonic_ns


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What the sink does beside answering. Seconds; the moments count from the first client that opened."""

    mode: str = "odin"  # odin: welcome and pongs; echo: all that comes goes back; quiet: takes, says nothing
    delay_s: float = 0.0  # before each reply
    stall_s: float = 0.0  # the whole process stands still once
    stall_at_s: float = 0.0
    lose: float = 0.0  # share of the replies that are never sent
    reset_at_s: float = 0.0  # every connection is reset once; 0: never
    record: bool = False  # keep a row for each message
    broadcast: SinkBroadcast = field(default_factory=SinkBroadcast)
    seed: int = 0


class Sink:
    """All connections of the sink, and what it does to them."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.clients: dict[SinkConnection, None] = {}
        self.log = SinkLog()
        self.opened = 0
        self.malformed = 0
        self.received = 0
        self.sent = 0
        self.lost = 0
        self._gone = [0, 0]  # broadcasts sent and skipped of connections that have ended
        self._random = random.Random(behaviour.seed).random
        self._waiting: deque[tuple[int, SinkConnection, bytes, int]] = deque()
        plain = not (behaviour.delay_s or behaviour.lose or behaviour.record)
        odin = self._pong if behaviour.mode == "odin" else self._echo
        self.answer: Callable[[SinkConnection, int, bytes, int], None] = odin if plain else self._careful
        if behaviour.mode == "quiet":
            self.answer = self._take

    # -- answers -----------------------------------------------------------------------------------------------

    def _pong(self, client: SinkConnection, first: int, payload: bytes, now: int) -> None:
        self.received += 1
        reply = pong_to(payload)
        if reply is None:
            self.malformed += 1
            return
        self.sent += 1
        client.transport.write(reply)

    def _echo(self, client: SinkConnection, first: int, payload: bytes, now: int) -> None:
        self.received += 1
        self.sent += 1
        client.transport.write(frame(first, payload))

    def _take(self, client: SinkConnection, first: int, payload: bytes, now: int) -> None:
        self.received += 1
        if self.behaviour.record:
            self.log.add(*named(client.number, payload), now, NEVER)

    def _careful(self, client: SinkConnection, first: int, payload: bytes, now: int) -> None:
        """An answer that is recorded, delayed or lost."""
        behaviour = self.behaviour
        self.received += 1
        reply = pong_to(payload) if behaviour.mode == "odin" else frame(first, payload)
        if reply is None:
            self.malformed += 1
            return
        row = self.log.add(*named(client.number, payload), now, NEVER) if behaviour.record else -1
        if behaviour.lose and self._random() < behaviour.lose:
            self.lost += 1
        elif behaviour.delay_s:
            if not self._waiting:
                asyncio.get_running_loop().call_later(behaviour.delay_s, self._release)
            self._waiting.append((now + int(behaviour.delay_s * 1e9), client, reply, row))
        else:
            self._send(client, reply, row)

    def _release(self) -> None:
        """Send the replies that have waited long enough."""
        waiting = self._waiting
        now = _now()
        while waiting and waiting[0][0] <= now:
            _, client, reply, row = waiting.popleft()
            self._send(client, reply, row)
        if waiting:
            asyncio.get_running_loop().call_later(0.001, self._release)

    def _send(self, client: SinkConnection, reply: bytes, row: int) -> None:
        if client in self.clients:
            self.sent += 1
            client.transport.write(reply)
            if row >= 0:
                self.log.sent_ns[row] = _now()

    # -- what happens once -------------------------------------------------------------------------------------

    def open(self, client: SinkConnection) -> None:
        """A client has completed its upgrade."""
        client.number = self.opened
        self.opened += 1
        self.log.opened_ns.append(_now())
        self.clients[client] = None
        if self.behaviour.mode == "odin":
            client.transport.write(welcome())
        if self.opened == 1:
            loop = asyncio.get_running_loop()
            behaviour = self.behaviour
            if behaviour.stall_s:
                loop.call_later(behaviour.stall_at_s, self._stall)
            if behaviour.reset_at_s:
                loop.call_later(behaviour.reset_at_s, self._reset)
            if behaviour.broadcast.rate:
                loop.call_later(behaviour.broadcast.at_s, Broadcaster(self, behaviour.broadcast).start)

    def _stall(self) -> None:
        began = _now()
        time.sleep(self.behaviour.stall_s)
        self.log.events.append(("stall", began, _now()))

    def _reset(self) -> None:
        began = _now()
        for client in list(self.clients):
            client.reset()
        self.log.events.append(("reset", began, _now()))

    def closed(self, client: SinkConnection) -> None:
        """A connection is gone."""
        if self.clients.pop(client, client) is None:
            self._gone[0] += client.broadcasts + client.duplicated
            self._gone[1] += client.skipped
            self.log.per_connection.append((client.broadcasts, client.dropped, client.duplicated))

    # -- what it tells -----------------------------------------------------------------------------------------

    def summary(self) -> dict[str, Any]:
        """Counts, clocks and its own CPU time, as `GET /log` tells them."""
        here = self.clients
        ended = self.log.per_connection
        return {
            "mode": self.behaviour.mode,
            "opened": self.opened,
            "open": len(here),
            "received": self.received,
            "replied": self.sent,
            "lost": self.lost,
            "malformed": self.malformed,
            "broadcasts": len(self.log.broadcasts),
            "broadcast_receipts": self._gone[0] + sum(c.broadcasts + c.duplicated for c in here),
            "broadcast_dropped": sum(row[1] for row in ended) + sum(c.dropped for c in here),
            "broadcast_duplicated": sum(row[2] for row in ended) + sum(c.duplicated for c in here),
            "broadcast_skipped": self._gone[1] + sum(c.skipped for c in here),
            "cpu_ns": time.process_time_ns(),
            "monotonic_ns": _now(),
            "events": self.log.events,
        }

    def full_log(self) -> bytes:
        """The whole log, as `GET /messages` and the file have it."""
        log = self.log
        log.counts = {name: value for name, value in self.summary().items() if isinstance(value, int)}
        log.cpu_ns = time.process_time_ns()
        ended = len(log.per_connection)
        log.per_connection.extend((c.broadcasts, c.dropped, c.duplicated) for c in self.clients)
        data = log.encode()
        del log.per_connection[ended:]
        return data
