"""Chooses the transport of a scenario: this machine, or remote hosts."""

from __future__ import annotations

from collections.abc import Sequence

from wstui.fleet.hosts.host_probe import HostProbe, hosts_of, probe_all, query_of
from wstui.fleet.hosts.remote_command import remote_commands
from wstui.fleet.local import LocalTransport
from wstui.fleet.transport import FleetError, Transport
from wstui.scenario.model import Scenario


async def probe_hosts(scenario: Scenario) -> Sequence[HostProbe]:
    """Probe the hosts of a scenario. Raises FleetError if none can be asked."""
    if scenario.fleet.hosts:
        return await probe_all(await remote_commands(scenario, hosts_of(scenario)), query_of(scenario))
    try:
        from wstui.fleet.hosts.dask_hosts import DaskHosts
    except ModuleNotFoundError as error:
        raise _missing(error) from None
    cluster = DaskHosts(scenario.fleet.scheduler)
    try:
        return await cluster.probe(query_of(scenario))
    finally:
        await cluster.close(0.0)


def transport_of(scenario: Scenario) -> Transport:
    """Return the transport of a scenario. Raises FleetError if a package is missing."""
    if not scenario.fleet.is_remote:
        return LocalTransport()
    try:
        # Imported here because a local run does not need Dask.
        from wstui.fleet.hosts.cluster import ClusterTransport
    except ModuleNotFoundError as error:
        raise _missing(error) from None
    return ClusterTransport(scenario)


def _missing(error: ModuleNotFoundError) -> FleetError:
    return FleetError(f"load on other hosts needs {error.name}; install it with: pip install 'wstui[cluster]'")
