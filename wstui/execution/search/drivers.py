"""How each kind of load is brought onto a target, measured, and taken off it again: clients, connects/s, messages/s."""

from __future__ import annotations

import asyncio
import math
from abc import ABC, abstractmethod
from collections.abc import Callable

from wstui.execution.run.commands import SEARCH, RampTo, SetInterval
from wstui.execution.run.run import Run
from wstui.execution.run.state import State
from wstui.execution.search.step import Checkpoint, Measured, frozen
from wstui.measure.snapshot import Counters
from wstui.scenario.breakpoint import Breakpoint
from wstui.scenario.model import Scenario

TICK_S = 0.02
NO_SENDS_S = 3600.0
"""Between two sends of a client that is to be silent."""


class Ended(Exception):
    """The run came to its end, or the operator wants no further step."""


class SearchDriver(ABC):
    """Steers a run on its own loop. `doing` is called with each phase and its planned seconds."""

    def __init__(self, run: Run, scenario: Scenario, doing: Callable[[str, float], None]) -> None:
        assert scenario.breakpoint is not None
        self.run = run
        self.scenario = scenario
        self.search: Breakpoint = scenario.breakpoint
        self.ended = False
        self._doing = doing
        self._lag_ns = 0  # the longest that a loop of the fleet stood still since the step began

    @abstractmethod
    async def step(self, load: int) -> Measured:
        """Go to this load and measure it. Raises Ended."""

    @abstractmethod
    async def back_off(self, load: int) -> None:
        """Take the load off, down to `load`. Raises Ended."""

    def pace_s(self, load: int) -> float:
        """Seconds between two sends of a client at this load."""
        return self.scenario.messages.every

    async def prepare(self) -> None:
        """Wait for the run to start, and connect the clients that stay. Raises Ended."""
        await self.until(lambda: self.run.status.state is not State.STARTING, math.inf)
        if self.search.of != "clients":
            self._doing("connect", self.search.ramp)
            await self.connect(self.search.clients, self.search.ramp)

    async def settle_after_break(self, load: int) -> None:
        """After a break: let the target answer what it was asked, then go back to `load`. Raises Ended."""
        timeout_s = self.scenario.messages.timeout
        self._doing("rest", timeout_s)
        self.run.send(SetInterval(NO_SENDS_S), by=SEARCH)
        # Late replies count as in flight until the next report of the clients.
        await self.checkpoint()
        await self.until(lambda: not self.counters.in_flight, timeout_s + 1)
        await self.back_off(load)
        self.run.send(SetInterval(self.pace_s(max(load, 1))), by=SEARCH)

    # -- what the kinds of load share -----------------------------------------------------------------------------

    async def connect(self, clients: int, over_s: float) -> None:
        """Lead to so many clients, and wait until every attempt has its outcome."""
        self.run.send(RampTo(clients, over_s), by=SEARCH)
        await self.wait(over_s)
        target = self.scenario.target

        def arrived() -> bool:
            now = self.counters
            return now.wanted == clients and now.open <= clients and not now.opening and not now.closing

        await self.until(arrived, target.connect_timeout + target.close_timeout + self.scenario.messages.timeout)

    def _are_missing(self, clients: int) -> bool:
        return self.counters.open < (1 - self.search.precision) * clients

    async def _replace_dropped(self, clients: int) -> None:
        """Start again with all clients if too many are missing: dropped ones do not come back by themselves."""
        if self._are_missing(clients):
            await self.connect(0, self.search.ramp)
            await self.connect(clients, self.search.ramp)

    @property
    def counters(self) -> Counters:
        """The latest counts."""
        return self.run.fleet.totals.counters()

    async def checkpoint(self) -> Checkpoint:
        """All that was counted up to now."""
        self._check()
        counted, active_s = await self.run.counted()
        fleet = self.run.fleet
        return Checkpoint(
            counted, active_s, counted.at_ns / 1e9, frozen(fleet.totals.fanout), tuple(fleet.totals.failures())
        )

    async def wait(self, seconds: float) -> None:
        """Wait on the plan's clock, which stands still in a pause."""
        await self.until(lambda: False, seconds)

    async def until(self, condition: Callable[[], bool], at_most_s: float) -> None:
        """Wait until something is so, for `at_most_s` seconds of the plan's clock."""
        self._check()
        began = self.run.active_s
        while not condition() and (left := at_most_s - (self.run.active_s - began)) > 0:
            await asyncio.sleep(min(TICK_S, left))
            self._check()

    def measured(self, load: int, reached: float, began: Checkpoint, opened: Checkpoint, ended: Checkpoint) -> Measured:
        """The step, with the seconds of the timeline in which it was measured."""
        rows = [row for row in self.run.status.rows if opened.at_s < row.at_s <= ended.at_s]
        return Measured(self.search.of, load, reached, began, opened, ended, rows, self._lag_ns / 1e9)

    async def _settle_and_measure(self) -> tuple[Checkpoint, Checkpoint]:
        """Let the load settle, then return what was counted before and after the time in which it is measured."""
        search = self.search
        self._doing("settle", search.settle)
        await self.wait(search.settle)
        opened = await self.checkpoint()
        self._doing("measure", search.measure)
        await self.wait(search.measure)
        return opened, await self.checkpoint()

    def _check(self) -> None:
        for snapshot in self.run.fleet.totals.latest().values():
            self._lag_ns = max(self._lag_ns, snapshot.health.loop_lag_ns)
        state = self.run.status.state
        if self.ended or state is State.DRAINING or state.ended:
            raise Ended


