"""The task that asks the target while a run goes, beside what the run's clients have seen; nothing without `health`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from wstui.execution.run.sampler import Sampler
from wstui.execution.run.target.endpoint_poller import EndpointPoller
from wstui.execution.run.target.monitor import PERSONAL, ClientView, TargetWatch
from wstui.fleet.fleet import WorkerFleet
from wstui.scenario.model import Scenario


class TargetPolling:
    """`mark` takes the text of a mark on the timeline."""

    def __init__(self, scenario: Scenario, fleet: WorkerFleet, sampler: Sampler, mark: Callable[[str], None]) -> None:
        self._scenario = scenario
        self._fleet = fleet
        self._sampler = sampler
        self._mark = mark
        self._task: asyncio.Task[None] | None = None
        self.watch: TargetWatch | None = None

    def start(self) -> None:
        """Ask from now on."""
        if (endpoints := EndpointPoller.of(self._scenario)) is None:
            return
        told = self._scenario.target
        self.watch = TargetWatch(
            endpoints, self._client_view, self._mark, gate=told.health_gate, every_s=told.health_every
        )
        self._task = asyncio.create_task(self.watch.watch())

    def stop(self) -> None:
        """Ask no more."""
        if self._task is not None:
            self._task.cancel()

    async def poll_last(self) -> None:
        """Ask once more, when the load has ended."""
        if self.watch is not None:
            await self.watch.poll_last()

    @property
    def memory_growth(self) -> float | None:
        """The target's memory growth an hour, as far as it tells."""
        return self.watch.growth.per_hour if self.watch and self.watch.growth else None

    def stop_reason(self) -> str:
        """Return why the target's health ends the run, or ""."""
        return self.watch.stop_reason() if self.watch else ""

    def _client_view(self) -> ClientView:
        counters, types = self._fleet.totals.counters(), self._fleet.totals.types()
        personal = sum(types.get(name, 0) for name in {*PERSONAL, self._scenario.target.welcome})
        return ClientView(self._sampler.at_s, counters.wanted, counters.open, counters.received, personal)
