"""Cuts the fleet's totals into seconds and stages, each as soon as every worker has reported up to its end."""

from __future__ import annotations

import asyncio
import time
from collections import deque

from wstui.execution.run.timeline_recorder import TimelineRecorder
from wstui.fleet.fleet import WorkerFleet
from wstui.measure.snapshot import Totals
from wstui.scenario.model import Stage

NS = 1_000_000_000
PATIENCE_NS = 600_000_000
"""A row waits this long for the snapshot of a slow worker."""
_MARGIN_S = 0.1
_COUNT_TICK_S = 0.02


class Sampler:
    """Writes into a recorder. Times are in seconds since the run began, including pauses."""

    def __init__(self, recorder: TimelineRecorder, fleet: WorkerFleet) -> None:
        self._recorder = recorder
        self._fleet = fleet
        self._begun_ns = 0
        self._row_totals = Totals()
        self._stalled_s = 0.0
        self._rows_due = 1
        self._began: list[tuple[float, str]] = []  # start and name of each stage, and of the drain
        self._boundaries: deque[tuple[Stage, float, float]] = deque()

    def start(self, now_ns: int) -> None:
        """Begin second 0 at `now_ns` of the monotonic clock."""
        self._begun_ns = now_ns
        self._fleet.clock.begin()

    @property
    def at_ns(self) -> int:
        """Return nanoseconds since the run began, or 0 before."""
        return time.monotonic_ns() - self._begun_ns if self._begun_ns else 0

    @property
    def at_s(self) -> float:
        return self.at_ns / NS

    def since_s(self, at_ns: int) -> float:
        """Return the run's seconds at a moment of the monotonic clock, at most now."""
        return min(max(0.0, (at_ns - self._begun_ns) / NS), self.at_s) if self._begun_ns else 0.0

    def enter(self, stage: Stage, active_s: float) -> None:
        """Begin a stage; `active_s` is the plan's clock."""
        self._boundaries.append((stage, self.at_s, active_s))
        self.name(stage.name)

    def name(self, name: str) -> None:
        """Use this stage name for rows from now on."""
        self._began.append((self.at_s, name))

    def cut_stages(self, *, at_once: bool = False) -> None:
        """Cut the totals at the start of each stage that every worker has reached."""
        while self._boundaries:
            stage, at_s, active_s = self._boundaries[0]
            waited_ns = self.at_ns - round(at_s * NS)
            if not (at_once or self._fleet.reached(round(at_s * NS)) or waited_ns > PATIENCE_NS):
                break
            self._boundaries.popleft()
            # Nothing is counted before the first stage.
            now = Totals()
            if self._recorder.stages:
                now = self._fleet.totals.sum()
                active_s += now.at_ns / NS - at_s
            self._recorder.begin_stage(stage.name, stage.is_cooldown, at_s, now, active_s)
        if (settles_s := self._recorder.settles_s) is not None and self._fleet.reached(round(settles_s * NS)):
            self._recorder.settled(self._fleet.totals.counters().ready)

    def write_row(self, *, paused: bool) -> bool:
        """Write the row of the last complete second, if it is due; return whether it was."""
        due_ns = self._rows_due * NS
        elapsed = self.at_ns
        if elapsed < due_ns or not (self._fleet.reached(due_ns) or elapsed > due_ns + PATIENCE_NS):
            return False
        now = self._fleet.totals.sum()
        # A process that stood still writes one row for all that it missed.
        second = max(self._rows_due, now.at_ns // NS)
        at_s = float(second)
        # The row belongs to the stage of its interval, not to one that has begun since.
        stage = next((name for began_s, name in reversed(self._began) if began_s < at_s - _MARGIN_S), "")
        self._recorder.row(at_s, self._row_totals, now, stage, paused, self._fleet.totals.take_health())
        self._recorder.latest = now
        self._row_totals = now
        self._rows_due = max(second + 1, elapsed // NS)
        return True

    def overrun_s(self, ended_s: float) -> float:
        """Return for how many seconds messages were sent after the requested end; 0 if it was obeyed."""
        late_ns = self._fleet.totals.sent_at_ns - round(ended_s * NS)
        return late_ns / NS if late_ns > PATIENCE_NS else 0.0

    async def wait_for_row(self) -> None:
        """Wait until the second that has just ended can be written, before the drain begins."""
        due_ns = self._rows_due * NS
        while (elapsed := self.at_ns) >= due_ns:
            if self._fleet.reached(due_ns) or elapsed > due_ns + PATIENCE_NS:
                return
            await asyncio.sleep(_COUNT_TICK_S)

    async def catch_up(self) -> float:
        """Return how long this process stood still just now, or 0; hear first what the workers did meanwhile."""
        self._fleet.clock.tick()
        stalled_s, self._stalled_s = self._fleet.clock.stalled_s - self._stalled_s, self._fleet.clock.stalled_s
        if stalled_s:
            await self.counted()
        return stalled_s

    async def counted(self) -> tuple[Totals, float]:
        """Return the totals up to now, and how many seconds ago they were counted."""
        until_ns = self.at_ns
        while not self._fleet.reached(until_ns):
            await asyncio.sleep(_COUNT_TICK_S)
            if self.at_ns - until_ns > PATIENCE_NS:
                break
        counted = self._fleet.totals.sum()
        return counted, (self.at_ns - counted.at_ns) / NS
