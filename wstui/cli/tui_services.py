"""What the terminal can set going by itself: a preset, the demo with a server of its own, one connection, kept runs."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wstui.cli.exporters import Exporters
from wstui.cli.output_files import FLAGS, saved_elsewhere
from wstui.cli.rerun import scenario_of
from wstui.cli.run_refs import shown_by
from wstui.execution.run.result import Result, SuiteResult
from wstui.execution.run.status import Status
from wstui.report.store.store import Store, StoredRun, default_path
from wstui.scenario.checks import check
from wstui.scenario.model import Scenario
from wstui.scenario.presets import open_preset
from wstui.tui.kit.format import tilde
from wstui.tui.services import Launcher

if TYPE_CHECKING:
    from wstui.execution.preflight.checklist import Check
    from wstui.execution.preflight.probe import Probe
    from wstui.execution.run.suite import SuiteRun
    from wstui.report.analysis.compare import Comparison

# What carries out a run is loaded when the first one begins: together it takes as long as a fifth of the start.
DEMO_PRESET = "quick"


class Launched:
    """A suite that is kept in the store while it runs: what the terminal watches and steers."""

    def __init__(self, suite: SuiteRun, options: dict[str, Any], troubles: list[str]) -> None:
        """`troubles` hears what goes wrong with keeping the run: it has no place on a screen that shows one."""
        self.suite = suite
        self.kept = ""
        """Where the run is kept, once it is, in words for the terminal."""
        self.result: Result | SuiteResult | None = None
        self._options = options
        self._troubles = troubles

    @property
    def status(self) -> Status:
        """See Steerable."""
        return self.suite.status

    def ramp(self, to: int, over_s: float) -> None:
        """See Steerable."""
        self.suite.ramp(to, over_s)

    def pace(self, every_s: float) -> None:
        """See Steerable."""
        self.suite.pace(every_s)

    def pause(self) -> None:
        """See Steerable."""
        self.suite.pause()

    def resume(self) -> None:
        """See Steerable."""
        self.suite.resume()

    def skip(self) -> None:
        """See Steerable."""
        self.suite.skip()

    def redistribute(self) -> None:
        """See Steerable."""
        self.suite.redistribute()

    def drain(self) -> None:
        """See Steerable."""
        self.suite.drain()

    def abort(self) -> None:
        """See Steerable."""
        self.suite.abort()

    def execute(self) -> Result | SuiteResult:
        """Carry it out; blocks."""
        return asyncio.run(self._carry_out())

    async def _carry_out(self) -> Result | SuiteResult:
        followers = Exporters(self, self._options, self._troubles.append)
        result = None
        try:
            result = await self.suite.run()
        finally:
            told = io.StringIO()
            kept = await asyncio.to_thread(followers.close, result, told)
            self.kept, self.result = told.getvalue().rstrip(), result
            if result is not None and kept is False:
                self._troubles.append(saved_elsewhere(result))
        return result


class LaunchedPresets(Launched):
    """Presets against a server that is there before and after: they can be run again."""

    @property
    def scenarios(self) -> Sequence[Scenario]:
        """What is run, in order."""
        return self.suite.scenarios

    @property
    def name(self) -> str:
        """Of all of it."""
        return self.suite.name

    @property
    def cooldown_s(self) -> float:
        """Seconds between two runs."""
        return self.suite.cooldown_s


class LaunchedDemo(Launched):
    """The preset `quick` against NATS, server and publisher that are started for it and end with it."""

    def __init__(self, options: dict[str, Any], troubles: list[str]) -> None:
        super().__init__(_demo_suite("ws://127.0.0.1:1/ws", "none yet"), options, troubles)
        self._ended = False

    def drain(self) -> None:
        """See Steerable."""
        self._ended = True
        super().drain()

    def abort(self) -> None:
        """See Steerable."""
        self._ended = True
        super().abort()

    async def _carry_out(self) -> Result | SuiteResult:
        from wstui.odin.demo_system import (
            DemoTarget,  # brings a cryptography library along: 70 ms before the first screen
        )

        async with DemoTarget() as target:
            self.suite = _demo_suite(target.ws_url, target.token)
            # Asked last: who ends it from another thread has told either this run or us.
            if self._ended:
                self.suite.drain()
            return await super()._carry_out()


def _demo_suite(url: str, token: str) -> SuiteRun:
    from wstui.execution.run.suite import SuiteRun

    environ = {**os.environ, "WS_URL": url, "AUTH_TOKEN": token}
    scenario = open_preset(DEMO_PRESET, environ, {"proxy": "off"}, shipped=True)
    assert isinstance(scenario, Scenario)
    return SuiteRun([scenario])


class StoredRuns:
    """The runs in the store, as the screens want them."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    @contextmanager
    def _store(self) -> Iterator[Store]:
        store = Store(self._path)
        try:
            yield store
        finally:
            store.close()

    def newest(self, limit: int) -> Sequence[StoredRun]:
        """The newest first."""
        with self._store() as store:
            return store.runs(limit=limit)

    def result(self, number: int) -> Result:
        """All of a run."""
        with self._store() as store:
            return store.result(number)

    def compare(self, before: int, after: int) -> Comparison:
        """Two runs, metric by metric."""
        from wstui.report.analysis.compare import compare

        with self._store() as store:
            runs = [store.run(number) for number in (before, after)]
            results = [store.result(number) for number in (before, after)]
        return compare(
            results[0],
            results[1],
            names=(f"{before}", f"{after}"),
            environments=(runs[0].environment, runs[1].environment),
        )

    def delete(self, numbers: Sequence[int]) -> None:
        """Delete runs."""
        with self._store() as store:
            store.delete(numbers)

    def tag(self, number: int, tags: Sequence[str]) -> None:
        """Give a run these tags, and no others."""
        with self._store() as store:
            for tag in tags:
                store.tag(number, tag)
            for tag in store.run(number).tags:
                if tag not in tags:
                    store.untag(tag)

    def scenario(self, number: int) -> Scenario:
        """What a run was asked to do. Raises ScenarioError where a secret that it needs was not kept."""
        with self._store() as store:
            return scenario_of(store.run(number).summary)

    def command(self, number: int) -> str:
        """What shows a run in a shell."""
        return shown_by(number, self._path)

    @property
    def place(self) -> str:
        """The file of the store."""
        return tilde(self._path or default_path())


