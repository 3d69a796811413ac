"""The end of the screen: the signals that ask for it, and the wait for a run that has not ended yet."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wstui.execution.run.commands import AbortRun

if TYPE_CHECKING:
    from wstui.tui.app import WstuiApp
    from wstui.tui.run_thread import Runner

PATIENCE_S = 5.0
"""How long a run that was aborted may take to end."""
_SAID_AFTER_S = 0.5
_TICK_S = 0.05
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
        self._stops = 0
        self._hung_up = False

    def _come(self, number: int, _: object) -> None:
        self._hung_up |= number == _HANGUP
        self._stops += number != _HANGUP
        if not self._app.was_on_screen:
            raise KeyboardInterrupt
        self.abort |= self._stops > 1 or (number == signal.SIGINT and not self._app.on_screen)
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


def reason() -> str:
    """The exception that is being handled, in one line."""
    return "".join(traceback.format_exception_only(sys.exception())).strip()


def say(text: str) -> None:
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
            say("waiting for the run to close its connections; ctrl+c drops them")
        if aborted and now - aborted >= PATIENCE_S:
            return
