"""Lost workers and machines: what is told of them, and who takes over their load."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from wstui.execution.run.host_status import named
from wstui.fleet.fleet import Fleet
from wstui.fleet.transport import FleetError, HostState
from wstui.load.protocol import Command
from wstui.scenario.units import grouped

MOST_TURNS = 3
"""A load that is lost this often is not given to another process by itself: what ended those may be the load."""


class Failover:
    """What is lost stays lost until the operator asks, or has asked beforehand (`by_itself`).

    `mark` notes a kind and a text on the timeline; `catch_up` gives the commands that lead a worker that has just
    begun to where the others are.
    """

    def __init__(
        self,
        fleet: Fleet,
        mark: Callable[[str, str], None],
        catch_up: Callable[[], list[Command]],
        *,
        by_itself: bool = False,
    ) -> None:
        self._fleet = fleet
        self._mark = mark
        self._catch_up = catch_up
        self._by_itself = by_itself
        self._told: set[str] = set()
        self._turns: dict[int, int] = {}  # how often the load of a worker was lost before
        self._tried: set[int] = set()  # by itself
        self._taking_over: set[asyncio.Task[None]] = set()

    def tell(self, worker: int, reason: str) -> str:
        """What to mark on the timeline, "" when it was told already: a machine is lost once, with all it had."""
        host = next((host for host in self._fleet.hosts() if worker in host.workers), None)
        if host is None:
            return f"worker {worker} lost: {reason}; {self._what_is_left([worker])}"
        if host.alive:
            return f"worker {worker} on {host.name} lost: {reason}; {self._what_is_left([worker])}"
        if host.name in self._told:
            return ""
        self._told.add(host.name)
        processes = "worker" if len(host.workers) == 1 else "workers"
        return (
            f"{host.name} lost: {host.reason}; {len(host.workers)} {processes} and {self._what_is_left(host.workers)}"
        )

    def _what_is_left(self, lost: Sequence[int]) -> str:
        gone = sum(self._fleet.totals.clients_lost(worker) for worker in lost)
        left = sum(
            snapshot.totals.counters.open
            for worker, snapshot in self._fleet.totals.latest().items()
            if self._fleet.totals.alive(worker) and worker not in lost
        )
        return f"{grouped(gone)} clients gone, {grouped(left)} left"

    # -- who takes over ----------------------------------------------------------------------------------------

    def redistribute(self) -> None:
        """The operator asks for it."""
        if orphans := self._fleet.orphans():
            self._mark("operator", f"operator: redistribute the load of {_processes(len(orphans), 'lost ')}")
            self._begin(orphans)
        else:
            self._mark("operator", "operator: redistribute not done, no worker is lost")

    def advance(self) -> None:
        """Do what was asked for beforehand."""
        if not self._by_itself:
            return
        new = [worker for worker in self._fleet.orphans() if worker not in self._tried]
        self._tried.update(new)
        if hopeless := [worker for worker in new if self._turns.get(worker, 0) >= MOST_TURNS]:
            self._mark("worker", f"{_processes(len(hopeless))} lost {MOST_TURNS + 1} times: not redistributed again")
        if orphans := [worker for worker in new if worker not in hopeless]:
            self._mark("worker", f"redistributing the load of {_processes(len(orphans), 'lost ')}")
            self._begin(orphans)

    def _begin(self, orphans: list[int]) -> None:
        task = asyncio.create_task(self._take_over(orphans))
        self._taking_over.add(task)
        task.add_done_callback(self._taking_over.discard)

    async def _take_over(self, orphans: list[int]) -> None:
        try:
            heirs = await self._fleet.replace(orphans, self._catch_up)
        except FleetError as error:
            self._mark("worker", f"the load can't be redistributed: {error}")
            return
        for heir, worker in zip(heirs, orphans, strict=True):
            self._turns[heir] = self._turns.get(worker, 0) + 1
        hosts: list[HostState] = [host for host in self._fleet.hosts() if any(heir in host.workers for heir in heirs)]
        where = f" on {named([host.name for host in hosts])}" if hosts else ""
        self._mark("worker", f"{_processes(len(heirs), 'new ')}{where} took over")

    async def close(self) -> None:
        """Nobody takes over any more: the run is about to end."""
        for task in self._taking_over:
            task.cancel()
        await asyncio.gather(*self._taking_over, return_exceptions=True)


def _processes(count: int, which: str = "") -> str:
    return f"{count} {which}worker{'' if count == 1 else 's'}"
