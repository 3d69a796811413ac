"""Where the load of a scenario is made: here, or on other machines."""

from __future__ import annotations

from wstui.fleet.local import LocalTransport
from wstui.fleet.transport import FleetError, Transport
from wstui.scenario.model import Scenario


def transport_of(scenario: Scenario) -> Transport:
    """The transport that a scenario asks for. Raises FleetError when what it takes is not installed."""
    if not (scenario.fleet.hosts or scenario.fleet.scheduler):
        return LocalTransport()
    try:
        # Only here: a run on this machine has no use for Dask.
        from wstui.fleet.cluster import ClusterTransport
    except ModuleNotFoundError as error:
        raise FleetError(
            f"load on other machines needs {error.name}; install it with: pip install 'wstui[cluster]'"
        ) from None
    return ClusterTransport(scenario)
