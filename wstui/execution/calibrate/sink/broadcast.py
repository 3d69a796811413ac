"""The sink as a source: the same bytes to every client at a steady rate, some left out or sent twice on purpose."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wstui.servers.frame_writer import text_frame

if TYPE_CHECKING:
    from wstui.execution.calibrate.sink.sink import Sink

LEAST_BYTES = 96
_CATCH_UP = 10
"""A late broadcaster sends at most this many at once, so that it still reads."""


@dataclass(frozen=True, slots=True)
class SinkBroadcast:
    """How often, how long, how many; shares are of single receipts."""

    rate: float = 0.0
    size: int = 200
    drop: float = 0.0
    duplicate: float = 0.0
    at_s: float = 0.0  # after the first client is open
    count: int = 0  # 0: as long as the sink lives
    seed: int = 0


class Broadcaster:
    """Sends until `count` are out. Keeps exactly what went to whom."""

    def __init__(self, sink: Sink, plan: SinkBroadcast) -> None:
        self._sink = sink
        self._plan = plan
        self._random = random.Random(plan.seed)
        self._sequence = 0
        self._begun = 0.0

    def start(self) -> None:
        """Begin now."""
        self._begun = asyncio.get_running_loop().time()
        self._tick()

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        plan = self._plan
        due = int((loop.time() - self._begun) * plan.rate) + 1
        if plan.count:
            due = min(due, plan.count)
        for _ in range(min(due - self._sequence, _CATCH_UP)):
            self._send()
        if not plan.count or self._sequence < plan.count:
            # The loop counts in milliseconds: a rate above that is kept by several at once.
            loop.call_at(max(self._begun + self._sequence / plan.rate, loop.time()), self._tick)

    def _send(self) -> None:
        self._sequence += 1
        frame = text_frame(document(self._sequence, self._plan.size))
        drop, duplicate = self._plan.drop, self._plan.duplicate
        draw = self._random.random
        begun = time.monotonic_ns()
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
                    client.transport.write(frame)
            client.broadcasts += 1
            client.transport.write(frame)
            receivers += 1
        self._sink.log.broadcasts.append((begun, time.monotonic_ns(), receivers))


def document(sequence: int, size: int) -> bytes:
    """A price update of exactly `size` bytes (at least `LEAST_BYTES`), different from every other."""
    now = time.time_ns() // 1_000_000
    head = b'{"type":"price:update","timestamp":%d,"nonce":"%d-%016x","pad":"' % (now, now, sequence)
    return head.ljust(size - 2, b".") + b'"}'
