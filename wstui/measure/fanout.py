"""Fan-out without trusting clocks: how completely, how often and how far apart broadcasts reach the clients.

A broadcast arrives as the same bytes at every subscriber. A worker notes each receipt and reports them when the
message's window closes (`Receipts`); the operator's side adds up the workers (`FanOut`), since the first receipt may
have been in another one.
"""

from __future__ import annotations

import array
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

import msgspec

from wstui.measure.histogram import UNIT_SHIFT, Distribution, Histogram

PATIENCE_NS = 2_000_000_000
"""How long a message waits for slower workers after the first report."""


class Receipts(msgspec.Struct, frozen=True, array_like=True):
    """The receipts of one message in one worker.

    `key` is a digest of its bytes; `first_ns` the first receipt on the monotonic clock of the host; `eligible` the
    clients that were open from then until the window closed, `receivers` those of them that got it,
    `receipts` all that did, `duplicates` further copies to the same client. `distances` are the distances of the
    receipts from `first_ns` in units of 64 ns, as 32-bit integers. `stamp_ms` is the server's own timestamp
    (epoch milliseconds), None without one; `epoch_ns` what to add to the monotonic clock for wall time.
    Without any receipts, the worker saw the message but cannot judge it.
    """

    key: bytes
    type: str
    first_ns: int
    eligible: int
    receivers: int
    receipts: int
    duplicates: int
    distances: bytes
    stamp_ms: float | None
    epoch_ns: int


@dataclass(slots=True)
class TypeFanOut:
    """The fan-out of one message type: messages, and receivers of `wanted` deliveries."""

    messages: int = 0
    wanted: int = 0
    received: int = 0
    duplicates: int = 0
    spread: Distribution = field(default_factory=Distribution)

    @property
    def completeness(self) -> float | None:
        """Return receivers ÷ clients open throughout (0…1), None before any broadcast."""
        return self.received / self.wanted if self.wanted else None


