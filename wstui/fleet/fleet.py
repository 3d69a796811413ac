"""All shards as one: commands go to each, what they say is added up."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from wstui.fleet.transport import FleetError, Lost, Transport
from wstui.load.command import Command, Finished, Heard, Heartbeat, Joined, Spec, decode_message, encode
from wstui.measure.failure import FailureGroup, merge_failures
from wstui.measure.fanout import FanOut
from wstui.measure.histogram import Histogram
from wstui.measure.snapshot import Admitted, Counters, Health, Snapshot

HEARTBEAT_S = 0.5
OPENS_KEPT = 500
START_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Sum:
    """What the whole fleet has counted up to `at_ns`: cumulative, histograms in nanoseconds."""

    at_ns: int
    counters: Counters
    connect: Histogram
    response: Histogram
    round_trip: Histogram
    send_delay: Histogram
    reconnect: Histogram

    @classmethod
    def nothing(cls) -> Sum:
        """The state before anything was counted."""
        return cls(0, Counters(), *(Histogram() for _ in range(5)))

    def since(self, earlier: Sum) -> Sum:
        """What was counted after `earlier`, an older state of the same fleet."""
        return Sum(
            self.at_ns,
            self.counters - earlier.counters,
            self.connect.since(earlier.connect),
            self.response.since(earlier.response),
            self.round_trip.since(earlier.round_trip),
            self.send_delay.since(earlier.send_delay),
            self.reconnect.since(earlier.reconnect),
        )

    def plus(self, other: Sum) -> Sum:
        """Two stretches of a run taken together."""
        both = Sum(max(self.at_ns, other.at_ns), self.counters + other.counters, *(Histogram() for _ in range(5)))
        for part in (self, other):
            both.connect.add(part.connect)
            both.response.add(part.response)
            both.round_trip.add(part.round_trip)
            both.send_delay.add(part.send_delay)
            both.reconnect.add(part.reconnect)
        return both


class Fleet:
    """Shards on a transport. A shard that is lost keeps what it had counted; its clients are gone."""

    def __init__(self, transport: Transport, specs: list[Spec], on_lost: Callable[[int, str], None]) -> None:
        self._transport = transport
        self._specs = specs
        self._on_lost = on_lost
        self._joined: dict[int, Joined] = {}
        self._latest: dict[int, Snapshot] = {}
        self._heard: dict[int, float] = {}
        self._opens: dict[int, deque[tuple[int, int]]] = {}  # when it said how many clients it has
        self._conditions: dict[int, list[Health]] = {}  # since they were last looked at
        self._finished: set[int] = set()
        self._gone: set[int] = set()
        self.lost: dict[int, str] = {}
        self.fanout = FanOut()
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start every shard and wait until each has understood its specification. Raises FleetError."""
        await self._transport.start(self._specs)
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._beat())]
        deadline = time.monotonic() + START_TIMEOUT_S
        while len(self._joined) < len(self._specs):
            if self._gone:
                reason = next(iter(self.lost.values()), "ended at once")
                raise FleetError(f"a load process did not start: {reason}")
            left = deadline - time.monotonic()
            if left <= 0:
                raise FleetError(f"the load processes did not start within {START_TIMEOUT_S:g} s")
            await self._wait(left)

    async def _wait(self, timeout_s: float) -> None:
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), timeout_s)

    def send(self, command: Command) -> None:
        """Give a command to every shard."""
        message = encode(command)
        for spec in self._specs:
            if spec.shard not in self._gone:
                self._transport.send(spec.shard, message)

    async def ended(self, timeout_s: float) -> bool:
        """Wait until every shard has said its last word or is gone."""
        deadline = time.monotonic() + timeout_s
        while len(self._finished | self._gone) < len(self._specs):
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            await self._wait(left)
        return True

    async def close(self) -> None:
        """End every shard that is still there, and this side's tasks."""
        await self._transport.close(2.0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _listen(self) -> None:
        async for event in self._transport.events():
            if isinstance(event, Lost):
                self._gone.add(event.shard)
                if event.shard not in self._finished:
                    self.lost[event.shard] = event.reason or "ended before it was told to"
                    self._on_lost(event.shard, self.lost[event.shard])
            else:
                self._heard[event.shard] = time.monotonic()
                match decode_message(event.message):
                    case Joined() as joined:
                        self._joined[event.shard] = joined
                    case Snapshot() as snapshot:
                        self._latest[event.shard] = snapshot
                        opens = self._opens.setdefault(event.shard, deque(maxlen=OPENS_KEPT))
                        opens.append((time.monotonic_ns(), snapshot.counters.open))
                        self._conditions.setdefault(event.shard, []).append(snapshot.health)
                    case Heard() as heard:
                        self._hear(heard)
                    case Finished(shard):
                        self._finished.add(shard)
            self._changed.set()

    def _hear(self, heard: Heard) -> None:
        if heard.clock is not None:
            self.fanout.clock.sample(*heard.clock)
        for receipts in heard.broadcasts:
            self.fanout.add(heard.shard, receipts, time.monotonic_ns())

    def settle_broadcasts(self, *, at_once: bool = False) -> None:
        """Conclude the broadcasts of which every shard that could hear them has spoken."""
        there = [
            shard for shard, snapshot in self._latest.items() if shard not in self._gone and snapshot.counters.open
        ]
        self.fanout.settle(time.monotonic_ns(), there, self._open_since, at_once=at_once)

    def _open_since(self, shard: int, since_ns: int) -> int:
        """How many clients of a shard have been open ever since; 0 when its word does not reach back that far."""
        least = 0
        for at_ns, count in reversed(self._opens[shard]):
            least = min(least or count, count)
            if at_ns <= since_ns or not count:
                return least
        return 0

    async def _beat(self) -> None:
        while True:
            self.send(Heartbeat())
            await asyncio.sleep(HEARTBEAT_S)

    # -- what was said -----------------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """How many shards there were to begin with."""
        return len(self._specs)

    def reached(self, at_ns: int) -> bool:
        """Whether every shard that is still there has reported on the run up to `at_ns`."""
        there = [spec.shard for spec in self._specs if spec.shard not in self._gone]
        return all(shard in self._latest and self._latest[shard].at_ns >= at_ns for shard in there)

    def alive(self, shard: int) -> bool:
        """Whether a shard is still there."""
        return shard not in self.lost

    def latest(self) -> dict[int, Snapshot]:
        """The last snapshot of each shard, those that are gone included."""
        return self._latest

    def take_health(self) -> list[Health]:
        """How each shard that is there fared since the last call: mean CPU, longest lag, all else as it is now."""
        found = []
        for shard, seen in self._conditions.items():
            if seen and self.alive(shard):
                cpu, lag_ns = sum(h.cpu for h in seen) / len(seen), max(h.loop_lag_ns for h in seen)
                found.append(msgspec.structs.replace(seen[-1], cpu=cpu, loop_lag_ns=lag_ns))
            seen.clear()
        return found

    def age_s(self, shard: int) -> float:
        """Seconds since a shard was last heard."""
        return time.monotonic() - self._heard[shard] if shard in self._heard else 0.0

    def counters(self) -> Counters:
        """The counters of all shards added up."""
        total = Counters()
        for shard, snapshot in self._latest.items():
            counters = snapshot.counters
            if shard in self.lost:
                counters = _bereaved(counters)
            total = total + counters
        return total

    def types(self) -> dict[str, int]:
        """Messages received by type, most frequent first."""
        return _added(snapshot.types for snapshot in self._latest.values())

    def slow_endings(self) -> dict[str, int]:
        """How the other side ended clients that did not read, most frequent first."""
        return _added(snapshot.slow_endings for snapshot in self._latest.values())

    def admitted(self) -> dict[str, Admitted]:
        """How the attempts with each kind of token fared; empty where a scenario does not mix kinds."""
        total: dict[str, Admitted] = {}
        for snapshot in self._latest.values():
            for kind, seen in snapshot.admitted.items():
                row = total.setdefault(kind, Admitted())
                for name in Admitted.__struct_fields__:
                    setattr(row, name, getattr(row, name) + getattr(seen, name))
        return total

    def failures(self) -> list[FailureGroup]:
        """The failures of all shards, and one for each shard that was lost."""
        logs = [snapshot.failures for snapshot in self._latest.values()]
        for shard, reason in self.lost.items():
            snapshot = self._latest.get(shard)
            at = snapshot.at_ns if snapshot else 0
            clients = snapshot.counters.open + snapshot.counters.opening if snapshot else 0
            logs.append(
                [FailureGroup("shard lost", f"shard {shard} {reason}; {clients} clients gone", 1, at, at, True)]
            )
        return merge_failures(logs)

    def sum(self) -> Sum:
        """Counters and histograms of all shards added up."""
        histograms = [Histogram() for _ in range(5)]
        at = 0
        for snapshot in self._latest.values():
            at = max(at, snapshot.at_ns)
            for histogram, data in zip(
                histograms,
                (snapshot.connect, snapshot.response, snapshot.round_trip, snapshot.send_delay, snapshot.reconnect),
                strict=True,
            ):
                histogram.add(data)
        return Sum(at, self.counters(), *histograms)


def _added(parts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in parts:
        for name, count in part.items():
            total[name] = total.get(name, 0) + count
    return dict(sorted(total.items(), key=lambda item: -item[1]))


def _bereaved(counters: Counters) -> Counters:
    """What a lost shard had counted, its open connections now closed by our side, its attempts failed."""
    return msgspec.structs.replace(
        counters,
        wanted=0,
        open=0,
        opening=0,
        closing=0,
        away=0,
        failed=counters.failed + counters.opening,
        closed=counters.closed + counters.open,
    )
