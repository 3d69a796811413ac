"""Hosts reached by a command each, with a Dask worker of the run behind it. Nothing listens, here or there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import msgspec
from distributed import Client, Scheduler

from wstui.fleet.host_facts import MARK, HostQuery
from wstui.fleet.hosts.agent import Agent
from wstui.fleet.hosts.dask_client import open_client, open_scheduler
from wstui.fleet.hosts.dask_comm import SCHEME, PipeMux
from wstui.fleet.hosts.dask_worker import Work
from wstui.fleet.hosts.host_probe import HostProbe, hosts_of, probe_all
from wstui.fleet.hosts.remote_command import (
    HostError,
    RemoteCommand,
    RemoteProcess,
    gather_bounded,
    pods_of,
    remote_commands,
)
from wstui.fleet.transport import FleetError
from wstui.scenario.hosts import HostSpec
from wstui.scenario.model import Scenario

WORKER_S = 60.0
_TICK_S = 0.01


class CommandHosts:
    """The scheduler runs in this process, so that it ends with it."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._connections: dict[str, RemoteProcess] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._scheduler: Scheduler | None = None
        self._client: Client | None = None
        self._query = HostQuery()
        self._pods: dict[str, list[HostSpec]] = {}  # all that there ever were, by their name in the cluster

    async def probe(self, query: HostQuery) -> list[HostProbe]:
        self._query = query
        remotes = await remote_commands(self._scenario, hosts_of(self._scenario))
        if not remotes:
            raise FleetError(f"no pod is running and ready: {', '.join(self._scenario.fleet.hosts)}")
        for remote in remotes:
            if remote.host.via == "pod":
                self._pods.setdefault(remote.host.name, []).append(remote.host)
        return await probe_all(remotes, self._query)

    async def changed(self) -> tuple[list[HostProbe], list[str]]:
        """Probe the pods that have appeared since the last probe, and name those that have gone."""
        remotes = [RemoteCommand(host, python=self._scenario.fleet.python) for host in hosts_of(self._scenario)]
        there = [pod for remote in remotes if remote.host.via == "k8s" for pod in await pods_of(remote)]
        lives = {(pod.destination, pod.life) for pod in there}
        known = {name: list(pods) for name, pods in self._pods.items()}
        gone = [pod.name for pods in known.values() for pod in pods if (pod.destination, pod.life) not in lives]
        new = []
        for pod in there:
            before = known.setdefault(pod.name, [])
            if not any(self._is_known(pod, other) for other in before):
                before.append(replace(pod, turn=len(before) + 1))
                new.append(before[-1])
        probes = await probe_all([replace(remotes[0], host=pod) for pod in new], self._query)
        self._pods = known
        return probes, gone

    def _is_known(self, pod: HostSpec, before: HostSpec) -> bool:
        """Return whether this is the same pod as before, or the old one is not lost yet."""
        if pod.destination != before.destination:
            return False
        connection = self._connections.get(before.name)
        return pod.life == before.life or (connection is not None and connection.process.returncode is None)

    async def open(
        self, probes: Sequence[HostProbe], topic: str, hear: Callable[[Any], None], gone: Callable[[str, str], None]
    ) -> dict[str, Any]:
        if self._client is None:
            self._scheduler = await open_scheduler(f"{topic}-operator")
            # Both are in this process: the first address needs no pipe.
            self._client = await open_client(self._scheduler.listeners[0].contact_address, None, direct=True)
            self._client.subscribe_topic(topic, lambda event: hear(event[1]))
        agents = await gather_bounded(lambda probe: self._tried(probe, topic), probes)
        opened = {probe.name: agent for probe, agent in zip(probes, agents, strict=True)}
        self._tasks += [
            asyncio.create_task(self._watch(name, gone))
            for name, agent in opened.items()
            if not isinstance(agent, FleetError)
        ]
        return opened

    async def _tried(self, probe: HostProbe, topic: str) -> Any:
        """Return the agent of a host, or why it has none."""
        try:
            return await self._begin(probe, topic)
        except FleetError as error:
            return error

    async def _begin(self, probe: HostProbe, topic: str) -> Any:
        """Start a Dask worker and an agent on it. Raises FleetError, also if the worker has ended meanwhile."""
        assert self._client is not None
        connection = await RemoteProcess.open(probe.remote, probe.remote.command("work"))
        self._connections[probe.name] = connection
        ended = asyncio.create_task(connection.ended())
        starting = asyncio.create_task(self._start(probe.name, topic, connection))
        try:
            await asyncio.wait({starting, ended}, timeout=WORKER_S, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                return starting.result()
            late = HostError("dask", f"started no Dask worker within {WORKER_S:g} s", "check that host")
            failure = ended.result() if ended.done() else late
        except EOFError:
            failure = await ended
        except Exception as error:
            failure = HostError("dask", f"could not start its agent: {error or type(error).__name__}")
        finally:
            starting.cancel()
            ended.cancel()
        await connection.close(0.0)
        raise FleetError(f"{probe.name} {failure}")

    async def _start(self, name: str, topic: str, connection: RemoteProcess) -> Any:
        assert self._client is not None and self._scheduler is not None
        stdin, stdout = connection.stdin, connection.stdout
        assert stdin is not None and stdout is not None
        address = f"{topic}-{len(self._connections)}-{name.encode().hex()}"
        with contextlib.suppress(ConnectionError, OSError):
            stdin.write(msgspec.json.encode(Work(f"{topic}-operator", address, _dask_name(name))) + b"\n")
        while not (line := await stdout.readline()).startswith(MARK):  # a login shell may print before it
            if not line:
                raise EOFError
            connection.printed(line)
        mux = PipeMux(stdout, stdin, first=True)
        mux.reaches(address)
        self._tasks.append(asyncio.create_task(mux.run()))
        while _dask_name(name) not in self._scheduler.aliases:
            await asyncio.sleep(_TICK_S)
            if mux.closed:
                raise EOFError
        with self._client.as_current():
            return await self._client.submit(
                Agent, topic, True, actor=True, workers=[f"{SCHEME}://{address}"], pure=False
            )

    async def _watch(self, name: str, gone: Callable[[str, str], None]) -> None:
        gone(name, (await self._connections[name].ended()).text)

    async def abandon(self, name: str) -> None:
        await self._connections[name].close(0.0)

    async def close(self, grace_s: float) -> None:
        await asyncio.gather(*(connection.close(grace_s) for connection in self._connections.values()))
        for task in self._tasks:
            task.cancel()
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(5.0):
                if self._client is not None:
                    await self._client.close()
                if self._scheduler is not None:
                    await self._scheduler.close()


def _dask_name(name: str) -> str:
    """Return Dask's name of a host's worker: it would read a name such as 12 as a number."""
    return f"host {name}"
