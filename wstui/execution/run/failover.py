"""Reports lost and new hosts and lost workers, and redistributes lost load."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from wstui.execution.run.host_status import join_names
from wstui.fleet.fleet import WorkerFleet
from wstui.fleet.transport import FleetError, HostState
from wstui.load.protocol import Command
from wstui.measure.format import grouped

MOST_LOSSES = 3
"""A load that was lost this often is not redistributed automatically: the load itself may kill workers."""


class Failover:
    """Redistributes lost load when the operator asks for it, or automatically.

    `mark` adds a kind and a text to the timeline; `catch_up` returns the commands that bring a new worker to where
    the others are.
    """

    def __init__(
        self,
        fleet: WorkerFleet,
        mark: Callable[[str, str], None],
        catch_up: Callable[[], list[Command]],
        *,
        automatic: bool = False,
    ) -> None:
        self._fleet = fleet
        self._mark = mark
        self._catch_up = catch_up
        self._automatic = automatic
        self._told: set[str] = set()
        self._joined: dict[str, str] = {}  # why they can't be used
        self._losses: dict[int, int] = {}  # how often the load of a worker was lost before
        self._tried: set[int] = set()  # automatically
        self._tasks: set[asyncio.Task[None]] = set()

    def tell(self, worker: int, reason: str) -> str:
        """Return the mark of a loss, or "" if the loss of its host was told already."""
        host = next((host for host in self._fleet.hosts() if worker in host.workers), None)
        if host is None:
            return f"worker {worker} lost: {reason}{self._left_text([worker])}"
        if host.alive:
            return f"worker {worker} on {host.name} lost: {reason}{self._left_text([worker])}"
        if host.name in self._told:
            return ""
        self._told.add(host.name)
        workers = _workers(len(host.workers))
        return f"{host.name} lost: {host.reason}{self._left_text(host.workers, workers)}"

    def _left_text(self, lost: Sequence[int], workers: str = "") -> str:
        """Return what is gone and what is left, where that is anything."""
        gone = sum(self._fleet.totals.clients_lost(worker) for worker in lost)
        left = sum(
            snapshot.totals.counters.open
            for worker, snapshot in self._fleet.totals.latest().items()
            if self._fleet.totals.alive(worker) and worker not in lost
        )
        went = [workers] if workers else []
        went += [_clients(gone)] if gone else []
        texts = [f"{' and '.join(went)} gone"] if went else []
        texts += [f"{grouped(left) if left else 'none'} left"] if gone else []
        return f"; {', '.join(texts)}" if texts else ""

    # -- redistribution ----------------------------------------------------------------------------------------

    def redistribute(self) -> None:
        """Redistribute lost load at the operator's request."""
        if orphans := self._fleet.orphans():
            self._mark("operator", f"operator: redistribute the load of {_workers(len(orphans), 'lost ')}")
            self._begin(orphans)
        else:
            self._mark("operator", "operator: nothing to redistribute: no worker is lost")

    def advance(self) -> None:
        """Report new hosts; redistribute lost load if automatic."""
        for host in self._fleet.hosts():
            if host.alive and not host.workers and self._joined.get(host.name) != host.reason:
                again = " any more" if host.name in self._joined else ""
                self._joined[host.name] = host.reason
                if host.reason:
                    what = "take over load any more" if again else "join"
                    self._mark("worker", f"{host.name} can't {what}: {host.reason}")
                    continue
                self._tried.clear()
                self._mark("worker", f"{host.name} joined: it can take over lost load")
        if not self._automatic:
            return
        new = [worker for worker in self._fleet.orphans() if worker not in self._tried]
        self._tried.update(new)
        if hopeless := [worker for worker in new if self._losses.get(worker, 0) >= MOST_LOSSES]:
            self._mark("worker", f"{_workers(len(hopeless))} lost {MOST_LOSSES + 1} times: not redistributed again")
        if orphans := [worker for worker in new if worker not in hopeless]:
            self._mark("worker", f"redistributing the load of {_workers(len(orphans), 'lost ')}")
            self._begin(orphans)

    def _begin(self, orphans: list[int]) -> None:
        task = asyncio.create_task(self._replace(orphans))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _replace(self, orphans: list[int]) -> None:
        try:
            replacements = await self._fleet.replace(orphans, self._catch_up)
        except FleetError as error:
            self._mark("worker", f"the load can't be redistributed: {error}")
            return
        for new, worker in zip(replacements, orphans, strict=True):
            self._losses[new] = self._losses.get(worker, 0) + 1
        hosts: list[HostState] = [
            host for host in self._fleet.hosts() if any(new in host.workers for new in replacements)
        ]
        where = f" on {join_names([host.name for host in hosts])}" if hosts else ""
        self._mark("worker", f"{_workers(len(replacements), 'new ')}{where} took over")

    async def close(self) -> None:
        """Cancel redistributions: the run is about to end."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _clients(count: int) -> str:
    return f"{grouped(count)} client{'' if count == 1 else 's'}"


def _workers(count: int, which: str = "") -> str:
    return f"{count} {which}worker{'' if count == 1 else 's'}"
