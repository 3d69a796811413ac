"""All workers as one: starts them, sends each command to all, adds up their snapshots, and replaces lost ones."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec

from wstui.fleet.meetings import MeetingRelay
from wstui.fleet.totals import FleetTotals
from wstui.fleet.transport import FleetError, HostState, Lost, MessageReceived, Transport
from wstui.load.conversation.script_runner import BLOCKS
from wstui.load.lease import LEASE_S, TICK_S, OwnClock
from wstui.load.protocol import (
    Abort,
    BroadcastReport,
    Command,
    Finished,
    Go,
    OperatorBeat,
    ScriptMistake,
    Spec,
    Traced,
    TraceLine,
    Waiting,
    Watched,
    WorkerReady,
    decode_message,
    encode,
)
from wstui.measure.snapshot import Snapshot

HEARTBEAT_S = TICK_S
START_TIMEOUT_S = 60.0
SURELY_GONE_S = LEASE_S + 5.0
"""A worker that was silent for this long has ended: its lease and its drain are over."""


class WorkerFleet:
    """Workers on a transport. `on_lost` gets a lost worker, the reason, and the time (ns, monotonic clock).

    `on_trace` gets each message of the clients that are followed, masked; `on_watched` what watched clients do, and
    how many lines of it were left out.
    """

    def __init__(
        self,
        transport: Transport,
        on_lost: Callable[[int, str, int], None],
        mask: Callable[[str], str] = str,
        on_trace: Callable[[TraceLine], None] = lambda _: None,
        on_watched: Callable[[list[TraceLine], int], None] = lambda _, missed: None,
    ) -> None:
        self._on_watched = on_watched
        self._on_trace = on_trace
        self.clock = OwnClock()
        self.totals = FleetTotals(mask, self.clock)
        self._transport = transport
        self._on_lost = on_lost
        self._specs: dict[int, Spec] = {}
        self._numbers = 0  # given so far
        self._members: list[int] = []  # get commands
        self._joined: dict[int, WorkerReady] = {}
        self._finished: set[int] = set()
        self._gone: set[int] = set()
        self._replaced: set[int] = set()
        self._meetings = MeetingRelay()
        self.mistake = ""  # of a script, which ends the run
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def capacity(self, workers: int) -> int:
        """Return how many workers to start, given the wanted number on each host. Raises FleetError."""
        return await self._transport.capacity(workers)

    async def start(self, specs: Sequence[Spec]) -> None:
        """Start a worker for each spec and wait until all are ready. Raises FleetError."""
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
        deadline = self.clock.now() + START_TIMEOUT_S
        while not all(member in self._joined for member in members):
            if self.mistake:
                raise FleetError(self.mistake)
            if gone := [member for member in members if member in self._gone]:
                raise FleetError(f"a worker did not start: {self.totals.lost.get(gone[0], 'ended at once')}")
            left = deadline - self.clock.now()
            if left <= 0:
                raise FleetError(f"the workers did not start within {START_TIMEOUT_S:g} s")
            await self._wait(left)

    def _place(self) -> None:
        self.totals.fanout.hosts = {worker: host.name for host in self._transport.hosts() for worker in host.workers}

    async def _wait(self, timeout_s: float) -> None:
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), timeout_s)

    def send(self, command: Command) -> None:
        self._send(command, self._members)

    def _send(self, command: Command, members: Sequence[int]) -> None:
        message = encode(command)
        for member in members:
            if member not in self._gone:
                self._transport.send(member, message)

    async def ended(self, timeout_s: float) -> bool:
        """Wait until every worker has finished or is gone; False on timeout."""
        deadline = self.clock.now() + timeout_s
        while not all(member in self._finished or member in self._gone for member in self._members):
            left = deadline - self.clock.now()
            if left <= 0:
                return False
            await self._wait(left)
        return True

    async def close(self) -> None:
        """End the remaining workers and this side's tasks."""
        await self._transport.close(2.0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _beat(self) -> None:
        while True:
            self.clock.tick()
            self._send(OperatorBeat(), list(self._specs))
            await asyncio.sleep(HEARTBEAT_S)

    # -- messages of workers -----------------------------------------------------------------------------------

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
        self._meetings.lose(event.worker)
        self._let_meet()
        if BLOCKS in event.reason:
            self.mistake = self.mistake or self.totals.mask(event.reason.partition(": ")[2])
        if event.worker not in self._finished:
            reason = self.totals.lose(event.worker, event.reason or "ended before it was told to")
            if event.worker in self._members:
                self._on_lost(event.worker, reason, event.at_ns or time.monotonic_ns())

    def _hear(self, event: MessageReceived) -> None:
        worker = event.worker
        if worker not in self._specs:  # a replacement that was given up
            return
        self.totals.heard(worker)
        match decode_message(event.message):
            case WorkerReady() as joined:
                self._joined[worker] = joined
            case Snapshot() as snapshot:
                self.totals.take(worker, snapshot)
                if self._meetings.waits_for_all:
                    self._let_meet()
            case Waiting() as waiting:
                self._meetings.take(msgspec.structs.replace(waiting, worker=worker))
                self._let_meet()
            case BroadcastReport() as heard:
                self._hear_broadcasts(worker, heard)
            case Traced(_, lines):
                for line in lines:
                    self._mask(line)
                    self._on_trace(line)
            case Watched(_, lines, missed):
                for line in lines:
                    self._mask(line)
                self._on_watched(lines, missed)
            case Finished():
                self._finished.add(worker)
            case ScriptMistake(_, text):
                self.mistake = self.mistake or self.totals.mask(text)

    def _mask(self, line: TraceLine) -> None:
        line.text = self.totals.mask(line.text)
        line.captured = {name: self.totals.mask(str(value)) for name, value in line.captured.items()}

    def _let_meet(self) -> None:
        open_clients = (
            snapshot.totals.counters.open
            for worker, snapshot in self.totals.latest().items()
            if worker not in self._gone
        )
        for worker, meet in self._meetings.due(sum(open_clients)).items():
            self._send(meet, [worker])

    def _hear_broadcasts(self, worker: int, heard: BroadcastReport) -> None:
        now_ns = time.monotonic_ns()
        if heard.clock is not None:
            self.totals.fanout.clock_of(worker).sample(*heard.clock)
        far = worker in self.totals.fanout.hosts
        for receipts in heard.broadcasts:
            # How long ago it was is the same on every clock.
            first_ns = now_ns - (heard.at_ns - receipts.first_ns) if far else None
            self.totals.fanout.add(worker, receipts, now_ns, first_ns)

    def settle_broadcasts(self, *, at_once: bool = False) -> None:
        """Conclude the broadcasts that every worker with open clients has reported."""
        there = [
            worker
            for worker, seen in self.totals.latest().items()
            if worker not in self._gone and seen.totals.counters.open
        ]
        alone = sum(peak.clients for peak in self.totals.peaks.values()) <= 1
        now_ns = time.monotonic_ns()
        self.totals.fanout.settle(now_ns, there, self.totals.open_since, alone=alone, at_once=at_once)

    # -- workers and hosts -------------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """Return how many workers have been started in all."""
        return len(self._specs)

    def members(self) -> Sequence[int]:
        """Return every worker that ever got commands."""
        return tuple(self._members)

    def hosts(self) -> Sequence[HostState]:
        """Return the hosts that make load; empty if it is this one."""
        return [
            replace(host, workers=tuple(worker for worker in host.workers if worker in self._specs))
            for host in self._transport.hosts()
        ]

    def host_of(self, worker: int) -> str:
        """Return the host of a worker, "" for this one."""
        return self.totals.fanout.hosts.get(worker, "")

    def reached(self, at_ns: int) -> bool:
        """Whether every remaining worker has reported up to `at_ns` of the run's clock."""
        return all(self.totals.reached(member, at_ns) for member in self._members if member not in self._gone)

    # -- replacing lost workers ---------------------------------------------------------------------------------

    def orphans(self) -> list[int]:
        """Return the lost workers that were not replaced."""
        return sorted(worker for worker in self.totals.lost if worker in self._specs and worker not in self._replaced)

    async def replace(self, lost: Sequence[int], catch_up: Callable[[], list[Command]]) -> list[int]:
        """Start a replacement with the same clients for each lost worker; return the new ones. Raises FleetError.

        Waits until the lost ones have surely ended, so that no client exists twice. `catch_up` returns the commands
        that bring a new worker to where the others are, Go first.
        """
        self._replaced.update(lost)
        # A number is never reused: a message of the lost worker may still arrive.
        replacements = {self._numbers + index: self._specs[worker] for index, worker in enumerate(lost)}
        self._numbers += len(replacements)
        self._specs |= replacements
        try:
            await asyncio.sleep(max(self._ends_in_s(worker) for worker in lost))
            await self._transport.start(replacements)
            self._place()
            await self._join(list(replacements))
        except BaseException:
            self._replaced.difference_update(lost)
            self._send(Go(), list(replacements))  # a worker can only be ended after it has begun
            self._send(Abort(), list(replacements))
            for new in replacements:
                del self._specs[new]
                self.totals.lost.pop(new, None)
            raise
        members = list(replacements)
        self._members.extend(members)
        for command in catch_up():
            self._send(command, members)
        return members

    def _ends_in_s(self, worker: int) -> float:
        """Return the seconds until a lost worker has surely ended: 0 if its host is there to tell."""
        away = any(not host.alive and worker in host.workers for host in self._transport.hosts())
        return max(0.0, SURELY_GONE_S - self.totals.age_s(worker)) if away else 0.0
