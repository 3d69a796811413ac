"""A suite run from the terminal UI and recorded in the store; the demo starts its own target."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from wstui.cli.exporters import Exporters
from wstui.cli.options import RunOptions
from wstui.cli.output_files import saved_elsewhere
from wstui.cli.target_lock import POLL_S, LockFailed, TargetLocks
from wstui.execution.run.result import Result, SuiteResult
from wstui.execution.suite import SuiteRun
from wstui.fleet.transport import FleetError
from wstui.measure.format import duration
from wstui.scenario.model import Scenario
from wstui.scenario.overrides import Overrides
from wstui.scenario.presets import open_preset

DEMO_PRESET = "quick"


class KeptSuite(SuiteRun):
    """A suite that the terminal UI watches and steers."""

    def __init__(self, options: RunOptions, problems: list[str], scenarios: Sequence[Scenario], **suite: Any) -> None:
        """`problems` collects errors of the store, which no screen of a run shows."""
        super().__init__(scenarios, **suite)
        self.kept = ""
        """Return where the run was stored, in words for the terminal."""
        self.result: Result | SuiteResult | None = None
        self._options = options
        self._problems = problems

    async def _run_all(self) -> Result | SuiteResult:
        locks = TargetLocks(self.scenarios, self._options.lock, self._options.lock_folder)
        try:
            await self._lock(locks)
            return await self._run_kept()
        finally:
            locks.free()

    async def _lock(self, locks: TargetLocks) -> None:
        """Wait for the targets where another run has locked them. Raises FleetError if it is not to be waited for."""
        try:
            while busy := locks.take():
                if self._stopped:
                    raise FleetError(f"not begun: {busy}")
                self._cooling = replace(self.status, note=f"waiting for {duration(round(locks.waited_s))}: {busy}")
                await asyncio.sleep(POLL_S)
        except LockFailed as error:
            raise FleetError(str(error)) from None
        finally:
            self._cooling = None

    async def _run_kept(self) -> Result | SuiteResult:
        exporters = Exporters(self, self._options, self._problems.append)
        result = None
        try:
            result = await super()._run_all()
        finally:
            told = io.StringIO()
            kept = await asyncio.to_thread(exporters.close, result, told)
            self.kept, self.result = told.getvalue().rstrip(), result
            if result is not None and kept is False:
                self._problems.append(saved_elsewhere(result))
        return result


def demo_suite(options: RunOptions, problems: list[str]) -> KeptSuite:
    """Return the demo preset with NATS, server and publisher that are started for it and end with it."""
    unknown = demo_scenario("ws://127.0.0.1/ws", "none yet")
    return KeptSuite(options, problems, [unknown], target=_demo_target())


@asynccontextmanager
async def _demo_target() -> AsyncIterator[Sequence[Scenario]]:
    from wstui.odin.demo_system import DemoTarget  # imports a cryptography library: 70 ms before the first screen

    async with DemoTarget() as target:
        yield [demo_scenario(target.ws_url, target.token)]


def demo_scenario(url: str, token: str) -> Scenario:
    """Return the demo preset for a target."""
    environ = {**os.environ, "WS_URL": url, "AUTH_TOKEN": token}
    scenario = open_preset(DEMO_PRESET, environ, Overrides(proxy="off"), shipped=True)
    assert isinstance(scenario, Scenario)
    return scenario
