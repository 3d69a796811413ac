"""Scenarios one after the other, with a pause between them and one combined verdict; a single one is a suite of one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from wstui.execution.breakpoint import run_for
from wstui.execution.probe import probe
from wstui.execution.result import Result, SuiteResult, Verdict
from wstui.execution.status import State, Status, SuiteStatus
from wstui.scenario.model import Scenario

TICK_S = 0.2


class SuiteRun:
    """Runs scenarios in order. Steerable from any thread: commands go to the run that is going on."""

    def __init__(
        self,
        scenarios: Sequence[Scenario],
        *,
        name: str = "",
        cooldown_s: float = 0.0,
        probe_first: bool = True,
        on_result: Callable[[Result], None] | None = None,
    ) -> None:
        """`probe_first` tries one client before the load begins; `on_result` is called after each run."""
        if not scenarios:
            raise ValueError("a suite needs at least one scenario")
        self._scenarios = list(scenarios)
        self._name = name or scenarios[0].name
        self._cooldown_s = cooldown_s
        self._probe_first = probe_first
        self._on_result = on_result
        self._run = run_for(self._scenarios[0])
        self._index = 0
        self._results: list[Result] = []
        self._cooling: Status | None = None
        self._skipped = False
        self._stopped = False

    # -- the operator (any thread) -----------------------------------------------------------------------------

    @property
    def status(self) -> Status:
        """The latest picture of the current run, and where the suite stands."""
        status = self._cooling or self._run.status
        if len(self._scenarios) == 1:
            return status
        if status.state is State.FINISHED and self._index + 1 < len(self._scenarios) and not self._stopped:
            # Between the end of a run and the cooldown after it: not the end of the suite.
            status = replace(status, state=State.COOLDOWN, suite=self._suite_status(self._cooldown_s))
        return status if status.suite is not None else replace(status, suite=self._suite_status(0.0))

    def ramp(self, to: int, over_s: float) -> None:
        """See Steerable."""
        self._run.ramp(to, over_s)

    def pace(self, every_s: float) -> None:
        """See Steerable."""
        self._run.pace(every_s)

    def pause(self) -> None:
        """See Steerable."""
        self._run.pause()

    def resume(self) -> None:
        """See Steerable."""
        self._run.resume()

    def skip(self) -> None:
        """See Steerable."""
        if self._cooling is not None:
            self._skipped = True
        else:
            self._run.skip()

    def drain(self) -> None:
        """See Steerable."""
        self._stopped = True
        self._run.drain()

    def abort(self) -> None:
        """See Steerable."""
        self._stopped = True
        self._run.abort()

    @property
    def scenarios(self) -> Sequence[Scenario]:
        """What is run, in order."""
        return tuple(self._scenarios)

    # -- the suite ---------------------------------------------------------------------------------------------

    def execute(self) -> Result | SuiteResult:
        """Run all and block until the end, for a caller in a thread of its own. Raises as `run` does."""
        return asyncio.run(self.run())

    async def run(self) -> Result | SuiteResult:
        """Run all. Raises Unreachable when the first client finds no server, FleetError when no load can be made."""
        started = datetime.now().astimezone()
        if self._probe_first:
            await probe(self._scenarios[0])
        for index, scenario in enumerate(self._scenarios):
            if index:
                await self._cool_down()
                if self._stopped:
                    break
                self._run = run_for(scenario)
                self._index = index
                self._cooling = None
            if self._stopped:
                self._run.drain()
            result = await self._run.execute()
            self._results.append(result)
            if self._on_result is not None:
                self._on_result(result)
            if result.verdict.aborted:
                break
        if len(self._scenarios) == 1:
            return self._results[0]
        return SuiteResult(
            name=self._name,
            started=started.isoformat(timespec="milliseconds"),
            finished=datetime.now().astimezone().isoformat(timespec="milliseconds"),
            verdict=combine(self._results, [s.name for s in self._scenarios]),
            runs=self._results,
        )

    async def _cool_down(self) -> None:
        until = time.monotonic() + self._cooldown_s
        self._skipped = False
        while not self._skipped and not self._stopped and (left := until - time.monotonic()) > 0:
            self._cooling = replace(self._run.status, state=State.COOLDOWN, suite=self._suite_status(left))
            await asyncio.sleep(min(TICK_S, left))
        if self._stopped:
            self._cooling = None

    def _suite_status(self, left_s: float) -> SuiteStatus:
        passed: list[bool | None] = [result.passed for result in self._results]
        return SuiteStatus(
            tuple(scenario.name for scenario in self._scenarios),
            self._index,
            tuple(passed + [None] * (len(self._scenarios) - len(passed))),
            self._cooldown_s,
            left_s,
        )


def combine(results: Sequence[Result], names: Sequence[str]) -> Verdict:
    """One verdict for several runs: passed when all were run and each passed."""
    broken = [
        f"{name}: {result.verdict.reason}" for name, result in zip(names, results, strict=False) if not result.passed
    ]
    missing = list(names[len(results) :])
    if missing:
        broken.append(f"not run: {', '.join(missing)}")
    return Verdict(
        passed=not broken,
        reason="; ".join(broken) if broken else f"all {len(results)} runs passed",
        generator_limited=any(result.verdict.generator_limited for result in results),
        aborted=bool(missing) or any(result.verdict.aborted for result in results),
        unreachable=any(result.verdict.unreachable for result in results),
        thresholds=[outcome for result in results for outcome in result.verdict.thresholds],
    )
