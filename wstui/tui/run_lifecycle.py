"""The run in the terminal from the question before it to its result: launch, watch, steer, end, run again."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING

from textual.notifications import SeverityLevel

from wstui.execution.run.commands import AbortRun, CommandAnswer, DrainRun, PauseRun
from wstui.execution.run.status import Status
from wstui.measure.sanitize import sanitize
from wstui.scenario.model import Scenario
from wstui.tui import requests
from wstui.tui.alerts import Alerts
from wstui.tui.dialogs.dialog import Dialog
from wstui.tui.dialogs.questions import ConfirmDialog, launch_dialog, rerun_dialog
from wstui.tui.key_queue import KeyQueue
from wstui.tui.navigation import Navigation
from wstui.tui.run_thread import Runner
from wstui.tui.services import How, Services, Session, SessionOutcome
from wstui.tui.settings import Settings

if TYPE_CHECKING:
    from wstui.report.store.store import StoredRun

_WATCH_S = 0.1
_DEMO = "a server that is started for it"
_DEAF_S = 1.0
"""How long keys do nothing after a dialog has closed by itself."""
_BUSY = "a run is in progress: end it before you start another"


class RunLifecycle:
    """Holds the latest run and decides what may happen to it.

    Args:
        session: the run that the terminal was opened with, if any.
        own: from how many clients on a launch asks first, and how the operator is called.
    """

    def __init__(
        self, app: KeyQueue, services: Services, navigation: Navigation, session: Session | None, own: Settings
    ) -> None:
        self._app = app
        self._services = services
        self._navigation = navigation
        self._own = own
        self.runner = Runner(session) if session is not None else None
        self.opened = self.runner
        """The first run, if the terminal was opened with one."""
        self.detached = False
        """Whether the terminal was left to the shell while the run goes on."""
        self._leaving = False
        self._result_shown: Runner | None = None
        self._demo: Runner | None = None  # the one that brought its own server

    @property
    def busy(self) -> bool:
        return self.runner is not None and not self.runner.done.is_set()

    @property
    def outcome(self) -> SessionOutcome:
        """How the last run ended, as far as it has."""
        return self.runner.outcome if self.runner is not None else SessionOutcome()

    @property
    def can_run_again(self) -> bool:
        runner = self.runner
        return self._services.launcher is not None and runner is not None and not self.busy and not self.is_remote

    @property
    def is_remote(self) -> bool:
        """Whether the run goes on in another process: what closes the terminal does not end it."""
        return self.runner is not None and self.runner.session.is_remote

    # launching

    def ask_to_launch(self, wanted: requests.Launch) -> None:
        """Ask first if the load is large or goes to another machine."""
        begin = lambda: self._launch(wanted.scenarios, wanted.name, wanted.cooldown_s)  # noqa: E731
        self._ask(launch_dialog(wanted.scenarios, wanted.name, self._own.ask_above), begin)

    def _ask(self, dialog: ConfirmDialog | None, begin: Callable[[], None]) -> None:
        if dialog is None:
            begin()
        else:
            self._app.push_screen(dialog, lambda sure: begin() if sure else None)

    def _launch(self, scenarios: Sequence[Scenario], name: str, cooldown_s: float, *, probe_first: bool = True) -> None:
        if (launcher := self._services.launcher) is not None:
            self._try(lambda: launcher.launch(scenarios, name, cooldown_s, probe_first))

    def launch_demo(self) -> None:
        if (launcher := self._services.launcher) is not None and launcher.demo is not None:
            self._try(launcher.demo)
            self._demo = self.runner

    def _try(self, make: Callable[[], Session]) -> None:
        if self.busy:
            self._app.notify(_BUSY, severity="warning")
            return
        try:
            runner = Runner(make())
        except Exception as error:
            self._app.notify(f"cannot be run: {error}", severity="error")
            return
        self.begin(runner)

    def begin(self, runner: Runner) -> None:
        """Show the dashboard of a run and start it."""
        from wstui.tui.dashboard.dashboard_screen import Dashboard

        self.runner = runner
        self._app.push_screen(Dashboard(runner, self._services))
        self._app.run_worker(self._carry_out(runner), name="run", group="run", exclusive=True, exit_on_error=True)

    async def _carry_out(self, runner: Runner) -> None:
        """Start the run in its thread and notice its end, by a poll: that thread must not wait for this loop."""
        alerts = Alerts(self._own.alert, runner.session.name, self._app.write_control)
        runner.start()
        while not runner.done.is_set():
            alerts.look(runner.session.status)
            await asyncio.sleep(_WATCH_S)
        if not self._leaving and self._app.is_running:
            alerts.look(runner.session.status)
            alerts.ended(runner.outcome)
        self.ended(runner)

    # the end of a run

    def ended(self, runner: Runner) -> None:
        """Show how a run ended, or quit if that was the wish."""
        if self._leaving:
            self._app.exit(runner.outcome)
            return
        if not self._app.is_running:  # the screens are being taken down, this one perhaps in part
            return
        from wstui.tui.dashboard.dashboard_screen import Dashboard

        for screen in reversed(self._app.screen_stack):
            if isinstance(screen, Dashboard) and screen.is_mounted:  # a run may end before its screen has begun
                screen.poll(charts=True)
                screen.refresh_bindings()
        self.close_obsolete(runner.session.status)
        if runner.outcome.refused is None or not self._ask_after_refusal(runner, *runner.outcome.refused):
            self.show_result_once()

    def _ask_after_refusal(self, runner: Runner, what: str, fix: str) -> bool:
        """Ask what to do about a first client that was refused; return whether there is a choice."""
        session = runner.session
        if self._services.launcher is None or runner is self._demo:
            return False
        from wstui.tui.dialogs.questions import FailedStartDialog, NextStep

        scenarios, name, cooldown_s = list(session.scenarios), session.name, session.cooldown_s

        def go_on(step: NextStep | None) -> None:
            self._navigation.show_presets()
            if step == "edit":
                self._navigation.open_editor(requests.OpenEditor(scenarios[0]))
            elif step is not None:
                self._launch(scenarios, name, cooldown_s, probe_first=step == "again")

        self._result_shown = runner
        self._app.push_screen(FailedStartDialog(what, fix, editable=len(scenarios) == 1), go_on)
        return True

    def close_obsolete(self, status: Status) -> None:
        """Close dialogs whose question is over, with a word; let one that stays follow the run."""
        app = self._app
        while app.screen_stack and isinstance(app.screen, Dialog) and (why := app.screen.obsolete_because(status)):
            app.pop_screen()
            app.ignore_keys_for(_DEAF_S)  # what is being typed was meant for the dialog
            app.notify(f"closed: {why}", severity="warning")
        if app.screen_stack and isinstance(app.screen, Dialog):
            app.screen.follow(status)

    def show_result_once(self) -> None:
        """Show the result once by itself: at the end, or once the operator has read what covers the dashboard."""
        if self._result_shown is not self.runner:
            self.show_result()

    def show_result(self) -> None:
        """Show the result of the run that has ended, from its dashboard."""
        from wstui.tui.dashboard.dashboard_screen import Dashboard
        from wstui.tui.result.result_screen import ResultScreen

        runner, screen = self.runner, self._app.screen
        if runner is not None and not self.busy and isinstance(screen, Dashboard) and screen.runner is runner:
            self._result_shown = runner
            self._app.push_screen(ResultScreen(self._services, runner.outcome, runner.session.status))

    # once more

    def run_again(self) -> None:
        """Run what has ended once more, after asking."""
        if self.runner is None:
            return
        session = self.runner.session
        if self.runner is self._demo:
            self._ask_again(rerun_dialog([session.status.scenario], "the demo", to=_DEMO), self.launch_demo)
        else:
            self._ask_to_rerun(list(session.scenarios), session.name, session.cooldown_s)

    def rerun_stored(self, run: StoredRun) -> None:
        """Run what a stored run ran, after asking."""
        if (runs := self._services.runs) is None:
            return
        try:
            scenario = runs.scenario(run.id)
        except Exception as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            self._app.notify(f"cannot be run again: {reason}", severity="error")
            return
        self._ask_to_rerun([scenario], scenario.name, 0.0)

    def _ask_to_rerun(self, scenarios: list[Scenario], name: str, cooldown_s: float) -> None:
        self._ask_again(rerun_dialog(scenarios, name), lambda: self._launch(scenarios, name, cooldown_s))

    def _ask_again(self, dialog: ConfirmDialog, launch: Callable[[], None]) -> None:
        def begin() -> None:
            self._navigation.show_presets()
            launch()

        if self.busy:
            self._app.notify(_BUSY, severity="warning")
        else:
            self._ask(dialog, begin)

    # steering and leaving

    def steer(self, wanted: requests.Steer) -> None:
        """Send a command to the run and show what became of it, with a warning if there is one."""
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()  # the run answers in its own thread, where Textual's timers know no app
        warns = bool(wanted.warning) or isinstance(wanted.command, (PauseRun, DrainRun, AbortRun))

        def show(answered: Future[CommandAnswer]) -> None:
            answer = answered.result()
            text = f"{answer.text}: {wanted.warning}" if wanted.warning and answer.done else answer.text
            severity: SeverityLevel = "warning" if warns or not answer.done else "information"
            with contextlib.suppress(RuntimeError):  # the screen is gone
                loop.call_soon_threadsafe(lambda: self._app.notify(sanitize(text), severity=severity), context=context)

        if self.runner is not None:
            self.runner.session.send(wanted.command).add_done_callback(show)

    @property
    def can_detach(self) -> bool:
        return self.busy and (self.is_remote or self._services.terminal is not None)

    def detach(self) -> None:
        """Give the terminal back; the run goes on."""
        terminal = self._services.terminal
        if why := terminal.refusal() if terminal is not None and not self.is_remote else "":
            self._app.notify(why, severity="warning")
            return
        self.detached = not self.is_remote
        self._app.exit(self.outcome)

    def leave(self) -> None:
        """Quit; ask first while the run is in progress."""
        from wstui.tui.dialogs.questions import StopDialog

        if self.runner is None or not self.busy or self.is_remote:
            self._app.exit(self.outcome)
        elif not isinstance(self._app.screen, StopDialog):
            self._app.push_screen(StopDialog(self.runner.session.status, leaving=True), self._leave)

    def _leave(self, how: How | None) -> None:
        if how is not None:
            self._leaving = True
            self.steer(requests.Steer(DrainRun() if how == "drain" else AbortRun()))

    def drain_and_exit(self) -> None:
        """Drain the run and give the terminal back at once."""
        if self.runner is not None and self.busy and not self.is_remote:
            self.runner.session.send(DrainRun())
        self._app.exit(self.outcome)
