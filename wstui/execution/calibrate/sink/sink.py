"""The built-in sink: the leanest server that answers, so that a measurement finds the limit of the generator."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from wstui.execution.calibrate.sink.message_log import NEVER, SinkLog
from wstui.execution.calibrate.sink.sink_connection import SinkConnection, identify, pong_to, welcome
from wstui.servers.frame_writer import frame, text_frame

BROADCAST_MIN_BYTES = 96
_CATCH_UP = 10
"""Most broadcasts to send in one go when late, so that the sink still reads."""

_now = time.monotonic_ns


@dataclass(frozen=True, slots=True)
class SinkBroadcast:
    """The same bytes to every client at a steady rate; shares are of single receipts."""

    rate: float = 0.0
    size: int = 200
    drop: float = 0.0
    duplicate: float = 0.0
    at_s: float = 0.0  # after the first client is open
    count: int = 0  # 0: as long as the sink lives
    shared: float = 0.0  # Unix time from which every sink of this machine sends the same bytes at the same time
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Behaviour of the sink besides answering. Seconds; times count from the first client that opened."""

    mode: str = "odin"  # odin: welcome and pongs; echo: return every message; quiet: only receive
    delay_s: float = 0.0  # before each reply
    stall_s: float = 0.0  # block the whole process once
    stall_at_s: float = 0.0
    lose: float = 0.0  # share of replies that are never sent
    reset_at_s: float = 0.0  # reset every connection once; 0: never
    record: bool = False  # keep a row for each message
    broadcast: SinkBroadcast = field(default_factory=SinkBroadcast)
    seed: int = 0


