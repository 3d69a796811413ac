"""Steers the load from the keys of the dashboard: each sends a command to the run, or says why it does not."""

from __future__ import annotations

import time
from collections.abc import Callable

from textual.screen import Screen

from wstui.control.condition import WaitCondition
from wstui.control.words import Asked, ShowStatus, WaitUntil, WatchOne
from wstui.execution.run import commands
from wstui.execution.run.client_watches import drawn
from wstui.execution.run.limits import shortage
from wstui.execution.run.state import State
from wstui.execution.run.status import Status
from wstui.measure.format import significant
from wstui.report.live.progress_line import live_line
from wstui.tui.dialogs.questions import StopDialog
from wstui.tui.dialogs.steering_dialogs import NoteDialog, PaceDialog, RampDialog, SkipDialog
from wstui.tui.requests import Steer
from wstui.tui.services import How, Session

STEP = 0.1
"""What one press of + or - changes, as a share of the clients that the load was led to before the first press."""
STEP_S = 2.0
"""The seconds that such a change takes at least."""
_SENT_BY: dict[str, commands.RunCommand] = {
    "step": commands.RampTo(0),
    "ramp": commands.RampTo(0),
    "pace": commands.SetInterval(0.0),
    "skip": commands.SkipStage(),
    "note": commands.AddNote("?"),
}


class RampPresses:
    """What the next press leads to; remembers the presses before it."""

    def __init__(self) -> None:
        self._step = 0
        self._asked = -1  # the clients last asked for
        self._turns = 0  # how many ramps there had been by then

    def next(self, status: Status, sign: int) -> tuple[int, int, float]:
        """Return the clients from and to which the next press ramps, and the seconds that this takes.

        A ramp in progress keeps its end: a press early in it does not speed the load up.
        """
        unseen = self._asked >= 0 and len(status.turns) <= self._turns
        before = self._asked if unseen else status.target_clients
        if before != self._asked:
            self._step = max(1, round((before or status.scenario.peak_clients) * STEP))
        after = max(0, before + sign * self._step)
        self._asked, self._turns = after, len(status.turns)
        turn = status.turns[-1] if status.turns else None
        left_s = turn.at_s + turn.over_s - status.plan_s if turn is not None else 0.0
        return before, after, max(STEP_S, float(round(left_s)))

    def forget(self) -> None:
        """The load was led elsewhere."""
        self._asked = -1


