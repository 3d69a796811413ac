"""The open model: clients arrive at a given rate, stay for a while, and leave, whatever the target does."""

from __future__ import annotations

from collections.abc import Iterator

from wstui.load.client import LoadClient
from wstui.load.protocol import Arrive
from wstui.load.ramp import ArrivalLine, share
from wstui.load.timer_wheel import TimerWheel

ARRIVALS_FROM = 10_000_000
"""The number of the first client that arrives: those of a ramp count from 0 and are fewer."""


class _Batch:
    __slots__ = ("first", "line", "started", "stay_ns")

    def __init__(self, line: ArrivalLine, first: int, stay_ns: int) -> None:
        self.line = line
        self.first = first
        self.stay_ns = stay_ns
        self.started = 0


class Arrivals:
    """The clients that arrive and leave in one worker. Times are those of the schedule's clock, which a pause stops."""

    def __init__(self, worker: int, workers: int) -> None:
        self._worker, self._workers = worker, workers
        self._batches: list[_Batch] = []
        self._departures: TimerWheel[LoadClient] = TimerWheel()

    def arrive(self, command: Arrive, clock: int) -> None:
        """Begin the arrivals of a stage. Late ones of the stage before still come, unless `cut` ends them."""
        if command.cut:
            for batch in self._batches:
                batch.line = batch.line.cut(clock)
        if command.per_second > 0:
            line = ArrivalLine(clock, command.per_second, command.over_ns)
            self._batches.append(_Batch(line, command.first, command.stay_ns))

    def pop_due(self, clock: int) -> tuple[int, int] | None:
        """Return number and stay (ns) of a client that is due to arrive, and count it as arrived."""
        for batch in self._batches:
            if batch.started < self._share(batch.line.arrived(clock)):
                ordinal = self._worker + batch.started * self._workers
                batch.started += 1
                return ARRIVALS_FROM + batch.first + ordinal, batch.stay_ns
        return None

    def _share(self, total: int) -> int:
        return share(total, self._worker, self._workers)

    def behind(self, clock: int) -> int:
        """Return how many clients of this worker should have arrived by now and have not."""
        return sum(self._share(batch.line.arrived(clock)) - batch.started for batch in self._batches)

    def wanted(self, clock: int) -> int:
        """Return how many clients of this worker the plan has here now: arrived, with their stay not over."""
        found = 0
        over = []
        for batch in self._batches:
            arrived = self._share(batch.line.arrived(clock))
            gone = self._share(batch.line.arrived(clock - batch.stay_ns))
            found += arrived - gone
            if arrived == gone == batch.started and batch.line.done(clock):
                over.append(batch)
        for batch in over:
            self._batches.remove(batch)
        return found

    @property
    def expected(self) -> bool:
        """Return whether clients may still arrive or are due to leave."""
        return bool(self._batches) or self._departures.next_ns() is not None

    def schedule_leave(self, client: LoadClient, clock: int) -> None:
        """Begin the stay of a client that is ready, or continue it after a reconnect."""
        if not client.leaves_ns:
            client.leaves_ns = clock + client.stay_ns
        self._departures.add(client.leaves_ns, client)

    def pop_leaving(self, clock: int) -> Iterator[LoadClient]:
        """Yield every client whose stay is over."""
        while (taken := self._departures.take(clock)) is not None:
            yield from taken[1]
