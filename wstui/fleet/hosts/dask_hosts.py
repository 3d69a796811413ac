"""Uses an existing Dask cluster: an agent on each of its hosts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from distributed import Client, Security

from wstui.fleet.host_facts import Facts, HostQuery, gather
from wstui.fleet.hosts.agent import Agent
from wstui.fleet.hosts.dask_client import open_client
from wstui.fleet.hosts.host_probe import HostProbe, differing
from wstui.fleet.hosts.remote_command import HostError, RemoteCommand
from wstui.fleet.transport import FleetError
from wstui.scenario.hosts import HostSpec

CERTIFICATES = "distributed.comm.tls.ca-file, .client.cert and .client.key (DASK_DISTRIBUTED__COMM__TLS__CA_FILE, …)"


class DaskHosts:
    """Hosts of an existing cluster: agents and workers end with the run, the Dask workers stay."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._client: Client | None = None
        self._dask_workers: dict[str, str] = {}  # by machine
        self._agents: list[Any] = []

    async def probe(self, query: HostQuery) -> list[HostProbe]:
        secure = self._address.startswith("tls:")
        try:
            security = Security(require_encryption=True) if secure else None
            self._client = await open_client(self._address, security, direct=False)
        except (OSError, TimeoutError, ValueError, TypeError) as error:
            said = str(error).splitlines()[0] if str(error) else type(error).__name__
            fix = f"; its certificates are Dask's own settings: {CERTIFICATES}" if secure else ""
            raise FleetError(f"the Dask scheduler at {self._address} can't be joined: {said}{fix}") from None
        for address in await self._client.nthreads():
            self._dask_workers.setdefault(urlsplit(address).hostname or address, address)
        if not self._dask_workers:
            raise FleetError(f"the Dask cluster at {self._address} has no Dask workers: start some")
        found = await self._client.run(gather, query, workers=list(self._dask_workers.values()), on_error="return")
        return [self._probe_of(host, found.get(address)) for host, address in self._dask_workers.items()]

    @staticmethod
    def _probe_of(host: str, found: object) -> HostProbe:
        if isinstance(found, Facts):
            return HostProbe(RemoteCommand(HostSpec(host)), found, differing(found))
        fix = "install it for its workers: pip install 'wstui[cluster]'"
        return HostProbe(
            RemoteCommand(HostSpec(host)), failure=HostError("wstui", f"has no wstui that can make load ({found})", fix)
        )

    async def changed(self) -> tuple[list[HostProbe], list[str]]:
        return [], []

    async def open(
        self, probes: Sequence[HostProbe], topic: str, hear: Callable[[Any], None], gone: Callable[[str, str], None]
    ) -> dict[str, Any]:
        assert self._client is not None
        client = self._client
        names = {self._dask_workers[probe.name]: probe.name for probe in probes}

        def seen(event: tuple[float, Any]) -> None:
            said = event[1]
            if isinstance(said, dict) and said.get("action") == "remove-worker":
                name = names.get(str(said.get("worker")))
                if name is not None:
                    gone(name, "its Dask worker is gone")

        client.subscribe_topic(topic, lambda event: hear(event[1]))
        client.subscribe_topic("all", seen)

        async def begin(probe: HostProbe) -> Any:
            with client.as_current():
                return await client.submit(
                    Agent, topic, False, actor=True, workers=[self._dask_workers[probe.name]], pure=False
                )

        self._agents = list(await asyncio.gather(*(begin(probe) for probe in probes)))
        return {probe.name: agent for probe, agent in zip(probes, self._agents, strict=True)}

    async def abandon(self, name: str) -> None:
        """Do nothing: the lease of the agent ends the load."""

    async def close(self, grace_s: float) -> None:
        self._agents.clear()
        if self._client is not None:
            with contextlib.suppress(TimeoutError, OSError):
                async with asyncio.timeout(5.0):
                    await self._client.close()
