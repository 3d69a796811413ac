"""Scenarios one after the other, with a pause between them and one combined verdict; a single one is a suite of one."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime

from wstui.execution.preflight.probe import probe
from wstui.execution.run import commands
from wstui.execution.run.client_watches import Tracing
from wstui.execution.run.result import Result, SuiteResult
from wstui.execution.run.result_sections import Verdict
from wstui.execution.run.state import State
from wstui.execution.run.status import Status, SuiteStatus
from wstui.execution.run.verdict import all_of
from wstui.execution.search.breakpoint_search import run_for
from wstui.fleet.transport import FleetError
from wstui.load.protocol import TraceLine
from wstui.scenario.model import Scenario

TICK_S = 0.2
_TRACED = 10_000
"""So many traced messages wait to be printed; older ones go."""


class SuiteRun:
    """Runs scenarios in order. `send` passes commands to the current run, from any thread."""

    is_remote = False
    read_only = False

    def __init__(
        self,
        scenarios: Sequence[Scenario],
        *,
        name: str = "",
        cooldown_s: float = 0.0,
        probe_first: bool = True,
        on_result: Callable[[Result], None] | None = None,
        first: int = 0,
        earlier: Sequence[Result | None] = (),
        target: AbstractAsyncContextManager[Sequence[Scenario]] | None = None,
        trace: int = 0,
    ) -> None:
        """`probe_first` tries one client before the load begins; `on_result` is called after each run.

        `target` starts what the suite is run against; on entry it returns the scenarios with the real addresses.
        `trace` is how many clients of each role are followed: their messages go to `traced`.

        A suite that is resumed begins at scenario number `first` (from 0); `earlier` are the results of those before
        it, or None: they are skipped.
        """
        if not 0 <= first < len(scenarios):
            raise ValueError(f"a suite of {len(scenarios)} scenarios has none to begin with at {first}")
        self.scenarios: Sequence[Scenario] = tuple(scenarios)
        self.name = name or scenarios[0].name
        self.cooldown_s = cooldown_s
        self._target = target
        self._preparing = target is not None
        self._probe_first = probe_first
        self._on_result = on_result
        self._first = first
        self._earlier = [*earlier, *[None] * first][:first]
        self.traced: deque[TraceLine] = deque(maxlen=_TRACED)
        self._tracing = Tracing(trace, self.traced.append)
        self._run = run_for(self.scenarios[first], tracing=self._tracing)
        self._index = first
        self._results: list[Result] = []
        self._cooling: Status | None = None
        self._skipped = False
        self._by = ""
        """Who has ended the cooldown, if it was not the operator here."""
        self._stopped = False
        self._fault = ""  # why a run could not be made
        self.at_end: Callable[[], None] = lambda: None

    # -- the operator (any thread) -----------------------------------------------------------------------------

    @property
    def status(self) -> Status:
        """The latest picture of the current run, and where the suite stands."""
        status = self._cooling or self._run.status
        if len(self.scenarios) == 1:
            return status
        if status.state is State.FINISHED and self._index + 1 < len(self.scenarios) and not self._stopped:
            # Between the end of a run and the cooldown after it: not the end of the suite.
            status = replace(status, state=State.COOLDOWN, suite=self._suite_status(self.cooldown_s))
        return status if status.suite is not None else replace(status, suite=self._suite_status(0.0))

    def send(self, command: commands.RunCommand, *, by: str = commands.OPERATOR) -> Future[commands.CommandAnswer]:
        """Hand a command to the current run; the end of a run ends the suite too. From any thread."""
        if isinstance(command, (commands.DrainRun, commands.AbortRun)):
            self._stopped = True
        status = self.status
        if status.state is not State.COOLDOWN and not self._preparing:
            return self._run.send(command, by=by)
        why = commands.refusal(command, status)
        if not why:
            self._skipped = True
            self._by = "" if by == commands.OPERATOR else by
        return commands.answered(commands.CommandAnswer(not why, why or commands.carried_out(command, status)))

    @property
    def pauses_s(self) -> float:
        """Seconds of all cooldowns between the runs."""
        return self.cooldown_s * (len(self.scenarios) - 1)

    # -- the suite ---------------------------------------------------------------------------------------------

    def execute(self) -> Result | SuiteResult:
        """Run all and block until the end, for a caller in a thread of its own. Raises as `run` does."""
        return asyncio.run(self.run())

    async def run(self) -> Result | SuiteResult:
        """Run all. Raises Unreachable when the first client finds no server, FleetError when no load can be made."""
        try:
            if self._target is None:
                return await self._run_all()
            async with self._target as scenarios:
                self.scenarios = tuple(scenarios)
                before, self._run = self._run, run_for(scenarios[self._first], tracing=self._tracing)
                self._preparing = False
                before.close()
                return await self._run_all()
        finally:
            self._run.close()
            self.at_end()

    async def _run_all(self) -> Result | SuiteResult:
        started = datetime.now().astimezone()
        if self._probe_first and not self.scenarios[self._first].fleet.is_remote:
            await probe(self.scenarios[self._first])  # other machines look for the target themselves
        for index in range(self._first, len(self.scenarios)):
            if index > self._first:
                await self._cool_down()
                if self._stopped:
                    break
                self._run = run_for(self.scenarios[index], tracing=self._tracing)
                self._index = index
                self._cooling = None
                if self._by:
                    self._run.note("operator", f"{self._by}: cooldown skipped")
            if self._stopped:
                self._run.send(commands.DrainRun())
            try:
                result = await self._run.execute()
            except FleetError as error:
                if not self._results:
                    raise
                self._fault = str(error)  # what was measured before is worth keeping
                break
            self._results.append(result)
            if self._on_result is not None:
                self._on_result(result)
            if result.verdict.aborted:
                break
        if len(self.scenarios) == 1:
            return self._results[0]
        names = [scenario.name for scenario in self.scenarios]
        return SuiteResult(
            name=self.name,
            started=started.isoformat(timespec="milliseconds"),
            finished=datetime.now().astimezone().isoformat(timespec="milliseconds"),
            verdict=combine([*self._earlier, *self._results], names, first=self._first, fault=self._fault, by=self._by),
            runs=[*(result for result in self._earlier if result is not None), *self._results],
            skipped=[name for name, result in zip(names, self._earlier, strict=False) if result is None],
        )

    async def _cool_down(self) -> None:
        until = time.monotonic() + self.cooldown_s
        self._skipped, self._by = False, ""
        while not self._skipped and not self._stopped and (left := until - time.monotonic()) > 0:
            self._cooling = replace(self._run.status, state=State.COOLDOWN, suite=self._suite_status(left))
            await asyncio.sleep(min(TICK_S, left))
        if self._stopped:
            self._cooling = None

    def _suite_status(self, left_s: float) -> SuiteStatus:
        passed = [None if result is None else result.passed for result in [*self._earlier, *self._results]]
        return SuiteStatus(
            tuple(scenario.name for scenario in self.scenarios),
            self._index,
            tuple(passed + [None] * (len(self.scenarios) - len(passed))),
            self.cooldown_s,
            left_s,
            self.name,
        )


def combine(
    results: Sequence[Result | None], names: Sequence[str], *, first: int = 0, fault: str = "", by: str = ""
) -> Verdict:
    """One verdict for several runs: passed when all were run and each passed.

    The suite was begun at number `first`. The results before that are of an earlier time, or None where there is
    none: what was skipped is named and not judged. `fault` says why the next one could not be run, `by` who did not
    want it.
    """
    judged = [(name, result) for name, result in zip(names, results, strict=False) if result is not None]
    told = [f"{name}: {result.verdict.reason}" for name, result in judged if not result.passed]
    missing = list(names[len(results) :])
    if missing:
        why = fault or (f"ended by {by}" if by else "")
        told.append(f"not run: {', '.join(missing)}" + (f" ({why})" if why else ""))
    passed = not told
    if passed:
        told = [f"{all_of(len(judged))} runs passed" if len(judged) > 1 else f"{judged[0][0]} passed"]
        if limited := [name for name, result in judged if result.verdict.generator_limited]:
            told[0] += f", but the generator was the limit of {', '.join(limited)}"
    before = list(zip(names, results[:first], strict=False))
    told += [f"{name} as it was at {result.started}" for name, result in before if result is not None]
    if skipped := [name for name, result in before if result is None]:
        told.append(f"skipped: {', '.join(skipped)}")
    found = [result for _, result in judged]
    ended = (bool(missing) and not fault) or any(result.verdict.aborted for result in found)
    return Verdict(
        passed=passed,
        reason="; ".join(told),
        generator_limited=any(result.verdict.generator_limited for result in found),
        aborted=ended,
        drained=ended and all(result.verdict.drained for result in found if result.verdict.aborted),
        unreachable=any(result.verdict.unreachable for result in found),
        thresholds=[outcome for result in found for outcome in result.verdict.thresholds],
        generator_lost=any(result.verdict.generator_lost for result in found),
        no_load=any(result.verdict.no_load for result in found),
        script_failed=any(result.verdict.script_failed for result in found),
        invalid=any(result.verdict.invalid for result in found),
    )
