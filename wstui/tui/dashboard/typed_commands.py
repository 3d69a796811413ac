"""Commands that are typed on the dashboard, as of `wstui ctl`: shown, waited for, or sent to the run."""

from __future__ import annotations

import time
from collections.abc import Callable

from textual.screen import Screen

from wstui.control.condition import WaitCondition
from wstui.control.words import Asked, ShowStatus, WaitUntil, WatchOne
from wstui.execution.run.client_watches import drawn
from wstui.measure.format import significant
from wstui.report.live.progress_line import live_line
from wstui.tui.dashboard.steering import Steering
from wstui.tui.services import Session

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
            if condition is not None and condition.holds(status):
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
