"""The latest snapshots of all workers, and their sums."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from wstui.load.lease import OwnClock
from wstui.measure.failure import FailureGroup, merge_failures
from wstui.measure.fanout import FanOut
from wstui.measure.snapshot import Admitted, Counters, Health, Snapshot, Totals

OPENS_KEPT = 500


@dataclass(slots=True)
class Peak:
    """The highest values of a worker: open clients, share of a core, loop delay."""

    clients: int = 0
    cpu: float = 0.0
    loop_lag_ns: int = 0


class FleetTotals:
    """Keeps the latest snapshot of every worker. A lost worker keeps its counts; its clients are gone."""

    def __init__(self, mask: Callable[[str], str] = str, clock: OwnClock | None = None) -> None:
        """`mask` hides secrets in text of the target, which enters here; `clock` measures the silence of workers."""
        self.mask = mask
        self._clock = clock or OwnClock()
        self.lost: dict[int, str] = {}  # and why
        self.fanout = FanOut()
        self.sent_at_ns = 0  # the run's clock at the last snapshot with new sends
        self.missed = 0  # lost snapshots; the next ones made up for them
        self.peaks: dict[int, Peak] = {}
        self._latest: dict[int, Snapshot] = {}
        self._last_message: dict[int, tuple[float, float]] = {}  # by the monotonic and by our own clock
        self._opens: dict[int, deque[tuple[int, int]]] = {}  # local time and open clients of each snapshot
        self._health: dict[int, list[Health]] = {}  # since `take_health`

    def take(self, worker: int, snapshot: Snapshot) -> None:
        """Take a snapshot. Snapshots are cumulative, so an overtaken one is dropped."""
        before = self._latest.get(worker)
        if before is not None and snapshot.sequence < before.sequence:
            return
        self.missed += max(0, snapshot.sequence - before.sequence - 1) if before is not None else 0
        if snapshot.totals.counters.sent > (0 if before is None else before.totals.counters.sent):
            self.sent_at_ns = max(self.sent_at_ns, snapshot.totals.at_ns)
        self._latest[worker] = snapshot
        opens = self._opens.setdefault(worker, deque(maxlen=OPENS_KEPT))
        opens.append((time.monotonic_ns(), snapshot.totals.counters.open))
        self._health.setdefault(worker, []).append(snapshot.health)
        peak, health = self.peaks.setdefault(worker, Peak()), snapshot.health
        peak.clients = max(peak.clients, snapshot.totals.counters.open)
        peak.cpu, peak.loop_lag_ns = max(peak.cpu, health.cpu), max(peak.loop_lag_ns, health.loop_lag_ns)

    def open_since(self, worker: int, since_ns: int) -> int:
        """Return how many clients of a worker have been open since then, or 0 if its snapshots are too recent."""
        least = 0
        for at_ns, count in reversed(self._opens[worker]):
            least = min(least or count, count)
            if at_ns <= since_ns or not count:
                return least
        return 0

    def alive(self, worker: int) -> bool:
        return worker not in self.lost

    def latest(self) -> dict[int, Snapshot]:
        """Return the last snapshot of each worker, including lost ones."""
        return self._latest

    def take_health(self) -> list[Health]:
        """Return the health of each worker since the last call: mean CPU, longest lag, all else as of now."""
        found = []
        for worker, seen in self._health.items():
            if seen and self.alive(worker):
                cpu, lag_ns = sum(h.cpu for h in seen) / len(seen), max(h.loop_lag_ns for h in seen)
                found.append(msgspec.structs.replace(seen[-1], cpu=cpu, loop_lag_ns=lag_ns))
            seen.clear()
        return found

    def lose(self, worker: int, reason: str) -> str:
        """Note that a worker is lost; return the reason without secrets."""
        self.lost[worker] = self.mask(reason)
        return self.lost[worker]

    def heard(self, worker: int) -> None:
        """Note that a worker sent a message."""
        self._last_message[worker] = time.monotonic(), self._clock.now()

    def reached(self, worker: int, at_ns: int) -> bool:
        """Whether a worker has reported up to `at_ns` of the run's clock."""
        return worker in self._latest and self._latest[worker].totals.at_ns >= at_ns

    def age_s(self, worker: int) -> float:
        """Return the seconds since the last message of a worker."""
        return time.monotonic() - self._last_message[worker][0] if worker in self._last_message else 0.0

    def silent_s(self, worker: int) -> float:
        """Return for how long this process has listened since then in vain."""
        return self._clock.now() - self._last_message[worker][1] if worker in self._last_message else 0.0

    # -- added up ----------------------------------------------------------------------------------------------

    def counters(self) -> Counters:
        """Return the sum of all workers' counters."""
        return Counters.add_all(
            _after_loss(snapshot.totals.counters, self.in_flight_lost(worker))
            if worker in self.lost
            else snapshot.totals.counters
            for worker, snapshot in self._latest.items()
        )

    def types(self) -> dict[str, int]:
        """Return received messages by type, most frequent first."""
        return _added(self.mask, *(snapshot.types for snapshot in self._latest.values()))

    def slow_endings(self) -> dict[str, int]:
        """Return how the target closed slow readers, most frequent first."""
        return _added(self.mask, *(snapshot.slow_endings for snapshot in self._latest.values()))

    def addresses(self) -> dict[str, int]:
        """Return connections by target address, if the scenario spreads them."""
        return _added(str, *(snapshot.addresses for snapshot in self._latest.values()))

    def admitted(self) -> dict[str, Admitted]:
        """Return the outcome of attempts by kind of token; empty unless the scenario mixes kinds."""
        total: dict[str, Admitted] = {}
        for snapshot in self._latest.values():
            for kind, seen in snapshot.admitted.items():
                row = total.setdefault(kind, Admitted())
                for name in Admitted.__struct_fields__:
                    setattr(row, name, getattr(row, name) + getattr(seen, name))
        return total

    def failures(self) -> list[FailureGroup]:
        """Return the failures of all workers, and one for each lost worker."""
        logs = [[_masked(self.mask, group) for group in snapshot.failures] for snapshot in self._latest.values()]
        for worker, reason in self.lost.items():
            snapshot = self._latest.get(worker)
            at = snapshot.totals.at_ns if snapshot else 0
            gone = _counted(self.clients_lost(worker), "client", "gone")
            in_flight = _counted(self.in_flight_lost(worker), "message", "in flight")
            text = "; ".join(filter(None, (f"worker {worker} {reason}", ", ".join(filter(None, (gone, in_flight))))))
            logs.append([FailureGroup("worker lost", text, 1, at, at, True)])
        return merge_failures(logs)

    def clients_lost(self, worker: int) -> int:
        """Return how many clients were open or opening in the last snapshot of a worker."""
        snapshot = self._latest.get(worker)
        return snapshot.totals.counters.open + snapshot.totals.counters.opening if snapshot else 0

    def in_flight_lost(self, worker: int) -> int:
        """Return how many messages awaited their reply in the last snapshot of a worker."""
        snapshot = self._latest.get(worker)
        return max(0, snapshot.totals.counters.in_flight) if snapshot else 0

    def sum(self) -> Totals:
        added = Totals.add_all([snapshot.totals for snapshot in self._latest.values()])
        return msgspec.structs.replace(added, counters=self.counters())


def _counted(count: int, what: str, how: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'} {how}" if count else ""


def _added(mask: Callable[[str], str], *parts: dict[str, int]) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in parts:
        for name, count in part.items():
            shown = mask(name)
            total[shown] = total.get(shown, 0) + count
    return dict(sorted(total.items(), key=lambda item: -item[1]))


def _masked(mask: Callable[[str], str], group: FailureGroup) -> FailureGroup:
    samples = [msgspec.structs.replace(sample, detail=mask(sample.detail)) for sample in group.samples]
    return msgspec.structs.replace(group, kind=mask(group.kind), message=mask(group.message), samples=samples)


def _after_loss(counters: Counters, in_flight: int) -> Counters:
    """Return the counters of a lost worker: open connections closed by us, attempts failed, messages abandoned."""
    return msgspec.structs.replace(
        counters,
        wanted=0,
        open=0,
        opening=0,
        closing=0,
        reconnecting=0,
        failed=counters.failed + counters.opening,
        closed=counters.closed + counters.open,
        abandoned=counters.abandoned + in_flight,
    )