class Steering:
    """The commands that a key can send, by name."""

    def __init__(self, screen: Screen[None], session: Session) -> None:
        self._screen, self._session = screen, session
        self._steps = RampPresses()

    @property
    def _status(self) -> Status:
        return self._session.status

    def possible(self, name: str) -> bool:
        """Return whether a key for this command is there at all."""
        over = self._status.state.ended or self._session.read_only
        return not over and (name != "redistribute" or self._status.generator.unreplaced_workers > 0)

    def refused(self, name: str) -> bool:
        """Return whether a command would be refused now: it is not offered, and says why if it is pressed anyway."""
        if name == "pause":
            return bool(commands.unsteered(self._status))
        command = _SENT_BY.get(name)
        return command is not None and bool(commands.refusal(command, self._status))

    def label_of(self, name: str) -> str | None:
        """Return what the key of a command does just now, if that changes."""
        if name == "pause":
            return "Resume" if self._status.state is State.PAUSED else "Pause"
        if name == "span":
            return "End span" if commands.open_span(self._status) else "Span"
        return None

    def _send(self, command: commands.RunCommand, warning: str = "") -> None:
        self._screen.post_message(Steer(command, warning))

    def pause(self) -> None:
        command = commands.ResumeRun() if self._status.state is State.PAUSED else commands.PauseRun()
        if self._may(command):
            self._send(command)
        self._screen.refresh_bindings()

    def step(self, sign: int) -> None:
        """Ten percent more or fewer clients."""
        if self._may(_SENT_BY["step"]):
            before, clients, over_s = self._steps.next(self._status, sign)
            self._send_ramp(before, clients, over_s)

    def ramp(self) -> None:
        """Ask for a number of clients."""
        if self._may(_SENT_BY["ramp"]):
            self._screen.app.push_screen(RampDialog(self._status), self._ramp_to)

    def _ramp_to(self, answer: tuple[int, float] | None) -> None:
        if answer is not None and self._may(commands.RampTo(*answer)):
            self._steps.forget()
            self._send_ramp(self._status.target_clients, *answer)

    def _send_ramp(self, before: int, clients: int, over_s: float) -> None:
        lacking = shortage(clients, self._status.counters.open, self._status.generator) if clients > before else ""
        self._send(commands.RampTo(clients, over_s), lacking)

    def pace(self) -> None:
        """Ask for an interval."""
        if self._may(_SENT_BY["pace"]):
            self._screen.app.push_screen(PaceDialog(self._status), self._set_interval)

    def _set_interval(self, every_s: float | None) -> None:
        if every_s is not None and self._may(commands.SetInterval(every_s)):
            self._send(commands.SetInterval(every_s))

    def redistribute(self) -> None:
        """Start new workers for the clients of lost ones."""
        self._send(commands.Redistribute())

    def send(self, command: commands.RunCommand) -> None:
        if isinstance(command, commands.RampTo):
            self._ramp_to((command.clients, command.over_s))
        elif self._may(command):
            self._send(command)

    def skip(self) -> None:
        """End the current stage or cooldown; ask first if nothing comes after it."""
        status, command = self._status, commands.SkipStage()
        if not self._may(command):
            return
        if status.state is State.COOLDOWN or not commands.is_last_stage(status):
            self._send(command)
            return

        def skip(sure: bool | None) -> None:
            if sure and self._may(command):
                self._send(command)

        self._screen.app.push_screen(SkipDialog(status), skip)

    def note(self) -> None:
        """Ask for a text for the timeline."""
        if self._may(commands.AddNote("?")):
            self._screen.app.push_screen(NoteDialog("Note on the timeline", "cache emptied", "Note"), self._note)

    def _note(self, text: str | None) -> None:
        if text:
            self._send(commands.AddNote(text))

    def span(self) -> None:
        """Begin a span, or end the one that goes on."""
        if commands.open_span(self._status):
            self._send(commands.EndSpan())
        elif self._may(commands.BeginSpan("?")):
            self._screen.app.push_screen(NoteDialog("A span begins", "3 → 6 pods", "Begin"), self._span)

    def _span(self, text: str | None) -> None:
        if text:
            self._send(commands.BeginSpan(text))

    def stop(self) -> None:
        """Ask how to end the run."""
        self._screen.app.push_screen(StopDialog(self._status), self._stop)

    def _stop(self, how: How | None) -> None:
        if how is not None:
            self._send(commands.DrainRun() if how == "drain" else commands.AbortRun())

    def _may(self, command: commands.RunCommand) -> bool:
        """Whether a command can be carried out now; says why not."""
        why = commands.refusal(command, self._status)
        if why:
            self._screen.notify(why, severity="warning")
        return not why


LOOK_S = 0.25
"""How often a condition is checked, in seconds."""


class TypedCommands:
    """Carries out a command on the run that a screen shows; `watch` shows the client of a number."""

    def __init__(
        self, screen: Screen[None], session: Session, steering: Steering, watch: Callable[[int | None], None]
    ) -> None:
        self._screen, self._session, self._steering, self._watch = screen, session, steering, watch

    def carry_out(self, asked: Asked | None) -> None:
        """Do what was typed; None is nothing."""
        match asked:
            case None:
                pass
            case ShowStatus():
                self._screen.notify(live_line(self._session.status))
            case WatchOne(client):
                self._watch(drawn(self._session.status) if client is None else client)
            case WaitUntil() as wanted:
                self._wait(wanted)
            case command:
                self._steering.send(command)

    def _wait(self, wanted: WaitUntil) -> None:
        """Tell once a condition holds, the time is up or the run has ended, whichever comes first."""
        condition = WaitCondition(wanted.until, wanted.window) if wanted.until else None
        what = wanted.until or "the end of the run"
        until = None if wanted.timeout is None else time.monotonic() + wanted.timeout

        def look() -> None:
            status = self._session.status
            if condition is not None and condition.is_met(status):
                told = f"{wanted.until}: it is {significant(condition.value)}{condition.metric.unit}"
            elif status.state.ended:
                told = "the run has ended" if condition is None else f"the run ended before {what}"
            elif until is not None and time.monotonic() >= until:
                told = f"{what}: it did not come true within the time"
            else:
                return
            timer.stop()
            self._screen.notify(told)

        timer = self._screen.set_interval(LOOK_S, look)
        self._screen.notify(f"waiting for {what}")