class Sink:
    """All connections of the sink; it implements their `SinkEvents`."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.clients: dict[SinkConnection, None] = {}
        self.log = SinkLog()
        self.open_total = 0
        self.malformed = 0
        self.received = 0
        self.sent = 0
        self.lost = 0
        self._ended = [0, 0]  # broadcasts sent and skipped of connections that have ended
        self._random = random.Random(behaviour.seed).random
        self._waiting: deque[tuple[int, SinkConnection, bytes, int]] = deque()
        plain = not (behaviour.delay_s or behaviour.lose or behaviour.record)
        odin = self._pong if behaviour.mode == "odin" else self._echo
        self.answer: Callable[[SinkConnection, int, bytes, int], None] = odin if plain else self._careful
        if behaviour.mode == "quiet":
            self.answer = self._receive

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

    def _receive(self, client: SinkConnection, first: int, payload: bytes, now: int) -> None:
        self.received += 1
        if self.behaviour.record:
            self.log.add(*identify(client.number, payload), now, NEVER)

    def _careful(self, client: SinkConnection, first: int, payload: bytes, now: int) -> None:
        """Send an answer that is recorded, delayed or lost."""
        behaviour = self.behaviour
        self.received += 1
        reply = pong_to(payload) if behaviour.mode == "odin" else frame(first, payload)
        if reply is None:
            self.malformed += 1
            return
        row = self.log.add(*identify(client.number, payload), now, NEVER) if behaviour.record else -1
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

    # -- connections -------------------------------------------------------------------------------------------

    def opened(self, client: SinkConnection) -> None:
        """Number and welcome a client; the first one starts everything that happens at a time."""
        client.number = self.open_total
        self.open_total += 1
        self.log.opened_ns.append(_now())
        self.clients[client] = None
        if self.behaviour.mode == "odin":
            client.transport.write(welcome())
        if self.open_total == 1:
            loop = asyncio.get_running_loop()
            behaviour = self.behaviour
            if behaviour.stall_s:
                loop.call_later(behaviour.stall_at_s, self._stall)
            if behaviour.reset_at_s:
                loop.call_later(behaviour.reset_at_s, self._reset)
            if behaviour.broadcast.rate:
                loop.call_later(behaviour.broadcast.at_s, _Broadcaster(self, behaviour.broadcast).start)

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
        """Keep the counts of a connection that has ended."""
        if self.clients.pop(client, client) is None:
            self._ended[0] += client.broadcasts + client.duplicated
            self._ended[1] += client.skipped
            self.log.per_connection.append((client.broadcasts, client.dropped, client.duplicated))

    # -- reports -----------------------------------------------------------------------------------------------

    def page(self, path: bytes) -> tuple[bytes, bytes, bytes]:
        """Return status, content type and body of the answer to a GET request."""
        if path == b"/log":
            return b"200 OK", b"application/json", msgspec.json.encode(self.summary())
        if path == b"/messages":
            return b"200 OK", b"application/msgpack", self.full_log()
        if path == b"/health":
            return b"200 OK", b"application/json", b'{"status":"healthy"}'
        return b"404 Not Found", b"application/json", b'{"error":"this is a sink: /ws, /log, /messages, /health"}'

    def summary(self) -> dict[str, Any]:
        """Return counts, clocks and its own CPU time, as `GET /log` does."""
        here = self.clients
        ended = self.log.per_connection
        return {
            "mode": self.behaviour.mode,
            "opened": self.open_total,
            "open": len(here),
            "received": self.received,
            "replied": self.sent,
            "lost": self.lost,
            "malformed": self.malformed,
            "broadcasts": len(self.log.broadcasts),
            "broadcast_receipts": self._ended[0] + sum(c.broadcasts + c.duplicated for c in here),
            "broadcast_dropped": sum(row[1] for row in ended) + sum(c.dropped for c in here),
            "broadcast_duplicated": sum(row[2] for row in ended) + sum(c.duplicated for c in here),
            "broadcast_skipped": self._ended[1] + sum(c.skipped for c in here),
            "cpu_ns": time.process_time_ns(),
            "monotonic_ns": _now(),
            "events": self.log.events,
        }

    def full_log(self) -> bytes:
        """Return the whole log, as `GET /messages` and the file have it."""
        log = self.log
        log.counts = {name: value for name, value in self.summary().items() if isinstance(value, int)}
        log.cpu_ns = time.process_time_ns()
        ended = len(log.per_connection)
        log.per_connection.extend((c.broadcasts, c.dropped, c.duplicated) for c in self.clients)
        data = log.encode()
        del log.per_connection[ended:]
        return data


class _Broadcaster:
    """Sends until `count` are out, and counts exactly what each client got."""

    def __init__(self, sink: Sink, plan: SinkBroadcast) -> None:
        self._sink = sink
        self._plan = plan
        self._random = random.Random(plan.seed)
        self._sequence = 0
        self._begun = 0.0

    def start(self) -> None:
        if self._plan.shared:
            self._plan_shared()
        else:
            self._begun = asyncio.get_running_loop().time()
            self._tick()

    def _plan_shared(self) -> None:
        """Send at the next whole multiple of the interval on the wall clock, which numbers it too."""
        now, rate = time.time(), self._plan.rate
        number = int(max(now, self._plan.shared) * rate) + 1
        asyncio.get_running_loop().call_later(number / rate - now, self._send_shared, number)

    def _send_shared(self, number: int) -> None:
        self._sequence += 1
        self._send(_document(number, self._plan.size, round(number / self._plan.rate * 1e3)))
        if self._sequence != self._plan.count:
            self._plan_shared()

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        plan = self._plan
        due = int((loop.time() - self._begun) * plan.rate) + 1
        if plan.count:
            due = min(due, plan.count)
        for _ in range(min(due - self._sequence, _CATCH_UP)):
            self._sequence += 1
            self._send(_document(self._sequence, plan.size, time.time_ns() // 1_000_000))
        if not plan.count or self._sequence < plan.count:
            # The loop counts in milliseconds: a higher rate is kept by several at once.
            loop.call_at(max(self._begun + self._sequence / plan.rate, loop.time()), self._tick)

    def _send(self, document: bytes) -> None:
        data = text_frame(document)
        drop, duplicate = self._plan.drop, self._plan.duplicate
        draw = self._random.random
        begun = _now()
        receivers = 0
        for client in self._sink.clients:
            if client.blocked:
                client.skipped += 1
                continue
            if drop or duplicate:
                fate = draw()
                if fate < drop:
                    client.dropped += 1
                    continue
                if fate < drop + duplicate:
                    client.duplicated += 1
                    client.transport.write(data)
            client.broadcasts += 1
            client.transport.write(data)
            receivers += 1
        self._sink.log.broadcasts.append((begun, _now(), receivers))


def _document(sequence: int, size: int, now: int) -> bytes:
    """Return a unique price update of exactly `size` bytes (at least `BROADCAST_MIN_BYTES`), as of `now` in ms."""
    head = b'{"type":"price:update","timestamp":%d,"nonce":"%d-%016x","pad":"' % (now, now, sequence)
    return head.ljust(size - 2, b".") + b'"}'