class ClockOffset:
    """The target's clock minus ours, from the timestamps in its replies.

    A reply written at server time s arrived after we sent at t0 and before we received at t3, so the offset lies
    in [s - t3, s - t0]; a stamp in whole milliseconds widens that by one on both sides. The true offset lies in
    every such interval, so their intersection narrows it (Marzullo 1984; NTP's clock filter, RFC 5905 §10, keeps
    the sample with the least delay for the same reason).
    """

    STAMP_NS = 1_000_000

    def __init__(self) -> None:
        self.low: float | None = None
        self.high: float | None = None

    def sample(self, low_ns: int, high_ns: int) -> None:
        """Add an interval that contains the offset, in ns. A contradicting one replaces the others."""
        if self.low is None or self.high is None or low_ns > self.high or high_ns < self.low:
            self.low, self.high = low_ns, high_ns
        else:
            self.low, self.high = max(self.low, low_ns), min(self.high, high_ns)

    @property
    def offset_ns(self) -> float | None:
        """Return the middle of the possible offsets, None without a sample."""
        return None if self.low is None or self.high is None else (self.low + self.high) / 2

    @property
    def uncertainty_ns(self) -> float | None:
        """Return half the width of the possible offsets."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


@dataclass(slots=True)
class _Open:
    since_ns: int
    first_ns: int  # on the operator's clock
    parts: dict[int, Receipts]


class FanOut:
    """All broadcasts of a run, added up over the workers of one host or of several.

    Clocks of different hosts are never compared: receipts count everywhere, but distances only within a host.
    `hosts` names the host of each remote worker.
    """

    def __init__(self) -> None:
        self.types: dict[str, TypeFanOut] = {}
        self.spread = Distribution()
        self.delivery = Distribution()
        self.hosts: dict[int, str] = {}
        self._clocks: dict[str, ClockOffset] = {}
        self._open: dict[bytes, _Open] = {}

    @property
    def clocks(self) -> list[ClockOffset]:
        """Return the target's clock offsets by host."""
        return list(self._clocks.values())

    @property
    def several_hosts(self) -> bool:
        """Return whether distances are measured within each host."""
        return len(set(self.hosts.values())) > 1

    def clock_of(self, worker: int) -> ClockOffset:
        """Return the target's clock offset on the host of a worker."""
        return self._clocks.setdefault(self.hosts.get(worker, ""), ClockOffset())

    def add(self, worker: int, receipts: Receipts, now_ns: int, first_ns: int | None = None) -> None:
        """Add the report of a worker. `first_ns`: its first receipt on our clock, if that differs."""
        first_ns = receipts.first_ns if first_ns is None else first_ns
        entry = self._open.get(receipts.key)
        if entry is None:
            entry = self._open[receipts.key] = _Open(now_ns, first_ns, {})
        entry.first_ns = min(entry.first_ns, first_ns)
        entry.parts[worker] = receipts

    def settle(
        self,
        now_ns: int,
        workers: Collection[int],
        open_since: Callable[[int, int], int],
        *,
        alone: bool = False,
        at_once: bool = False,
    ) -> None:
        """Conclude the messages that every one of `workers` has reported, or that have waited long enough.

        A worker without a report missed the message: `open_since` returns how many of its clients have been open
        since a time on our monotonic clock. `alone`: there has never been more than one client.
        """
        there = set(workers)
        done = [
            key
            for key, entry in self._open.items()
            if at_once or entry.parts.keys() >= there or now_ns - entry.since_ns > PATIENCE_NS
        ]
        for key in done:
            entry = self._open.pop(key)
            missed = sum(open_since(worker, entry.first_ns) for worker in there if worker not in entry.parts)
            self._conclude(entry.parts, missed, alone)

    def _conclude(self, seen: dict[int, Receipts], missed: int, alone: bool) -> None:
        parts = list(seen.values())
        receipts = sum(part.receipts for part in parts)
        wanted = sum(part.eligible for part in parts) + missed
        if not receipts:
            return  # cannot be judged
        if receipts - sum(part.duplicates for part in parts) < 2 and not alone:
            return  # meant for one client, who may be the last that is there
        received = sum(part.receivers for part in parts)
        if not received:
            return  # only those that had just come got it: a greeting, which reaches each in turn
        kind = self.types.setdefault(parts[0].type, TypeFanOut())
        kind.messages += 1
        kind.wanted += wanted
        kind.received += received
        kind.duplicates += sum(part.duplicates for part in parts)
        firsts: dict[str, int] = {}
        for worker, part in seen.items():
            host = self.hosts.get(worker, "")
            firsts[host] = min(firsts.get(host, part.first_ns), part.first_ns)
        for worker, part in seen.items():
            shift = part.first_ns - firsts[self.hosts.get(worker, "")]
            distances = array.array("I")
            distances.frombytes(part.distances)
            spread = Histogram()
            for units in distances:
                spread.record((units << UNIT_SHIFT) + shift)
            distribution = spread.data()
            kind.spread += distribution
            self.spread += distribution
            if part.stamp_ms is not None:
                offset = self.clock_of(worker).offset_ns or 0.0
                base = int(part.first_ns + part.epoch_ns + offset - part.stamp_ms * 1e6)
                delivery = Histogram()
                for units in distances:
                    delivery.record(base + (units << UNIT_SHIFT))
                self.delivery += delivery.data()

    @property
    def messages(self) -> int:
        """Return the number of distinct broadcasts."""
        return sum(kind.messages for kind in self.types.values())

    @property
    def duplicates(self) -> int:
        """Return the copies beyond one per client."""
        return sum(kind.duplicates for kind in self.types.values())

    @property
    def completeness(self) -> float | None:
        """Return receivers ÷ clients open throughout over all messages, None without any."""
        return share(self.types.values())


def share(types: Iterable[TypeFanOut]) -> float | None:
    """Return the completeness of several types together."""
    wanted = received = 0
    for kind in types:
        wanted += kind.wanted
        received += kind.received
    return received / wanted if wanted else None
