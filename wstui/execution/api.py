"""The Python interface: run a scenario from a program."""

from __future__ import annotations

import asyncio

from wstui.execution.run.result import Result
from wstui.execution.search.breakpoint_search import run_for
from wstui.scenario.checks import check
from wstui.scenario.model import Scenario


async def run(scenario: Scenario) -> Result:
    """Run a scenario to its end and return its result.

    The load is made by child processes. Cancelling drops every connection. Raises ScenarioError when the scenario
    makes no sense, FleetError when no worker can be started. A target that can't be reached is not an error:
    the result says so.
    """
    return await run_for(check(scenario)).execute()


def run_sync(scenario: Scenario) -> Result:
    """`run` for a program without an event loop."""
    return asyncio.run(run(scenario))
