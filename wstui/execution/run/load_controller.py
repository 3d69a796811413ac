"""The course of the load: through the stages of the plan, and wherever the operator leads it from there."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from wstui.execution.run.status import RampEvent
from wstui.fleet.fleet import WorkerFleet
from wstui.load.protocol import Arrive, Command, Pace, Pause, Ramp, Resume
from wstui.load.ramp import RampLine
from wstui.measure.format import grouped
from wstui.scenario.load_profile import arrivals, clients_at
from wstui.scenario.model import Scenario, Stage


class PlanClock:
    """A clock that can stand still. Times are nanoseconds of the monotonic clock."""

    def __init__(self) -> None:
        self._begun_ns = 0
        self._held_ns = 0
        self._paused_at: int | None = None

    def start(self, now_ns: int) -> None:
        self._begun_ns, self._held_ns, self._paused_at = now_ns, 0, None

    def pause(self, now_ns: int) -> None:
        """Stand still from now on."""
        if self._paused_at is None:
            self._paused_at = now_ns

    def resume(self, now_ns: int) -> None:
        if self._paused_at is not None:
            self._held_ns += now_ns - self._paused_at
            self._paused_at = None

    @property
    def paused(self) -> bool:
        return self._paused_at is not None

    def held_ns(self, now_ns: int) -> int:
        """Return how long it has stood still in all."""
        return self._held_ns + (now_ns - self._paused_at if self._paused_at is not None else 0)

    def elapsed_ns(self, now_ns: int) -> int:
        """Return how long it has run."""
        return now_ns - self._begun_ns - self.held_ns(now_ns)


class Plan:
    """The stages of a scenario laid on the plan's clock. Skipping a stage moves all later ones forward."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self.stages = tuple(stages)
        self.index = 0
        self._begun_ns = [0] + [-1] * (len(self.stages) - 1)
        self._ended_ns = [-1] * len(self.stages)

    @property
    def over(self) -> bool:
        """Return whether every stage has ended."""
        return self.index >= len(self.stages)

    @property
    def stage(self) -> Stage:
        """The current stage, or the last one when all have ended."""
        return self.stages[min(self.index, len(self.stages) - 1)]

    @property
    def begun_s(self) -> float:
        """When the current stage began, on the plan's clock."""
        return max(0, self._begun_ns[min(self.index, len(self.stages) - 1)]) / 1e9

    def due(self, plan_ns: int) -> bool:
        """Return whether the current stage has lasted as long as planned."""
        return not self.over and plan_ns - self._begun_ns[self.index] >= self.stage.over * 1e9

    def advance(self, plan_ns: int, *, skipped: bool = False) -> None:
        """End the current stage. A stage that ran its time ends on the plan's grid, so lateness does not add up."""
        planned = self._begun_ns[self.index] + round(self.stage.over * 1e9)
        ended = plan_ns if skipped else planned
        self._ended_ns[self.index] = ended
        self.index += 1
        if not self.over:
            self._begun_ns[self.index] = ended

    def elapsed_s(self, index: int, plan_ns: int) -> float:
        """Seconds that stage `index` has lasted so far."""
        if index > self.index:
            return 0.0
        end = self._ended_ns[index] if index < self.index else plan_ns
        return max(0.0, (end - self._begun_ns[index]) / 1e9)

    def left_s(self, plan_ns: int) -> float:
        """Seconds until the last stage ends."""
        if self.over:
            return 0.0
        current = max(0.0, self.stage.over - self.elapsed_s(self.index, plan_ns))
        return current + sum(stage.over for stage in self.stages[self.index + 1 :])

    def clients(self, index: int) -> int:
        """The clients wanted at the end of stage `index`: those of the ramps, and visitors who are still to stay."""
        stages = self.stages[: index + 1]
        return clients_at(stages, sum(stage.over for stage in stages))


NS = 1_000_000_000
CATCH_UP_NS = 3 * NS
ROUNDING_NS = 1_000  # the seconds of stages are added as floats


