"""Opens the terminal UI, handles signals, waits for a run that still drains, and returns what was measured."""

from __future__ import annotations

import contextlib
import os
import signal
import time
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from textual.message import Message

from wstui.execution.run.commands import AbortRun, DrainRun
from wstui.scenario.presets import own_folder
from wstui.tui.app import WstuiApp, reason
from wstui.tui.run_thread import Runner
from wstui.tui.services import Detachable, Launcher, Session, SessionOutcome
from wstui.tui.theme import usual_theme

PATIENCE_S = 5.0
"""How long a run that was aborted may take to end."""
_SAID_AFTER_S = 0.5
_TICK_S = 0.05
_DETACHED_TICK_S = 0.5
_STDERR = 2
_HANGUP = getattr(signal, "SIGHUP", None)


class Signals:
    """SIGINT, SIGTERM and SIGHUP, from before the screen is up until the run has ended and is stored.

    They are the process's own handlers, because those of the event loop are gone before the run has drained. A closed
    terminal sends SIGHUP, and so do its shell and tmux: it drains however often it comes. A further SIGTERM aborts, and
    so does any ctrl+c once the screen is gone.
    """

    def __init__(self, app: WstuiApp) -> None:
        self.abort = False
        self._app = app
        self.stops = 0
        self._hung_up = False

    def _come(self, number: int, _: object) -> None:
        self._hung_up |= number == _HANGUP
        self.stops += number != _HANGUP
        if not self._app.was_on_screen:
            raise KeyboardInterrupt
        self.abort |= self.stops > 1 or (number == signal.SIGINT and not self._app.on_screen)
        self._app.signalled(number)

    @contextlib.contextmanager
    def handled(self) -> Iterator[None]:
        """Handle them. For the main thread."""
        numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
        waived = {number for number in numbers if signal.getsignal(number) is signal.SIG_IGN}
        before = {number: signal.signal(number, self._come) for number in numbers if number not in waived}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            if self._hung_up and _HANGUP is not None:
                signal.signal(_HANGUP, signal.SIG_IGN)  # the process ends by itself: reports are still to be written


def _say(text: str) -> None:
    """Tell on stderr, if the terminal is still there."""
    with contextlib.suppress(OSError):
        os.write(_STDERR, f"{text}\n".encode())


def wait_for(runner: Runner, signals: Signals) -> None:
    """Wait, on the normal screen, for a run that drains."""
    begun = time.monotonic()
    aborted = said = 0.0
    while not runner.wait(_TICK_S):
        now = time.monotonic()
        if signals.abort and not aborted:
            aborted = now
            runner.session.send(AbortRun())
        if not said and now - begun >= _SAID_AFTER_S:
            said = now
            _say("waiting for the run to close its connections; ctrl+c drops them")
        if aborted and now - aborted >= PATIENCE_S:
            return


def operate(
    session: Session | None = None,
    *,
    launcher: Launcher | None = None,
    presets: Path | None = None,
    theme: str = "",
    terminal: Detachable | None = None,
    opening: Message | None = None,
    last_view: Path | None = None,
) -> SessionOutcome:
    """Open the terminal, on a session or on the start screen, and return what was measured last.

    The terminal is restored before this waits for a run that is still draining; ctrl+c then aborts it. The end
    of a run that was detached from is awaited without a terminal.
    """
    settings = own_folder().with_name("config.toml")
    app = WstuiApp(
        session,
        launcher=launcher,
        presets=presets,
        settings=settings,
        theme=usual_theme(),
        terminal=terminal,
        opening=opening,
        last_view=last_view,
    )
    if theme:
        app.theme = theme
    fault = ""
    signals = Signals(app)
    with signals.handled():
        try:
            app.run()
        except KeyboardInterrupt:
            pass  # the screen has gone already: the run is drained below
        except Exception:
            fault = reason()
            _say(traceback.format_exc().rstrip())
        fault = app.fault or fault
        runner = app.lifecycle.runner
        if runner is not None and app.lifecycle.detached and terminal is not None:
            terminal.leave()
            while not signals.stops and not runner.wait(_DETACHED_TICK_S):
                pass
        if runner is not None and runner.started and not runner.done.is_set() and not runner.session.is_remote:
            runner.session.send(DrainRun())
            wait_for(runner, signals)
    first = app.lifecycle.opened
    return replace(app.lifecycle.outcome, fault=fault, opened=first.outcome.result if first is not None else None)
