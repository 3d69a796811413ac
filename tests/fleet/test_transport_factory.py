"""Where the load of a scenario is made."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from tests.servers.server import Server
from wstui.execution.run.run import Run
from wstui.fleet.transport import FleetError
from wstui.fleet.transport_factory import transport_of
from wstui.scenario.model import Fleet, Scenario

HOME = Path(__file__).parents[2]
_PROGRAM = """
import asyncio, sys
from tests.execution.running import scenario
from wstui.execution.run.run import Run
result = asyncio.run(Run(scenario(sys.argv[1], clients=2, hold=0.2)).execute())
assert result.connections.ready == 2
assert not {name.partition(".")[0] for name in sys.modules} & {"dask", "distributed", "tornado"}
"""


async def test_a_run_on_this_machine_never_imports_dask() -> None:
    async with Server() as server:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", _PROGRAM, server.url, cwd=HOME)
        assert await process.wait() == 0


async def test_hosts_without_dask_installed_are_an_error_that_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    for name in [name for name in sys.modules if name.startswith("wstui.fleet.") and "dask" in name]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "wstui.fleet.hosts.cluster", raising=False)
    for name in ("joined", "own_hosts", "agent"):
        monkeypatch.delitem(sys.modules, f"wstui.fleet.{name}", raising=False)
    with pytest.raises(FleetError, match=r"distributed.*pip install 'wstui\[cluster\]'"):
        transport_of(Scenario(fleet=Fleet(hosts=["host1"])))
    with pytest.raises(FleetError):
        Run(Scenario(fleet=Fleet(scheduler="tls://host:1")))
