"""Cuts what the fleet counts into the seconds and the stages of the timeline, once every worker has reported so far."""

from __future__ import annotations

import asyncio
import time
from collections import deque

from wstui.execution.run.timeline_recorder import Recorder
from wstui.fleet.fleet import Fleet
from wstui.measure.snapshot import Totals
from wstui.scenario.model import Stage

NS = 1_000_000_000
PATIENCE_NS = 600_000_000
"""A row waits this long for a slow worker's snapshot before it is written without it."""
_MARGIN_S = 0.1
_COUNT_TICK_S = 0.02


class Sampler:
    """Writes into a recorder. Times are seconds since the run began, paused time included."""

    def __init__(self, recorder: Recorder, fleet: Fleet) -> None:
        self._recorder = recorder
        self._fleet = fleet
        self._begun_ns = 0
        self._row_totals = Totals()
        self._rows_due = 1
        self._began: list[tuple[float, str]] = []  # when each stage began, by name; the drain too
        self._boundaries: deque[tuple[Stage, float, float]] = deque()

    def start(self, now_ns: int) -> None:
        """Second 0 is now, in nanoseconds of the monotonic clock."""
        self._begun_ns = now_ns

    @property
    def at_ns(self) -> int:
        """Nanoseconds since the run began; 0 before."""
        return time.monotonic_ns() - self._begun_ns if self._begun_ns else 0

    @property
    def at_s(self) -> float:
        """The same in seconds."""
        return self.at_ns / NS

    def since_s(self, at_ns: int) -> float:
        """Seconds of the run at a moment on the monotonic clock, not after now."""
        return min(max(0.0, (at_ns - self._begun_ns) / NS), self.at_s) if self._begun_ns else 0.0

    def enter(self, stage: Stage, active_s: float) -> None:
        """A stage begins now; `active_s` is the plan's clock."""
        self._boundaries.append((stage, self.at_s, active_s))
        self.name(stage.name)

    def name(self, name: str) -> None:
        """The rows of what begins now have this name."""
        self._began.append((self.at_s, name))

    def cut_stages(self, *, at_once: bool = False) -> None:
        """Cut the counts where a stage began, as soon as every worker has reported up to that moment."""
        while self._boundaries:
            stage, at_s, active_s = self._boundaries[0]
            waited_ns = self.at_ns - round(at_s * NS)
            if not (at_once or self._fleet.reached(round(at_s * NS)) or waited_ns > PATIENCE_NS):
                return
            self._boundaries.popleft()
            # The first stage begins with the run: nothing was counted before it.
            now = Totals()
            if self._recorder.stages:
                now = self._fleet.totals.sum()
                active_s += now.at_ns / NS - at_s
            self._recorder.begin_stage(stage.name, stage.is_cooldown, at_s, now, active_s)

    def write_row(self, *, paused: bool) -> bool:
        """Write the row of the second that is over, where there is one; whether there was."""
        due_ns = self._rows_due * NS
        elapsed = self.at_ns
        if elapsed < due_ns or not (self._fleet.reached(due_ns) or elapsed > due_ns + PATIENCE_NS):
            return False
        now = self._fleet.totals.sum()
        at_s = float(self._rows_due)
        # The row belongs to the stage in which its interval lay, not to the one that has begun since.
        stage = next((name for began_s, name in reversed(self._began) if began_s < at_s - _MARGIN_S), "")
        self._recorder.row(at_s, self._row_totals, now, stage, paused, self._fleet.totals.take_health())
        self._recorder.latest = now
        self._row_totals = now
        self._rows_due = max(self._rows_due + 1, elapsed // NS)
        return True

    def overrun_s(self, ended_s: float) -> float:
        """Seconds for which messages were sent after the end that was asked for; 0 where that was obeyed."""
        late_ns = self._fleet.totals.sent_at_ns - round(ended_s * NS)
        return late_ns / NS if late_ns > PATIENCE_NS else 0.0

    async def whole(self) -> None:
        """Wait until the second that has just ended can be written, before clients begin to leave."""
        due_ns = self._rows_due * NS
        while (elapsed := self.at_ns) >= due_ns:
            if self._fleet.reached(due_ns) or elapsed > due_ns + PATIENCE_NS:
                return
            await asyncio.sleep(_COUNT_TICK_S)

    async def counted(self) -> tuple[Totals, float]:
        """What every worker has counted up to now, and how many seconds ago that was counted."""
        until_ns = self.at_ns
        while not self._fleet.reached(until_ns):
            await asyncio.sleep(_COUNT_TICK_S)
            if self.at_ns - until_ns > PATIENCE_NS:
                break
        counted = self._fleet.totals.sum()
        return counted, (self.at_ns - counted.at_ns) / NS