def launcher(options: dict[str, Any], troubles: list[str], begun: list[Launched]) -> Launcher:
    """All of it, with the options of the command where they say how runs are kept.

    `troubles` hears what is to be said when the terminal is given back; `begun` is filled with what was set going.
    """
    keeping = {name: options.get(name) for name in ("store_path", "no_store", "log_level")}
    path = options.get("store_path")

    def launch(scenarios: Sequence[Scenario], name: str, cooldown_s: float) -> LaunchedPresets:
        from wstui.execution.run.suite import SuiteRun

        for scenario in scenarios:
            check(scenario)
        begun.append(made := LaunchedPresets(SuiteRun(scenarios, name=name, cooldown_s=cooldown_s), keeping, troubles))
        return made

    def demo() -> LaunchedDemo:
        begun.append(made := LaunchedDemo(keeping, troubles))
        return made

    def checks(scenarios: Sequence[Scenario], pauses_s: float) -> AsyncIterator[Check]:
        from wstui.execution.preflight.preflight import preflight

        return preflight(scenarios, pauses_s, os.environ.get("NATS_URL", ""))

    async def connect(scenario: Scenario, seen: Probe) -> None:
        from wstui.execution.preflight.smoke_test import first_client

        await first_client(scenario, seen)

    return Launcher(
        launch,
        demo=demo,
        connect=connect,
        preflight=checks,
        runs=None if options.get("no_store") else StoredRuns(Path(path) if path else None),
        reports={form: str(file) for form, flag in FLAGS.items() if (file := options.get(flag))},
    )
