"""Workers on several hosts through Dask: an agent on each starts them over pipes, as on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from wstui.fleet.host_facts import HostQuery
from wstui.fleet.hosts.command_hosts import CommandHosts
from wstui.fleet.hosts.dask_hosts import DaskHosts
from wstui.fleet.hosts.host_link import HostLink
from wstui.fleet.hosts.host_probe import HostProbe, query_of, workers_on
from wstui.fleet.transport import FleetError, HostState, Lost, MessageReceived, TargetUnreachable
from wstui.load.lease import LEASE_S, TICK_S, OwnClock
from wstui.load.protocol import Spec
from wstui.scenario.model import Scenario

GIVEN_UP_S = LEASE_S + 7.0
"""A host that is silent for this long is given up: its leases are over and its load has drained."""
JOINS_S = 5.0


class HostProvider(Protocol):
    """Provides Dask workers."""

    async def probe(self, query: HostQuery) -> list[HostProbe]:
        """Probe each host. Raises FleetError if none can be asked."""
        ...

    async def changed(self) -> tuple[list[HostProbe], list[str]]:
        """Probe the hosts that have appeared since the last probe, and name those that have gone.

        Raises FleetError.
        """
        ...

    async def open(
        self, probes: Sequence[HostProbe], topic: str, hear: Callable[[Any], None], gone: Callable[[str, str], None]
    ) -> dict[str, Any]:
        """Start an agent on each host; return them, or the FleetError of each that has none, by name.

        `hear` gets their messages under `topic`, `gone` the name of a lost host and the reason.
        """
        ...

    async def abandon(self, name: str) -> None:
        """Disconnect a host that was given up."""
        ...

    async def close(self, grace_s: float) -> None:
        """End the remaining processes."""
        ...


class ClusterTransport:
    """A transport over several hosts, for one run."""

    def __init__(self, scenario: Scenario) -> None:
        fleet = scenario.fleet
        self._source: HostProvider = DaskHosts(fleet.scheduler) if fleet.scheduler else CommandHosts(scenario)
        self._joins = any(host.startswith("k8s:") for host in fleet.hosts)
        self._workers = fleet.workers
        self._query = query_of(scenario)
        self._topic = f"wstui-{uuid.uuid4().hex}"
        self._probes: list[HostProbe] = []
        self._capacity: list[int] = []
        self._links: dict[str, HostLink] = {}
        self._links_by_worker: dict[int, HostLink] = {}
        self._left: set[int] = set()
        self._queue: asyncio.Queue[MessageReceived | Lost] = asyncio.Queue()
        self._watching: list[asyncio.Task[None]] | None = None
        self._joined: dict[str, HostState] = {}  # no workers yet
        self._gone: set[str] = set()  # of these
        self._closing = False

    async def capacity(self, workers: int) -> int:
        self._probes = await self._source.probe(self._query)
        if problems := [probe.problem for probe in self._probes if probe.problem]:
            raise FleetError("\n".join(problems))
        if problems := [f"{probe.name} {why}" for probe in self._probes if (why := self._unreached(probe))]:
            raise TargetUnreachable("\n".join(problems))
        self._capacity = [workers_on(probe, workers) for probe in self._probes]
        return sum(self._capacity)

    def _unreached(self, probe: HostProbe) -> str:
        """Return why a host can't reach the target, or ""."""
        if probe.facts is None or not probe.facts.unreachable:
            return ""
        where = f"{self._query.host}:{self._query.port}"
        return f"can't reach the target at {where}: {probe.facts.unreachable}; look at the network there"

    async def start(self, specs: Mapping[int, Spec]) -> None:
        names = self._place(len(specs))
        while not await self._open(set(names) - set(self._links)):
            names = self._place(len(specs))
        shares: dict[str, dict[int, Spec]] = {}
        for (key, spec), name in zip(specs.items(), names, strict=True):
            shares.setdefault(name, {})[key] = spec
            self._links_by_worker[key] = self._links[name]
        await asyncio.gather(*(self._links[name].begin(share) for name, share in shares.items()))

    def _place(self, count: int) -> list[str]:
        """Return the host of each of `count` more workers. Raises FleetError if none is left."""
        links = [self._links.get(probe.name) for probe in self._probes]
        there = [
            probe.name not in self._gone if link is None else link.alive
            for probe, link in zip(self._probes, links, strict=True)
        ]
        capacity = [size * is_there for size, is_there in zip(self._capacity, there, strict=True)]
        if not any(capacity):
            raise FleetError("no host is left to make load")
        taken = [0 if link is None else sum(worker not in self._left for worker in link.workers) for link in links]
        return [self._probes[index].name for index in place(count, capacity, taken)]

    async def _open(self, needed: set[str]) -> bool:
        """Connect to hosts. Raises FleetError for those of the beginning; returns False if a later one is gone."""
        probes = [probe for probe in self._probes if probe.name in needed]
        agents = await self._source.open(probes, self._topic, self._hear, self._lose)
        failed = {name: str(agent) for name, agent in agents.items() if isinstance(agent, FleetError)}
        for probe in probes:
            if probe.name not in failed:
                self._links[probe.name] = HostLink(probe, agents[probe.name], self._lose)
        if failed and self._watching is None:
            raise FleetError("\n".join(failed.values()))
        for name, problem in failed.items():
            self._leave_out(name, problem.removeprefix(f"{name} "))
        if self._watching is None:
            self._watching = [asyncio.create_task(self._watch())]
            if self._joins:
                self._watching.append(asyncio.create_task(self._watch_joins()))
        return not failed

    def _leave_out(self, name: str, reason: str) -> None:
        """Start nothing on a host that has no workers and can't be used any more."""
        index = next(index for index, probe in enumerate(self._probes) if probe.name == name)
        self._capacity[index] = 0
        there = self._joined.get(name, HostState(name, (), facts=self._probes[index].facts))
        self._joined[name] = replace(there, reason=reason)

    def send(self, worker: int, message: bytes) -> None:
        if worker not in self._left and (link := self._links_by_worker.get(worker)) is not None:
            link.send(worker, message)

    async def events(self) -> AsyncIterator[MessageReceived | Lost]:
        while True:
            yield await self._queue.get()

    def hosts(self) -> Sequence[HostState]:
        waiting = [
            replace(host, reason=host.reason or "it is gone") if name in self._gone else host
            for name, host in self._joined.items()
            if name not in self._links
        ]
        return [*(link.host for link in self._links.values()), *waiting]

    # -- messages of hosts -------------------------------------------------------------------------------------

    def _hear(self, said: Any) -> None:
        worker = said[0]
        link = self._links_by_worker.get(worker)
        if link is None:
            return
        if link.alive:
            link.last_message_ns = time.monotonic_ns()
        if len(said) == 2:
            # Also from a lost host: these messages were counted there.
            self._queue.put_nowait(MessageReceived(worker, said[1]))
        elif worker not in self._left:
            self._left.add(worker)
            self._queue.put_nowait(Lost(worker, said[1], link.here_ns(said[2])))

    def _lose(self, name: str, reason: str) -> None:
        link = self._links.get(name)
        if link is None or not link.alive or self._closing:
            return
        link.lose(reason)
        now_ns = time.monotonic_ns()
        for worker in link.workers:
            if worker not in self._left:
                self._left.add(worker)
                self._queue.put_nowait(Lost(worker, f"lost with its host: {reason}", now_ns))

    async def _watch(self) -> None:
        clock = OwnClock()
        while True:
            await asyncio.sleep(TICK_S)
            missed_ns = round(clock.tick() * 1e9)
            for link in [link for link in self._links.values() if link.alive]:
                now_ns = time.monotonic_ns()
                link.last_message_ns = min(link.last_message_ns + missed_ns, now_ns)  # meanwhile nothing could be heard
                if now_ns - link.last_message_ns > GIVEN_UP_S * 1e9:
                    self._lose(link.name, f"was silent for {GIVEN_UP_S:g} s")
                    await self._source.abandon(link.name)

    async def _watch_joins(self) -> None:
        while True:
            await asyncio.sleep(JOINS_S)
            try:
                probes, gone = await self._source.changed()
            except FleetError:
                continue  # the next look may succeed
            self._gone = set(gone)
            for probe in probes:
                failure = str(probe.failure or self._unreached(probe))
                if not failure:
                    self._probes.append(probe)
                    self._capacity.append(workers_on(probe, self._workers))
                self._joined[probe.name] = HostState(
                    probe.name, (), reason=failure, last_message_ns=time.monotonic_ns(), facts=probe.facts
                )

    async def close(self, grace_s: float) -> None:
        self._closing = True
        for task in self._watching or ():
            task.cancel()
        await asyncio.gather(*(link.leave(grace_s) for link in self._links.values()))
        with contextlib.suppress(OSError):
            await self._source.close(3.0)


def place(count: int, capacity: Sequence[int], taken: Sequence[int]) -> list[int]:
    """Return a host index for each of `count` more workers, so that hosts fill up in proportion.

    `capacity` is how many workers each host should have, `taken` how many it has; a host with capacity 0 gets none.
    """
    there = list(taken)
    chosen = []
    for _ in range(count):
        best = min(
            (index for index, size in enumerate(capacity) if size > 0), key=lambda i: ((there[i] + 1) / capacity[i], i)
        )
        there[best] += 1
        chosen.append(best)
    return chosen
