"""Finds the largest load at which the thresholds hold: one run, steered from step to step as the search wants it."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from dataclasses import replace

import msgspec

from wstui.execution.preflight.host_checks import host_warnings
from wstui.execution.run import commands
from wstui.execution.run.client_watches import UNTRACED, Tracing
from wstui.execution.run.result import NOT_STARTED, BreakpointStep, BreakpointSummary, Result
from wstui.execution.run.result_sections import Verdict
from wstui.execution.run.run import Run
from wstui.execution.run.state import State
from wstui.execution.run.status import BreakpointStatus, StageStatus, Status
from wstui.execution.run.verdict import undecided
from wstui.execution.search.bisect import Bisection
from wstui.execution.search.drivers import KINDS, Ended
from wstui.execution.search.step import judge_step
from wstui.execution.search.summary import breaking, deciding, summary_of, summary_so_far
from wstui.fleet.transport import Transport
from wstui.measure.format import grouped
from wstui.scenario.model import Scenario, Stage
from wstui.scenario.secret_fields import masked

STAGE = "search"
SPARE_S = 60.0
TRIES = 3
"""A generator that was its own limit this often at one load is too weak for it."""


class BreakpointRun:
    """A search for a limit: a run whose load the search sets."""

    def __init__(self, scenario: Scenario, *, transport: Transport | None = None, tracing: Tracing = UNTRACED) -> None:
        """Raises ValueError when the scenario asks for no such search."""
        if scenario.breakpoint is None:
            raise ValueError("the scenario has no [breakpoint]")
        self.scenario = scenario
        asked = self._asked = scenario.breakpoint
        self._run = Run(_host_scenario(scenario), transport=transport, host_warnings=host_warnings, tracing=tracing)
        self._search = Bisection(asked.first, asked.largest, asked.factor, asked.precision)
        self._steering = KINDS[asked.of](self._run, scenario, self._begin_phase)
        self._steps: list[BreakpointStep] = []
        self._outcomes = tuple(undecided(scenario))
        self._masked = masked(scenario)
        self._load = 0
        self._phases: list[tuple[str, float, float]] = []  # name, planned seconds, when it began
        self._limited: list[str] = []
        self._ended = ""
        self._result: Result | None = None

    # -- the operator (any thread) -----------------------------------------------------------------------------

    @property
    def status(self) -> Status:
        """The latest picture."""
        status = self._run.status
        if status.state.ended and self._result is None:
            status = replace(status, state=State.DRAINING)
        search = self._search
        stages = self._stages(status)
        left = sum(stage.planned_s - stage.elapsed_s for stage in stages) + search.left * self._asked.step_s
        broke = breaking(self._steps, search.high)
        found = BreakpointStatus(
            self._asked.of,
            self._asked.unit,
            self._load,
            self._phases[-1][0] if self._phases else "",
            search.low,
            search.high,
            broke.broken_on if broke is not None else "",
            tuple(self._steps),
        )
        return replace(
            status,
            scenario=self.scenario,
            plan_total_s=status.plan_s + (0.0 if status.state.ended else max(0.0, left)),
            stages=stages,
            breakpoint=found,
            note=self._result.breakpoint.sentence if self._result and self._result.breakpoint else status.note,
            result=self._result or self._so_far(status.result, found),
        )

    def _so_far(self, result: Result, found: BreakpointStatus) -> Result:
        verdict = msgspec.structs.replace(NOT_STARTED.verdict, thresholds=list(self._outcomes))
        return msgspec.structs.replace(
            result,
            scenario=self._masked,
            verdict=verdict,
            timeline=[],
            events=[],
            histograms={},
            # each step says whether the generator was its limit
            generator=msgspec.structs.replace(result.generator, limited_by=self._limited),
            breakpoint=summary_so_far(found),
        )

    def send(self, command: commands.RunCommand, *, by: str = commands.OPERATOR) -> Future[commands.CommandAnswer]:
        """Pass a command to the run; the search refuses to have its load set, and ends when its stage is skipped."""
        status = self.status
        why = commands.refusal(command, status)
        if why and isinstance(command, (commands.RampTo, commands.SetInterval)):
            what = (
                f"{grouped(command.clients)} clients"
                if isinstance(command, commands.RampTo)
                else f"every {command.every_s:g} s"
            )
            self._run.note("operator", f"{by}: {what} not done: {why}")
            return commands.answered(commands.CommandAnswer(False, why))
        if not isinstance(command, commands.SkipStage):
            return self._run.send(command, by=by)
        if not why:
            self._ended = "ended by the operator before it was known more precisely"
            self._steering.ended = True
            if by != commands.OPERATOR:
                self._run.note("operator", f"{by}: search ended")
        return commands.answered(commands.CommandAnswer(not why, why or commands.carried_out(command, status)))

    def note(self, kind: str, text: str) -> None:
        """Mark the timeline, from any thread."""
        self._run.note(kind, text)

    def close(self) -> None:
        """Answer that the run has ended to whatever is sent from now on."""
        self._run.close()

    # -- the search --------------------------------------------------------------------------------------------

    async def execute(self) -> Result:
        """Search until the limit is known, or until drained or aborted. Raises FleetError when no load can be made."""
        running = asyncio.create_task(self._run.execute())
        searching = asyncio.create_task(self._find())
        try:
            await asyncio.wait({running, searching}, return_when=asyncio.FIRST_COMPLETED)
            if searching.done() and searching.exception() is not None:
                self._run.send(commands.AbortRun())
            else:
                self._run.send(commands.CompletePlan())
            result = await running
        finally:
            searching.cancel()
        if searching.done() and not searching.cancelled():
            searching.result()
        elif not self._ended:
            self._ended = "it took longer than it should have"
        self._result = self._conclude(result)
        return self._result

    async def _find(self) -> None:
        try:
            await self._steering.prepare()
            while (load := self._search.next()) is not None and await self._try(load):
                pass
        except Ended:
            self._ended = self._ended or "it was ended before it was known more precisely"

    async def _try(self, load: int) -> bool:
        """One step; whether it makes sense to go on."""
        step = await self._step(load)
        for _ in range(TRIES - 1):
            if step.held is not None:
                break
            # Something else on this machine may have been in the way.
            await self._steering.settle_after_break(self._search.low or 0)
            step = await self._step(load)
        if step.held is None:
            self._limited = step.why.split("; ")
            return False
        if step.held:
            self._search.held(load)
            return True
        self._search.broke(load)
        if not self._steering.counters.ready:
            return False
        return self._search.next() is None or await self._recover()

    async def _step(self, load: int) -> BreakpointStep:
        self._load, self._phases = load, []
        self._run.note("stage", f"step {len(self._steps) + 1}: {grouped(load)} {self._asked.unit}")
        step = judge_step(await self._steering.step(load), self.scenario.thresholds, self._asked.precision)
        self._outcomes = tuple(step.thresholds)
        self._steps.append(step)
        told = f"{grouped(load)} {self._asked.unit}"
        if step.held is None:
            self._run.note("generator", f"{told}: this generator was the limit: {step.why}")
        else:
            self._run.note("kept" if step.held else "broken", f"{told} hold" if step.held else f"{told}: {step.why}")
        return step

    async def _recover(self) -> bool:
        """Back off to the last load that held until it holds again; whether it does."""
        low = self._search.low or 0
        self._load, self._phases = low, []
        await self._steering.settle_after_break(low)
        if not low:
            return True
        deadline_s = self._run.active_s + self._asked.recover
        while True:
            self._phases = []
            self._begin_phase("recover", self._asked.step_s)
            again = judge_step(await self._steering.step(low), self.scenario.thresholds, self._asked.precision)
            self._outcomes = tuple(again.thresholds)
            if again.held:
                return True
            if self._run.active_s >= deadline_s:
                self._ended = (
                    f"the target did not recover at {grouped(low)} within {self._asked.recover:g} s "
                    f"({again.why or 'the generator was the limit'})"
                )
                return False

    # -- the picture and the result ----------------------------------------------------------------------------

    def _begin_phase(self, name: str, planned_s: float) -> None:
        if not (self._phases and self._phases[0][0] == "recover"):
            self._phases = [*self._phases, (name, planned_s, self._run.active_s)]

    def _stages(self, status: Status) -> tuple[StageStatus, ...]:
        phases = self._phases
        now = status.plan_s
        stages = []
        for index, (name, planned_s, began_s) in enumerate(phases):
            last = index + 1 == len(phases)
            until = now if last else phases[index + 1][2]
            elapsed = min(max(0.0, until - began_s), planned_s)
            stages.append(StageStatus(name, planned_s, elapsed, self._load, done=not last, current=last))
        return tuple(stages)

    def _conclude(self, result: Result) -> Result:
        found = summary_of(self._asked, self._search, self._steps, self._limited, self._ended)
        return msgspec.structs.replace(
            result,
            scenario=self._masked,
            verdict=self._verdict(result.verdict, found),
            generator=msgspec.structs.replace(
                result.generator, limited_by=self._limited if result.verdict.passed else result.generator.limited_by
            ),
            breakpoint=found,
        )

    def _verdict(self, run: Verdict, found: BreakpointSummary) -> Verdict:
        """Passed when some load held and the run came to its end."""
        return Verdict(
            passed=run.passed and found.low is not None,
            reason=found.sentence if run.passed else f"{run.reason}; {found.sentence}",
            generator_limited=bool(self._limited),
            aborted=run.aborted,
            drained=run.drained,
            unreachable=run.unreachable,
            generator_lost=run.generator_lost,
            no_load=run.no_load,
            script_failed=run.script_failed,
            invalid=run.invalid,
            thresholds=deciding(self._steps, found.low),
        )


def run_for(
    scenario: Scenario, *, transport: Transport | None = None, tracing: Tracing = UNTRACED
) -> Run | BreakpointRun:
    """Return the object that executes a scenario: a run through its stages, or a search for the limit."""
    if scenario.breakpoint is not None:
        return BreakpointRun(scenario, transport=transport, tracing=tracing)
    return Run(scenario, transport=transport, host_warnings=host_warnings, tracing=tracing)


def _host_scenario(scenario: Scenario) -> Scenario:
    """The scenario as one long stage without thresholds, which the search judges for itself."""
    asked = scenario.breakpoint
    assert asked is not None
    messages = scenario.messages
    if asked.of == "messages":
        messages = messages.model_copy(update={"every": asked.clients / asked.first})
    stage = Stage(name=STAGE, over=2 * asked.longest_s + asked.recover + SPARE_S, clients=0)
    return scenario.model_copy(update={"stages": [stage], "thresholds": [], "messages": messages})
