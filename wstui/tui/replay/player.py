"""Plays stored runs: where in time they are shown, how fast, and what was shown there."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from wstui.execution.run.commands import CommandAnswer, RunCommand, answered
from wstui.execution.run.result import Result
from wstui.execution.run.status import Status
from wstui.report.store.pictures import Recording
from wstui.scenario.model import Scenario

SPEEDS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
REFUSED = "this is a replay: what happened can't be steered"


class Player:
    """A position that moves with the clock, `speed` times as fast, from 0 to `end_s`."""

    def __init__(self, end_s: float, speed: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self.end_s, self.speed, self.paused = end_s, speed, False
        self._clock = clock
        self._since, self._position_s = clock(), 0.0

    @property
    def position_s(self) -> float:
        moved = 0.0 if self.paused else (self._clock() - self._since) * self.speed
        return min(self.end_s, self._position_s + moved)

    def seek(self, to_s: float) -> None:
        self._position_s, self._since = min(self.end_s, max(0.0, to_s)), self._clock()

    def pause(self) -> None:
        """Stop, or go on; at the end begin again."""
        at_s = self.position_s
        over = at_s >= self.end_s
        self.seek(0.0 if over else at_s)
        self.paused = not self.paused and not over

    def faster(self, sign: int) -> None:
        """Go to the next of the speeds, up or down."""
        self.seek(self.position_s)
        others = [speed for speed in SPEEDS if (speed - self.speed) * sign > 0]
        self.speed = (min if sign > 0 else max)(others, default=self.speed)


class ReplayedRun:
    """A session that shows a stored run where the player is. Raises ValueError if it can't be read."""

    is_remote = True
    read_only = True
    cooldown_s = 0.0

    def __init__(self, label: str, recording: Recording, player: Player) -> None:
        self.name, self.recording = label, recording
        self._player = player
        self.fault = ""
        """Why the last picture is not the one of this moment."""
        self._index = recording.index_at(player.position_s)
        self._shown = recording.picture(self._index)
        self.scenarios: Sequence[Scenario] = (self._shown.scenario,)

    @property
    def status(self) -> Status:
        index = self.recording.index_at(self._player.position_s)
        if index != self._index:
            self._index, self.fault = index, ""
            try:
                self._shown = self.recording.picture(index)
            except ValueError as error:
                self.fault = str(error)
        return self._shown

    def send(self, command: RunCommand, *, by: str = "") -> Future[CommandAnswer]:
        return answered(CommandAnswer(False, REFUSED))

    def execute(self) -> Result:
        return self.recording.result
