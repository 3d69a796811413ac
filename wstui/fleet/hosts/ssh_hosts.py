"""Hosts reached by ssh, each with a Dask worker of the run. No port is opened in any network."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from distributed import Client, Scheduler, Security

from wstui.fleet.host_facts import HostQuery, free_ports
from wstui.fleet.hosts.agent import Agent
from wstui.fleet.hosts.dask_client import open_client, open_scheduler, worker_environment
from wstui.fleet.hosts.host_probe import HostProbe, SshOptions, look_at, look_at_all
from wstui.fleet.hosts.remote_main import Work
from wstui.fleet.hosts.ssh import HostError, SshConnection, command, may_be_taken, remote_command
from wstui.fleet.transport import FleetError
from wstui.scenario.hosts import HostSpec

WORKER_S = 60.0
TRIES = 3
_TICK_S = 0.01


class SshHosts:
    """The scheduler runs in this process, so that it ends with it."""

    def __init__(self, hosts: Sequence[HostSpec], way: SshOptions) -> None:
        self._hosts = hosts
        self._way = way
        self._connections: dict[str, SshConnection] = {}
        self._watches: list[asyncio.Task[None]] = []
        self._scheduler: Scheduler | None = None
        self._client: Client | None = None
        self._security: Security | None = None
        self._ports: list[int] = []

    async def look(self, question: HostQuery) -> list[HostProbe]:
        self._question = question
        return await look_at_all(self._hosts, self._way, question)

    async def open(
        self, looks: Sequence[HostProbe], topic: str, hear: Callable[[Any], None], gone: Callable[[str, str], None]
    ) -> dict[str, Any]:
        security = self._security = Security.temporary()
        # All at once, since a closed port could be chosen again.
        self._ports = free_ports(TRIES * len(looks))
        self._scheduler = await open_scheduler(security)
        self._client = await open_client(self._scheduler.address, security, direct=True)
        self._client.subscribe_topic(topic, lambda event: hear(event[1]))
        agents = await asyncio.gather(*(self._begin(look, topic) for look in looks), return_exceptions=True)
        if problems := [str(error) for error in agents if isinstance(error, FleetError)]:
            raise FleetError("\n".join(problems))
        if faults := [error for error in agents if isinstance(error, BaseException)]:
            raise faults[0]
        for look in looks:
            self._watches.append(asyncio.create_task(self._watch(look.name, gone)))
        return {look.name: agent for look, agent in zip(looks, agents, strict=True)}

    async def _begin(self, look: HostProbe, topic: str) -> Any:
        for left in reversed(range(TRIES)):
            trouble = await self._connect(look)
            if trouble is None:
                break
            if left and may_be_taken(trouble):
                # Another program took a port that was free a moment ago.
                look = await look_at(look.host, self._way, self._question)
                if look.trouble is None:
                    continue
                trouble = look.trouble
            raise FleetError(f"{look.name} {trouble}")
        return await self._settle(look.name, topic)

    async def _settle(self, name: str, topic: str) -> Any:
        """Start an agent on a Dask worker. Raises FleetError, also if the worker has ended meanwhile."""
        assert self._client is not None and self._scheduler is not None
        where = self._scheduler.aliases.get(_dask_name(name), "")
        with self._client.as_current():
            started = asyncio.ensure_future(
                self._client.submit(Agent, topic, True, actor=True, workers=[where], pure=False)
            )
        ended = asyncio.create_task(self._connections[name].ended())
        try:
            await asyncio.wait({started, ended}, timeout=WORKER_S, return_when=asyncio.FIRST_COMPLETED)
            if started.done():
                return started.result()
            trouble = ended.result() if ended.done() else HostError("dask", f"started no agent within {WORKER_S:g} s")
        except Exception as error:
            trouble = HostError("dask", f"could not start its agent: {error or type(error).__name__}")
        finally:
            started.cancel()
            ended.cancel()
        raise FleetError(f"{name} {trouble}")

    async def _connect(self, look: HostProbe) -> HostError | None:
        """Start the Dask worker and wait until it has registered; return why it did not."""
        assert self._scheduler is not None and self._security is not None and look.facts is not None
        here = self._ports.pop()
        for_scheduler, for_dask = look.facts.free
        line = command(
            look.host.destination,
            remote_command(self._way.python, "work"),
            config=self._way.config,
            here=[f"127.0.0.1:{here}:127.0.0.1:{for_dask}"],
            there=[f"127.0.0.1:{for_scheduler}:127.0.0.1:{self._scheduler.port}"],
        )
        connection = await SshConnection.open(line, look.host.destination, self._way.python)
        self._connections[look.name] = connection
        arguments = [
            f"tls://127.0.0.1:{for_scheduler}",
            *("--no-nanny", "--no-dashboard", "--dashboard-address", "127.0.0.1:0"),
            *("--nthreads", "1", "--memory-limit", "0", "--death-timeout", "30", "--name", _dask_name(look.name)),
            *("--listen-address", f"tls://127.0.0.1:{for_dask}", "--contact-address", f"tls://127.0.0.1:{here}"),
        ]
        order = Work(worker_environment(self._security), arguments)
        assert connection.process.stdin is not None
        with contextlib.suppress(ConnectionError, OSError):
            connection.process.stdin.write(msgspec.json.encode(order) + b"\n")
        ended = asyncio.create_task(connection.ended())
        try:
            async with asyncio.timeout(WORKER_S):
                while _dask_name(look.name) not in self._scheduler.aliases:
                    await asyncio.wait({ended}, timeout=_TICK_S)
                    if ended.done():
                        return ended.result()
        except TimeoutError:
            await connection.close(0.0)
            return HostError("dask", f"started no Dask worker within {WORKER_S:g} s", "check that host")
        finally:
            ended.cancel()
        return None

    async def _watch(self, name: str, gone: Callable[[str, str], None]) -> None:
        gone(name, (await self._connections[name].ended()).text)

    async def abandon(self, name: str) -> None:
        await self._connections[name].close(0.0)

    async def close(self, grace_s: float) -> None:
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*(connection.close(grace_s) for connection in self._connections.values()))
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(5.0):
                if self._client is not None:
                    await self._client.close()
                if self._scheduler is not None:
                    await self._scheduler.close()


def _dask_name(name: str) -> str:
    """Return Dask's name of a host's worker: it would read a name such as 12 as a number."""
    return f"host {name}"
