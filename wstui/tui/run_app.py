"""Opens the terminal, and returns what was measured, come what may."""

from __future__ import annotations

import traceback
from dataclasses import replace
from pathlib import Path

from wstui.execution.run.commands import DrainRun
from wstui.scenario.presets import own_folder
from wstui.tui.app import WstuiApp
from wstui.tui.services import Launcher, Outcome, Session
from wstui.tui.shutdown import Signals, reason, say, wait_for
from wstui.tui.theme import usual_theme


def operate(
    session: Session | None = None, *, launcher: Launcher | None = None, presets: Path | None = None, theme: str = ""
) -> Outcome:
    """Open the terminal, on a session or on the start screen, and return what was measured last.

    The terminal is restored before this waits for a run that is still draining; ctrl+c then aborts it.
    """
    settings = own_folder().with_name("config.toml")
    app = WstuiApp(session, launcher=launcher, presets=presets, settings=settings, theme=usual_theme())
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
            say(traceback.format_exc().rstrip())
        fault = app.fault or fault
        runner = app.runner
        if runner is not None and runner.started and not runner.done.is_set():
            runner.session.send(DrainRun())
            wait_for(runner, signals)
    opened = app.opened.outcome.result if app.opened is not None else None
    return replace(app.outcome, fault=fault, opened=opened)
