"""All workers as one: commands go to each, what they say is added up."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from wstui.fleet.totals import Books
from wstui.fleet.transport import FleetError, HostState, Lost, MessageReceived, Transport
from wstui.load.protocol import (
    Abort,
    BroadcastReport,
    Command,
    Finished,
    Go,
    Heartbeat,
    Spec,
    WorkerReady,
    decode_message,
    encode,
)
from wstui.measure.snapshot import Snapshot

HEARTBEAT_S = 0.5
START_TIMEOUT_S = 60.0
SURELY_GONE_S = 8.0
"""A worker of which nothing was heard for this long has left: its lease of 3 s has run out, and its drain too."""


class Fleet(Books):
    """Workers on a transport. `on_lost` is called with a worker, the reason, and when it was (ns, monotonic clock)."""

    def __init__(
        self,
        transport: Transport,
        on_lost: Callable[[int, str, int], None],
        mask: Callable[[str], str] = str,
    ) -> None:
        super().__init__(mask)
        self._transport = transport
        self._on_lost = on_lost
        self._specs: dict[int, Spec] = {}
        self._numbers = 0  # given so far
        self._members: list[int] = []  # who hears commands
        self._joined: dict[int, WorkerReady] = {}
        self._finished: set[int] = set()
        self._gone: set[int] = set()
        self._replaced: set[int] = set()
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def room(self, workers: int) -> int:
        """How many workers there should be, when `workers` are wanted on each machine. Raises FleetError."""
        return await self._transport.room(workers)

    async def start(self, specs: Sequence[Spec]) -> None:
        """Start every worker and wait until each has understood its specification. Raises FleetError."""
        members = {spec.worker: spec for spec in specs}
        self._specs |= members
        self._numbers = len(members)
        self._tasks = [asyncio.create_task(self._listen())]
        await self._transport.start(members)
        self._members.extend(members)
        self._place()
        self._tasks.append(asyncio.create_task(self._beat()))
        await self._join(list(members))

    async def _join(self, members: Sequence[int]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not all(member in self._joined for member in members):
            if gone := [member for member in members if member in self._gone]:
                raise FleetError(f"a worker did not start: {self.lost.get(gone[0], 'ended at once')}")
            left = deadline - time.monotonic()
            if left <= 0:
                raise FleetError(f"the workers did not start within {START_TIMEOUT_S:g} s")
            await self._wait(left)

    def _place(self) -> None:
        self.fanout.hosts = {worker: host.name for host in self._transport.hosts() for worker in host.workers}

    async def _wait(self, timeout_s: float) -> None:
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), timeout_s)

    def send(self, command: Command) -> None:
        """Give a command to every worker."""
        self._send(command, self._members)

    def _send(self, command: Command, members: Sequence[int]) -> None:
        message = encode(command)
        for member in members:
            if member not in self._gone:
                self._transport.send(member, message)

    async def ended(self, timeout_s: float) -> bool:
        """Wait until every worker has said its last word or is gone."""
        deadline = time.monotonic() + timeout_s
        while not all(member in self._finished or member in self._gone for member in self._members):
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            await self._wait(left)
        return True

    async def close(self) -> None:
        """End every worker that is still there, and this side's tasks."""
        await self._transport.close(2.0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _beat(self) -> None:
        while True:
            self._send(Heartbeat(), list(self._specs))
            await asyncio.sleep(HEARTBEAT_S)

    # -- what they say -----------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        async for event in self._transport.events():
            if isinstance(event, MessageReceived):
                self._hear(event)
            else:
                self._lose(event)
            self._changed.set()

    def _lose(self, event: Lost) -> None:
        if event.worker in self._gone or event.worker not in self._specs:
            return
        self._gone.add(event.worker)
        if event.worker not in self._finished:
            self.lost[event.worker] = self._mask(event.reason or "ended before it was told to")
            if event.worker in self._members:
                self._on_lost(event.worker, self.lost[event.worker], event.at_ns or time.monotonic_ns())

    def _hear(self, event: MessageReceived) -> None:
        worker = event.worker
        if worker not in self._specs:  # it was to take over, and was given up
            return
        self._heard[worker] = time.monotonic()
        match decode_message(event.message):
            case WorkerReady() as joined:
                self._joined[worker] = joined
            case Snapshot() as snapshot:
                self.take(worker, snapshot)
            case BroadcastReport() as heard:
                self._hear_broadcasts(worker, heard)
            case Finished():
                self._finished.add(worker)

    def _hear_broadcasts(self, worker: int, heard: BroadcastReport) -> None:
        now_ns = time.monotonic_ns()
        if heard.clock is not None:
            self.fanout.clock_of(worker).sample(*heard.clock)
        far = worker in self.fanout.hosts
        for receipts in heard.broadcasts:
            # How long ago it was is the same on every clock.
            first_ns = now_ns - (heard.at_ns - receipts.first_ns) if far else None
            self.fanout.add(worker, receipts, now_ns, first_ns)

    def settle_broadcasts(self, *, at_once: bool = False) -> None:
        """Conclude the broadcasts of which every worker that could hear them has spoken."""
        there = [
            worker for worker, seen in self._latest.items() if worker not in self._gone and seen.totals.counters.open
        ]
        self.fanout.settle(time.monotonic_ns(), there, self.open_since, at_once=at_once)

    # -- who there is ------------------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """How many workers there have been in all."""
        return len(self._specs)

    def members(self) -> Sequence[int]:
        """Every worker that was ever given commands."""
        return tuple(self._members)

    def hosts(self) -> Sequence[HostState]:
        """The machines that make load; none where it is this one."""
        return [
            replace(host, workers=tuple(worker for worker in host.workers if worker in self._specs))
            for host in self._transport.hosts()
        ]

    def host_of(self, worker: int) -> str:
        """The name of the machine that a worker is on, "" for this one."""
        return self.fanout.hosts.get(worker, "")

    def reached(self, at_ns: int) -> bool:
        """Whether every worker that is still there has reported on the run up to `at_ns`."""
        there = [member for member in self._members if member not in self._gone]
        return all(member in self._latest and self._latest[member].totals.at_ns >= at_ns for member in there)

    # -- taking over from those who are lost --------------------------------------------------------------------

    def orphans(self) -> list[int]:
        """The lost workers whose clients nobody has taken over."""
        return sorted(worker for worker in self.lost if worker in self._specs and worker not in self._replaced)

    async def replace(self, lost: Sequence[int], catch_up: Callable[[], list[Command]]) -> list[int]:
        """Start a worker in the place of each lost one, with the same clients; which these are. Raises FleetError.

        Waits until the lost ones are surely gone, so that no client is there twice. `catch_up` gives the commands
        that lead a worker that has just begun to where the others are, Go first.
        """
        self._replaced.update(lost)
        # A number is never given twice: whoever had it may yet be heard.
        heirs = {self._numbers + index: self._specs[worker] for index, worker in enumerate(lost)}
        self._numbers += len(heirs)
        self._specs |= heirs
        try:
            await asyncio.sleep(max(self._left_s(worker) for worker in lost))
            await self._transport.start(heirs)
            self._place()
            await self._join(list(heirs))
        except BaseException:
            self._replaced.difference_update(lost)
            self._send(Go(), list(heirs))  # those that are there know no end before they have begun
            self._send(Abort(), list(heirs))
            for heir in heirs:
                del self._specs[heir]
                self.lost.pop(heir, None)
            raise
        members = list(heirs)
        self._members.extend(members)
        for command in catch_up():
            self._send(command, members)
        return members

    def _left_s(self, worker: int) -> float:
        """Seconds until a lost worker is surely gone: at once where its machine is there to tell."""
        away = any(not host.alive and worker in host.workers for host in self._transport.hosts())
        return max(0.0, SURELY_GONE_S - self.age_s(worker)) if away else 0.0
