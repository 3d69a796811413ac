"""The plan's clock: which stage a run is in and for how long yet. Pure: time is given, never read."""

from __future__ import annotations

from collections.abc import Sequence

from wstui.scenario.load_profile import clients_at
from wstui.scenario.model import Stage


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
