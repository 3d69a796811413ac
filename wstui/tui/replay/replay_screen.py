"""Replays one stored run, or two side by side, on the dashboard that showed them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from textual.binding import BindingType

from wstui.execution.run.status import Status
from wstui.measure.format import clock
from wstui.report.store.pictures import Recording
from wstui.scenario.errors import BadValue
from wstui.scenario.units import parse_duration
from wstui.tui.bindings import key
from wstui.tui.dashboard.dashboard_screen import Dashboard
from wstui.tui.dashboard.panel import MARKED
from wstui.tui.dialogs.dialog import DialogField, Form
from wstui.tui.replay.player import Player, ReplayedRun
from wstui.tui.run_thread import Runner
from wstui.tui.services import Services, SessionOutcome

_HIDDEN = ("load", "watch_client", "app.detach", "edit", "command")
_NEXT_S = 0.5
"""A mark nearer than this is the one the replay stands at."""
_BACK_S = 2.0


class Replay(Dashboard):
    """The dashboard, moved by a player; what it shows is what it showed."""

    manual_topic = "runs"
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        key("space", "pause", "Pause", "replay.pause", "Pause, go on, or begin again at the end", shown=True),
        key("left", "seek(-10)", "Back 10 s", "replay.back", "10 s back", shown=True),
        key("right", "seek(10)", "On 10 s", "replay.forward", "10 s forward", shown=True),
        key("shift+left", "seek(-60)", "Back 1 min", "replay.minute_back", "A minute back"),
        key("shift+right", "seek(60)", "On 1 min", "replay.minute_forward", "A minute forward"),
        key("plus,equals_sign", "speed(1)", "Faster", "replay.faster", "Faster, up to 100×", shown=True, display="+"),
        key("minus", "speed(-1)", "Slower", "replay.slower", "Slower, down to 1×", shown=True),
        key("n", "mark(1)", "Next mark", "replay.next_mark", "The next stage, note, break or command", shown=True),
        key("N", "mark(-1)", "Mark before", "replay.previous_mark", "The mark before"),
        key("t", "go", "Go to", "replay.go", "Go to a time of the run", shown=True),
        key("home", "seek(-1000000000)", "Begin", "replay.begin", "To its beginning"),
        key("end", "seek(1000000000)", "End", "replay.end", "To its end"),
    ]

    def __init__(self, services: Services, runs: Sequence[tuple[str, Recording]], speed: float) -> None:
        """`runs` are one or two, each with what it is called."""
        self.player = Player(max(recording.duration_s for _, recording in runs), speed)
        self._runs = [ReplayedRun(label, recording, self.player) for label, recording in runs]
        runner = Runner(self._runs[0])
        runner.outcome = SessionOutcome(self._runs[0].recording.result)
        super().__init__(runner, services, self._runs[1:])
        if len(runs) > 1:  # each has half of the width
            self.HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (120, "-narrow"), (220, "-wide"), (360, "-huge")]

    def on_mount(self) -> None:
        told = [f"{run.name}: {run.recording.missing}" for run in self._runs if run.recording.missing]
        if told:
            self.notify("; ".join(told), severity="warning")

    def last_view(self) -> dict[str, object]:
        numbers = [run.recording.number for run in self._runs]
        return {"screen": "replay", "runs": numbers} if all(numbers) else {}

    def follow(self, status: Status) -> None:
        """Keep every question open: a replay makes none obsolete."""

    def _clock(self, status: Status) -> datetime:
        """The time of day that it was."""
        return (status.started or super()._clock(status)) + timedelta(seconds=status.elapsed_s)

    def _modes(self) -> list[str]:
        at = f"{clock(self.player.position_s)} / {clock(self.player.end_s)}"
        how = "‖" if self.player.paused else f"{self.player.speed:g}×"
        return [f"↻ {run.name}  {at}  {how}{f'  ✗ {run.fault}' if run.fault else ''}" for run in self._runs]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in _HIDDEN:
            return False
        if action in ("back", "result"):
            return True
        return super().check_action(action, parameters)

    def hides(self, action: str) -> bool:
        return action == "filter" and super().hides(action)

    def label_of(self, action: str) -> str | None:
        if action == "pause":
            at_end = self.player.position_s >= self.player.end_s
            return "Play" if self.player.paused else "Again" if at_end else "Pause"
        return None

    def _moved(self) -> None:
        self.poll(charts=True)
        self.refresh_bindings()

    def action_pause(self) -> None:
        self.player.pause()
        self._moved()

    def action_speed(self, sign: int) -> None:
        self.player.faster(sign)
        self._moved()

    def action_seek(self, seconds: int) -> None:
        self.player.seek(self.player.position_s + seconds)
        self._moved()

    def action_mark(self, sign: int) -> None:
        """Go to the mark before or after."""
        here = self.player.position_s
        marks = sorted(
            {mark.at_s for run in self._runs for mark in run.recording.marks if mark.kind in (*MARKED, "end")}
        )
        later = [at_s for at_s in marks if at_s > here + _NEXT_S]
        before = [at_s for at_s in marks if at_s < here - _BACK_S]
        if sign > 0 and not later:
            self.notify("no mark comes after this")
            return
        self.player.seek(later[0] if sign > 0 else before[-1] if before else 0.0)
        self._moved()

    def action_go(self) -> None:
        self.app.push_screen(TimeDialog(self.player), self._go)

    def _go(self, to_s: float | None) -> None:
        if to_s is not None:
            self.player.seek(to_s)
            self._moved()

    def action_result(self) -> None:
        """The result of the run; of two, of the first."""
        from wstui.tui.result.result_screen import ResultScreen

        self.app.push_screen(ResultScreen(self.services, self.runner.outcome))

    def action_back(self) -> None:
        """One step back: clear the filter, then restore the panels, then leave."""
        if self.view.pattern or self.view.maximised:
            super().action_back()
        elif len(self.app.screen_stack) > 2:
            self.app.pop_screen()
        else:
            self.app.exit()


class TimeDialog(Form[float]):
    """Asks for a time of the run."""

    SEND = "Go"
    title_text = "Go to"

    def __init__(self, player: Player) -> None:
        super().__init__()
        self._player = player

    def fields(self) -> Iterable[DialogField]:
        at, end = clock(self._player.position_s), clock(self._player.end_s)
        yield DialogField("time", "time", at, self._read, lambda _: f"of {end}", placeholder="1:23 or 83s")

    def _read(self, text: str) -> float:
        parts = text.split(":")
        if len(parts) > 1 and all(part.isdecimal() and len(part) < 8 for part in parts):
            return float(sum(int(part) * 60**place for place, part in enumerate(reversed(parts))))
        try:
            return parse_duration(text)
        except BadValue as error:
            raise ValueError(f"{error}, or 1:23") from None

    def answer(self, values: dict[str, Any]) -> float:
        return float(values["time"])