class Clients(SearchDriver):
    """So many clients at once, each sending as the scenario says."""

    async def step(self, load: int) -> Measured:
        began = await self.checkpoint()
        self._doing("ramp", self.search.ramp)
        await self.connect(load, self.search.ramp)
        opened, ended = await self._settle_and_measure()
        return self.measured(load, ended.totals.counters.open, began, opened, ended)

    async def back_off(self, load: int) -> None:
        await self.connect(load, self.search.ramp)
        if self._are_missing(load):
            await self.connect(0, self.search.ramp)


class MessageDriver(SearchDriver):
    """So many messages a second, from clients that stay."""

    async def step(self, load: int) -> Measured:
        began = await self.checkpoint()
        self.run.send(SetInterval(self.pace_s(load)), by=SEARCH)
        opened, ended = await self._settle_and_measure()
        before, after = opened.totals.counters, ended.totals.counters
        # Where no reply is wanted, that it was sent has to do.
        done = after.matched + after.no_reply_expected - before.matched - before.no_reply_expected
        seconds = ended.active_s - opened.active_s
        return self.measured(load, done / seconds if seconds > 0 else 0.0, began, opened, ended)

    async def back_off(self, load: int) -> None:
        await self._replace_dropped(self.search.clients)

    def pace_s(self, load: int) -> float:
        """The clients that are there share the load."""
        return max(self.counters.open, 1) / load


class Connects(SearchDriver):
    """So many new connections a second for a while, on top of clients that stay; they leave before the next step."""

    async def step(self, load: int) -> Measured:
        search = self.search
        count = max(1, round(load * search.measure))
        over_s = count / load
        began = await self.checkpoint()
        self._lag_ns = 0
        self._doing("measure", over_s)
        self.run.send(RampTo(search.clients + count, over_s), by=SEARCH)
        await self.wait(over_s)
        there = await self.checkpoint()
        await self.connect(search.clients + count, 0.0)
        ended = await self.checkpoint()
        self._doing("rest", search.ramp + search.settle)
        await self.back_off(load)
        await self.wait(search.settle)
        ready = there.totals.counters.ready - began.totals.counters.ready
        return self.measured(load, min(float(load), ready / over_s), began, began, ended)

    async def back_off(self, load: int) -> None:
        await self.connect(self.search.clients, self.search.ramp)
        await self._replace_dropped(self.search.clients)


KINDS: dict[str, type[SearchDriver]] = {"clients": Clients, "connects": Connects, "messages": MessageDriver}
