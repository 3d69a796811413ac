"""The open model: clients arrive at a rate of their own, stay for a while, and leave, however the target fares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from wstui.load.protocol import Arrive
from wstui.load.ramp import ArrivalLine, share
from wstui.load.timer_wheel import TimerWheel

if TYPE_CHECKING:
    from wstui.load.client import Client
    from wstui.load.protocol import Spec

VISITORS_FROM = 10_000_000
"""The number of the first client that arrives: those of a ramp count from 0 and are fewer."""


class _Batch:
    """The arrivals of one stage."""

    __slots__ = ("first", "line", "started", "stay_ns")

    def __init__(self, line: ArrivalLine, first: int, stay_ns: int) -> None:
        self.line = line
        self.first = first
        self.stay_ns = stay_ns
        self.started = 0


class Arrivals:
    """Who arrives and who leaves in one worker. Times are those of the schedule's clock, which pauses stop."""

    def __init__(self, spec: Spec) -> None:
        self._worker, self._workers = spec.worker, spec.workers
        self._batches: list[_Batch] = []
        self._departures: TimerWheel[Client] = TimerWheel()

    def arrive(self, command: Arrive, clock: int) -> None:
        """Let the arrivals of a stage begin. Those of the stage before it still come when they are late, not if cut."""
        if command.cut:
            for batch in self._batches:
                batch.line = batch.line.cut(clock)
        if command.per_second > 0:
            line = ArrivalLine(clock, command.per_second, command.over_ns)
            self._batches.append(_Batch(line, command.first, command.stay_ns))

    def next(self, clock: int) -> tuple[int, int] | None:
        """Number and stay (ns) of a visitor who should have arrived by now and has not; it counts as arrived."""
        for batch in self._batches:
            if batch.started < share(batch.line.arrived(clock), self._worker, self._workers):
                ordinal = self._worker + batch.started * self._workers
                batch.started += 1
                return VISITORS_FROM + batch.first + ordinal, batch.stay_ns
        return None

    def behind(self, clock: int) -> int:
        """How many visitors of this worker should have arrived by now and have not."""
        return sum(share(b.line.arrived(clock), self._worker, self._workers) - b.started for b in self._batches)

    def wanted(self, clock: int) -> int:
        """How many visitors of this worker are here now by plan: arrived, and their stay not over."""
        found = 0
        over = []
        for batch in self._batches:
            arrived = share(batch.line.arrived(clock), self._worker, self._workers)
            gone = share(batch.line.arrived(clock - batch.stay_ns), self._worker, self._workers)
            found += arrived - gone
            if arrived == gone == batch.started and batch.line.done(clock):
                over.append(batch)
        for batch in over:
            self._batches.remove(batch)
        return found

    @property
    def expected(self) -> bool:
        """Whether visitors may still come or are on their way out."""
        return bool(self._batches) or self._departures.next_ns() is not None

    def stays(self, client: Client, clock: int) -> None:
        """A visitor is ready: its stay begins, or goes on when it has come back."""
        if not client.leaves_ns:
            client.leaves_ns = clock + client.stay_ns
        self._departures.add(client.leaves_ns, client)

    def leaving(self, clock: int) -> Iterator[Client]:
        """Every visitor whose stay is over."""
        while (taken := self._departures.take(clock)) is not None:
            yield from taken[1]
