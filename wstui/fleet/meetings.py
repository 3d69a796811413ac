"""Counts the clients of all workers that wait for each other, and decides who goes on. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from wstui.load.protocol import ReleaseMeetings, Waiting


class MeetingRelay:
    """Each worker's reported count, less what it was let go since."""

    def __init__(self) -> None:
        self._waiting: dict[bytes, dict[int, int]] = {}  # clients by worker, by name
        self._needed: dict[bytes, int] = {}
        self._unhandled: dict[int, list[ReleaseMeetings]] = {}  # by worker, what it may not have handled yet
        self._numbers: dict[int, int] = {}
        self._planned = 0

    def take(self, report: Waiting) -> None:
        self._unhandled[report.worker] = [
            meet for meet in self._unhandled.get(report.worker, ()) if meet.number > report.handled
        ]
        self._planned = report.planned
        for name, (count, needed) in report.names.items():
            self._waiting.setdefault(name, {})[report.worker] = count
            self._needed[name] = needed or self._needed.get(name, 0)
            if not any(self._waiting[name].values()):
                del self._waiting[name], self._needed[name]

    def lose(self, worker: int) -> None:
        """A worker is lost: its clients come to no meeting."""
        self._unhandled.pop(worker, None)
        for waiting in self._waiting.values():
            waiting.pop(worker, None)

    def due(self, ready: int) -> Mapping[int, ReleaseMeetings]:
        """Return whom each worker lets go on now that `ready` clients are ready."""
        orders: dict[int, dict[bytes, int]] = {}
        for name, reported in self._waiting.items():
            waiting = {worker: count - self._under_way(worker, name) for worker, count in reported.items()}
            total = sum(count for count in waiting.values() if count > 0)
            needed = self._needed[name]
            left = total // needed * needed if needed else total if ready >= self._planned else 0
            for worker, count in waiting.items():
                if (share := min(count, left)) > 0:
                    orders.setdefault(worker, {})[name] = share
                    left -= share
        made = {}
        for worker, names in orders.items():
            self._numbers[worker] = number = self._numbers.get(worker, 0) + 1
            made[worker] = meet = ReleaseMeetings(number, names)
            self._unhandled.setdefault(worker, []).append(meet)
        return made

    def _under_way(self, worker: int, name: bytes) -> int:
        return sum(meet.names.get(name, 0) for meet in self._unhandled.get(worker, ()))

    @property
    def waits_for_all(self) -> bool:
        """Whether clients wait until all are ready."""
        return any(not self._needed[name] for name in self._waiting)