class LoadController:
    """Where the load stands on the plan's clock. Every change is sent to the fleet, marked, and kept as a turn.

    `entered` is called with each stage as it begins.
    """

    def __init__(
        self, scenario: Scenario, fleet: WorkerFleet, mark: Callable[[str, str], None], entered: Callable[[Stage], None]
    ) -> None:
        self.plan = Plan(scenario.stages)
        self.target_clients = 0
        self.every_s = scenario.messages.every
        self.turns: tuple[RampEvent, ...] = ()
        self._scenario = scenario
        self._fleet = fleet
        self._mark = mark
        self._entered = entered
        self._clock = PlanClock()
        self._line = RampLine(0, 0, 0, 0)  # the ramp that the workers are on, by the plan's clock
        self._visitors = 0  # numbers given to visitors so far
        self._begun = False
        self.overrun_s = 0.0  # for which load was made after the end

    # -- the clock ---------------------------------------------------------------------------------------------

    def start(self, now_ns: int) -> None:
        """Begin with the first stage."""
        self._begun = True
        self._clock.start(now_ns)
        self._enter()

    @property
    def plan_ns(self) -> int:
        """Nanoseconds on the plan's clock, which stands still in a pause; 0 before it was started."""
        return self._clock.elapsed_ns(time.monotonic_ns()) if self._begun else 0

    @property
    def active_s(self) -> float:
        return self.plan_ns / NS + self.overrun_s

    @property
    def paused(self) -> bool:
        """Return whether the clock stands still."""
        return self._clock.paused

    @property
    def paused_s(self) -> float:
        """Seconds it has stood still in all."""
        return self._clock.held_ns(time.monotonic_ns()) / NS

    @property
    def left_s(self) -> float:
        """Seconds until the current stage is over."""
        return max(0.0, self.plan.stage.over - self.plan.elapsed_s(self.plan.index, self.plan_ns))

    def pause(self) -> None:
        """Stop sends, ramps and the clock."""
        self._clock.pause(time.monotonic_ns())
        self._fleet.send(Pause())

    def resume(self) -> None:
        self._clock.resume(time.monotonic_ns())
        self._fleet.send(Resume())

    def stop(self) -> None:
        """Stop the clock for good."""
        self._clock.pause(time.monotonic_ns())

    # -- the stages --------------------------------------------------------------------------------------------

    def advance(self) -> bool:
        """Go on to the next stage where the current one has lasted its time; whether the plan goes on at all."""
        while not self._clock.paused and not self.plan.over and self.plan.due(self.plan_ns):
            self.leave_stage(skipped=False)
        return not self.plan.over

    def leave_stage(self, *, skipped: bool) -> None:
        """End the current stage now."""
        self.plan.advance(self.plan_ns, skipped=skipped)
        if not self.plan.over:
            self._enter(skipped=skipped)

    def _enter(self, *, skipped: bool = False) -> None:
        stage = self.plan.stage
        self._entered(stage)
        if stage.every is not None:
            self._pace(stage.every)
        if stage.clients is not None:
            self._lead(stage.clients, stage.over, by_operator=False)
        elif skipped:
            # The stage that was skipped may have been on its way somewhere: stay where it got to.
            self._lead(self._line.wanted(self.plan_ns), 0, by_operator=False)
        else:
            self._turn(self._line.to, self._left_s(), by_operator=False)
        self._admit(stage, cut=skipped)
        arriving = f", {stage.arrive:g}/s arrive" if stage.arrive else ""
        if self._scenario.breakpoint is None:  # a search marks its own steps
            self._mark("stage", f"{stage.name}: {grouped(self.target_clients)} clients{arriving}, {stage.over:g} s")

    def _admit(self, stage: Stage, *, cut: bool) -> None:
        """Let the visitors of a stage come; `cut`: and no more of the stage before it."""
        if not stage.arrive and not cut:
            return
        self._fleet.send(
            Arrive(
                self._visitors,
                round((stage.arrive or 0.0) * NS),
                round(stage.over * NS),
                round((stage.stay or 0.0) * NS),
                cut,
            )
        )
        self._visitors += arrivals(stage) + 1

    # -- where it is led ---------------------------------------------------------------------------------------

    def ramp_to(self, to: int, over_s: float) -> None:
        """Bring the number of clients to `to` within `over_s` seconds."""
        self.advance()  # a stage that is over has ended before
        self._lead(to, over_s, by_operator=True)

    def catch_up(self) -> list[Command]:
        """Return the commands that bring new workers to where the others are, without a rush."""
        now_ns, stage = self.plan_ns, self.plan.stage
        left_ns = max(self._line.start_ns + self._line.over_ns - now_ns, CATCH_UP_NS)
        commands: list[Command] = [Pace(round(self.every_s * NS)), Ramp(self._line.to, left_ns)]
        if stage.arrive:
            # Other numbers than those which the lost ones had: some of these have come already.
            over_ns = round((stage.over - self.plan.elapsed_s(self.plan.index, now_ns)) * NS)
            commands.append(
                Arrive(self._visitors, round(stage.arrive * NS), max(0, over_ns), round((stage.stay or 0.0) * NS))
            )
            self._visitors += arrivals(stage) + 1
        return [*commands, Pause()] if self._clock.paused else commands

    def set_interval(self, every_s: float) -> None:
        """Let each client send every `every_s` seconds; 0 is a closed loop."""
        self._pace(every_s)
        if self._begun:
            self._turn(self._line.to, self._left_s(), by_operator=True)

    def _pace(self, every_s: float) -> None:
        self.every_s = every_s
        self._fleet.send(Pace(round(every_s * NS)))

    def _left_s(self) -> float:
        """Seconds until the current ramp is there."""
        return max(0.0, (self._line.start_ns + self._line.over_ns - self.plan_ns) / NS)

    def _lead(self, to: int, over_s: float, *, by_operator: bool) -> None:
        # A stage's own ramp begins with the stage, however late that is noticed: it then ends with it too.
        begun_ns = self.plan_ns if by_operator else round(self.plan.begun_s * NS)
        self._turn(to, over_s, by_operator=by_operator)
        before = self._line
        self._line = RampLine(begun_ns, before.wanted(begun_ns), to, round(over_s * NS))
        self.target_clients = to
        self._fleet.send(Ramp(to, round(over_s * NS), before.done(begun_ns + ROUNDING_NS)))

    def _turn(self, to: int, over_s: float, *, by_operator: bool) -> None:
        now_ns = self.plan_ns
        at_s = now_ns / NS if by_operator else self.plan.begun_s
        turn = RampEvent(at_s, self.plan.index, self._line.wanted(now_ns), to, over_s, by_operator, self.every_s)
        self.turns = (*self.turns, turn)
