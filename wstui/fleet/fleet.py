"""All shards as one: commands go to each, what they say is added up."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from wstui.fleet.totals import Books
from wstui.fleet.transport import Box, FleetError, Lost, Said, Transport
from wstui.load.protocol import Abort, Command, Finished, Go, Heard, Heartbeat, Joined, Spec, decode_message, encode
from wstui.measure.snapshot import Snapshot

HEARTBEAT_S = 0.5
START_TIMEOUT_S = 60.0
SURELY_GONE_S = 8.0
"""A shard of which nothing was heard for this long has left: its lease of 3 s has run out, and its drain too."""


class Fleet(Books):
    """Shards on a transport. `on_lost` is called with a shard, the reason, and when it was (ns, monotonic clock)."""

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
        self._joined: dict[int, Joined] = {}
        self._finished: set[int] = set()
        self._gone: set[int] = set()
        self._replaced: set[int] = set()
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def room(self, shards: int) -> int:
        """How many shards there should be, when `shards` are wanted on each machine. Raises FleetError."""
        return await self._transport.room(shards)

    async def start(self, specs: Sequence[Spec]) -> None:
        """Start every shard and wait until each has understood its specification. Raises FleetError."""
        members = {spec.shard: spec for spec in specs}
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
                raise FleetError(f"a load process did not start: {self.lost.get(gone[0], 'ended at once')}")
            left = deadline - time.monotonic()
            if left <= 0:
                raise FleetError(f"the load processes did not start within {START_TIMEOUT_S:g} s")
            await self._wait(left)

    def _place(self) -> None:
        self.fanout.hosts = {shard: box.name for box in self._transport.boxes() for shard in box.shards}

    async def _wait(self, timeout_s: float) -> None:
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), timeout_s)

    def send(self, command: Command) -> None:
        """Give a command to every shard."""
        self._send(command, self._members)

    def _send(self, command: Command, members: Sequence[int]) -> None:
        message = encode(command)
        for member in members:
            if member not in self._gone:
                self._transport.send(member, message)

    async def ended(self, timeout_s: float) -> bool:
        """Wait until every shard has said its last word or is gone."""
        deadline = time.monotonic() + timeout_s
        while not all(member in self._finished or member in self._gone for member in self._members):
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

    async def _beat(self) -> None:
        while True:
            self._send(Heartbeat(), list(self._specs))
            await asyncio.sleep(HEARTBEAT_S)

    # -- what they say -----------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        async for event in self._transport.events():
            if isinstance(event, Said):
                self._hear(event)
            else:
                self._lose(event)
            self._changed.set()

    def _lose(self, event: Lost) -> None:
        if event.shard in self._gone or event.shard not in self._specs:
            return
        self._gone.add(event.shard)
        if event.shard not in self._finished:
            self.lost[event.shard] = self._mask(event.reason or "ended before it was told to")
            if event.shard in self._members:
                self._on_lost(event.shard, self.lost[event.shard], event.at_ns or time.monotonic_ns())

    def _hear(self, event: Said) -> None:
        shard = event.shard
        if shard not in self._specs:  # it was to take over, and was given up
            return
        self._heard[shard] = time.monotonic()
        match decode_message(event.message):
            case Joined() as joined:
                self._joined[shard] = joined
            case Snapshot() as snapshot:
                self.take(shard, snapshot)
            case Heard() as heard:
                self._hear_broadcasts(shard, heard)
            case Finished():
                self._finished.add(shard)

    def _hear_broadcasts(self, shard: int, heard: Heard) -> None:
        now_ns = time.monotonic_ns()
        if heard.clock is not None:
            self.fanout.clock_of(shard).sample(*heard.clock)
        far = shard in self.fanout.hosts
        for receipts in heard.broadcasts:
            # How long ago it was is the same on every clock.
            first_ns = now_ns - (heard.at_ns - receipts.first_ns) if far else None
            self.fanout.add(shard, receipts, now_ns, first_ns)

    def settle_broadcasts(self, *, at_once: bool = False) -> None:
        """Conclude the broadcasts of which every shard that could hear them has spoken."""
        there = [
            shard for shard, snapshot in self._latest.items() if shard not in self._gone and snapshot.counters.open
        ]
        self.fanout.settle(time.monotonic_ns(), there, self.open_since, at_once=at_once)

    # -- who there is ------------------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """How many shards there have been in all."""
        return len(self._specs)

    def members(self) -> Sequence[int]:
        """Every shard that was ever given commands."""
        return tuple(self._members)

    def boxes(self) -> Sequence[Box]:
        """The machines that make load; none where it is this one."""
        return [
            replace(box, shards=tuple(shard for shard in box.shards if shard in self._specs))
            for box in self._transport.boxes()
        ]

    def box_of(self, shard: int) -> str:
        """The name of the machine that a shard is on, "" for this one."""
        return self.fanout.hosts.get(shard, "")

    def reached(self, at_ns: int) -> bool:
        """Whether every shard that is still there has reported on the run up to `at_ns`."""
        there = [member for member in self._members if member not in self._gone]
        return all(member in self._latest and self._latest[member].at_ns >= at_ns for member in there)

    # -- taking over from those who are lost --------------------------------------------------------------------

    def orphans(self) -> list[int]:
        """The lost shards whose clients nobody has taken over."""
        return sorted(shard for shard in self.lost if shard in self._specs and shard not in self._replaced)

    async def replace(self, lost: Sequence[int], catch_up: Callable[[], list[Command]]) -> list[int]:
        """Start a shard in the place of each lost one, with the same clients; which these are. Raises FleetError.

        Waits until the lost ones are surely gone, so that no client is there twice. `catch_up` gives the commands
        that lead a shard that has just begun to where the others are, Go first.
        """
        self._replaced.update(lost)
        # A number is never given twice: whoever had it may yet be heard.
        heirs = {self._numbers + index: self._specs[shard] for index, shard in enumerate(lost)}
        self._numbers += len(heirs)
        self._specs |= heirs
        try:
            await asyncio.sleep(max(self._left_s(shard) for shard in lost))
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

    def _left_s(self, shard: int) -> float:
        """Seconds until a lost shard is surely gone: at once where its machine is there to tell."""
        away = any(not box.alive and shard in box.shards for box in self._transport.boxes())
        return max(0.0, SURELY_GONE_S - self.age_s(shard)) if away else 0.0
