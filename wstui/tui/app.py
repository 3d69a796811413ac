"""The application: carries out a session, shows it, passes the operator's commands on, and returns the outcome."""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path

from rich.text import Text

from wstui.execution.run.commands import AbortRun, Answer, DrainRun, PauseRun, RunCommand
from wstui.execution.run.status import Status
from wstui.scenario.model import Scenario, Suite
from wstui.scenario.presets import PresetEntry, own_folder
from wstui.tui.app_base import Shell
from wstui.tui.dashboard.dashboard_screen import Dashboard
from wstui.tui.dashboard.status_line import verdict_badge
from wstui.tui.dialogs.dialog import Dialog
from wstui.tui.dialogs.rerun_dialog import RerunDialog
from wstui.tui.dialogs.stop import How, StopDialog
from wstui.tui.editor.editor_screen import Editor
from wstui.tui.kit.format import clean
from wstui.tui.result.result_screen import ResultScreen
from wstui.tui.run_thread import Runner
from wstui.tui.runs.runs_screen import RunsScreen
from wstui.tui.services import Launcher, Outcome, Session
from wstui.tui.shutdown import reason
from wstui.tui.start.start_screen import StartScreen
from wstui.tui.theme import DARK

_WATCH_S = 0.1
_DEMO = "a server that is started for it"
_DEAF_S = 1.0
"""How long keys do nothing after a dialog has closed by itself."""


def utc_now() -> datetime:
    """The time of day that the status line shows."""
    return datetime.now(UTC)


class WstuiApp(Shell):
    """The terminal, from the choice of a preset, or the start of a session, to its result.

    Args:
        session: what is carried out, in a thread of its own, from the moment the screen is up; None: the start screen.
        launcher: what the start screen, the editor and the list of runs can set going.
        presets: the operator's folder for saved presets.
        settings: the file with the operator's theme and keys.
        keymap: keys by binding id, in place of the usual ones and of those in the file.
        clock: the time of day; tests freeze it.
    """

    def __init__(
        self,
        session: Session | None = None,
        *,
        launcher: Launcher | None = None,
        presets: Path | None = None,
        settings: Path | None = None,
        keymap: Mapping[str, str] | None = None,
        clock: Callable[[], datetime] = utc_now,
        theme: str = DARK.name,
    ) -> None:
        super().__init__(settings=settings, keymap=keymap, theme=theme)
        self.runner = Runner(session) if session is not None else None
        self.opened = self.runner
        """The first run, where the terminal was opened with one."""
        self.launcher = launcher
        self.clock = clock
        self.presets = presets or own_folder()
        self.fault = ""
        self._event_loop: asyncio.AbstractEventLoop | None = None
        self._leaving = False
        self._told: Runner | None = None
        self._demo: Runner | None = None  # the one that brought its own server

    def on_mount(self) -> None:
        """Begin the run, or let the operator choose one."""
        self._event_loop = asyncio.get_running_loop()
        if self.runner is not None:
            self._begin(self.runner)
        else:
            self.push_screen(StartScreen())
        if self.notice:
            self.call_after_refresh(self.say, self.notice, "warning")

    # runs

    @property
    def busy(self) -> bool:
        """Whether a run is going on."""
        return self.runner is not None and not self.runner.done.is_set()

    @property
    def outcome(self) -> Outcome:
        """How the last run ended, as far as it has."""
        return self.runner.outcome if self.runner is not None else Outcome()

    @property
    def verdict_badge(self) -> tuple[str, str] | None:
        """Glyph, word and colour of the verdict, once there is one."""
        if self.runner is None or self.busy:
            return None
        return ("✗ ERROR", "badge-bad") if self.outcome.result is None else verdict_badge(self.outcome.result.verdict)

    def launch(self, scenarios: list[Scenario], name: str, cooldown_s: float = 0.0) -> None:
        """Begin to run scenarios in order."""
        if self.launcher is None:
            return
        launcher = self.launcher
        self._try(lambda: launcher.launch(scenarios, name, cooldown_s))

    def begin_demo(self) -> None:
        """Begin a run that brings its own server."""
        if self.launcher is not None and self.launcher.demo is not None:
            self._try(self.launcher.demo)
            self._demo = self.runner

    def _try(self, make: Callable[[], Session]) -> None:
        if self.busy:
            self.say("a run is going on: end it before the next one begins", "warning")
            return
        try:
            runner = Runner(make())
        except Exception as error:
            self.say(f"cannot be run: {error}", "error")
            return
        self._begin(runner)

    def _begin(self, runner: Runner) -> None:
        self.runner = runner
        self.push_screen(Dashboard(runner))
        self.run_worker(self._carry_out(runner), name="run", group="run", exclusive=True, exit_on_error=True)

    async def _carry_out(self, runner: Runner) -> None:
        """The worker behind which the load is made: starts the run in its thread, and notices its end.

        By a poll, because that thread must not wait for this loop.
        """
        runner.start()
        while not runner.done.is_set():
            await asyncio.sleep(_WATCH_S)
        self._over(runner)

    def _over(self, runner: Runner) -> None:
        if self._leaving:
            self.exit(runner.outcome)
            return
        if not self.is_running:  # the screens are being taken down, this one perhaps in part
            return
        for screen in reversed(self.screen_stack):
            if isinstance(screen, Dashboard) and screen.is_mounted:  # a run may end before its screen has begun
                screen.poll(charts=True)
                screen.refresh_bindings()
        self.close_moot(runner.session.status)
        self.show_result_once()

    def close_moot(self, status: Status) -> None:
        """Close dialogs whose question is over, with a word."""
        while isinstance(self.screen, Dialog) and (told := self.screen.moot(status)):
            self.pop_screen()
            self.ignore_keys_for(_DEAF_S)  # what is being typed was meant for the dialog
            self.say(f"closed: {told}", "warning")

    def show_result_once(self) -> None:
        """Show the result once by itself: at the end, or when the operator has read what lies over the dashboard."""
        if self.runner is not None and self._told is not self.runner and isinstance(self.screen, Dashboard):
            self.show_result()

    def show_result(self) -> None:
        """Show what came out."""
        if self.runner is not None and not self.busy and isinstance(self.screen, Dashboard):
            self._told = self.runner
            self.push_screen(ResultScreen(self.runner.outcome, self.runner.session.status))

    # from screen to screen

    def action_open(self) -> None:
        """Back to the presets."""
        if self.busy:
            self.say("a run is going on: end it before you open another preset", "warning")
            return
        while len(self.screen_stack) > 1 and not isinstance(self.screen, StartScreen):
            self.pop_screen()
        if not isinstance(self.screen, StartScreen):
            self.push_screen(StartScreen())

    def edit(self, scenario: Scenario | Suite, preset: PresetEntry | None = None) -> None:
        """Open the editor."""
        self.push_screen(Editor(scenario, preset))

    def action_runs(self) -> None:
        """The runs that were kept."""
        self._show_runs()

    def compare(self, before: int, after: int) -> None:
        """Two runs that were kept, on the screen of the runs."""
        self._show_runs((before, after))

    def _show_runs(self, marked: tuple[int, int] | None = None) -> None:
        if self.launcher is None or self.launcher.runs is None:
            return
        open_before = next((screen for screen in self.screen_stack if isinstance(screen, RunsScreen)), None)
        if open_before is None:
            self.push_screen(RunsScreen(self.launcher.runs, marked))
            return
        while self.screen is not open_before:
            self.pop_screen()
        if marked is not None:
            open_before.compare(*marked)

    def show_kept(self, number: int) -> None:
        """The result of a run that was kept. Raises whatever the store says."""
        if self.launcher is not None and self.launcher.runs is not None:
            runs = self.launcher.runs
            stored = next(run for run in runs.newest(-1) if run.id == number)
            self.push_screen(ResultScreen(Outcome(runs.result(number)), stored=stored))

    def action_again(self) -> None:
        """The run that has ended once more, after asking."""
        if self.runner is None:
            return
        session = self.runner.session
        if self.runner is self._demo:
            self.ask_again([session.status.scenario], "the demo", to=_DEMO, launch=self.begin_demo)
        else:
            self.ask_again(list(session.scenarios), session.name, session.cooldown_s)

    def ask_again(
        self,
        scenarios: list[Scenario],
        name: str,
        cooldown_s: float = 0.0,
        *,
        to: str = "",
        launch: Callable[[], None] | None = None,
    ) -> None:
        """Begin a run again, if the operator is sure; with `launch` where that is another way than the usual one."""

        def begin(sure: bool | None) -> None:
            if sure:
                self.action_open()
                launch() if launch is not None else self.launch(scenarios, name, cooldown_s)

        if self.busy:
            self.say("a run is going on: end it before the next one begins", "warning")
        else:
            self.push_screen(RerunDialog(scenarios, name, to=to), begin)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What is not offered has no key."""
        if action == "open":
            return self.launcher is not None
        if action == "again":
            return self.launcher is not None and self.runner is not None and not self.busy
        if action == "runs":
            return self.launcher is not None and self.launcher.runs is not None
        return True

    # leaving

    def action_leave(self) -> None:
        """Quit; ask first while the run goes on."""
        if self.runner is None or not self.busy:
            self.exit(self.outcome)
        elif not isinstance(self.screen, StopDialog):
            self.push_screen(StopDialog(self.runner.session.status, leaving=True), self._leave)

    def _leave(self, how: How | None) -> None:
        if how is None:
            return
        self._leaving = True
        self.stop(how)

    def stop(self, how: How) -> None:
        """End the run."""
        if self.runner is not None:
            self.steer(DrainRun() if how == "drain" else AbortRun())

    def steer(self, command: RunCommand, *, warning: str = "") -> None:
        """Send a command to the run and show what became of it, with a warning if there is one."""
        loop = asyncio.get_running_loop()
        warns = bool(warning) or isinstance(command, (PauseRun, DrainRun, AbortRun))

        def show(answered: Future[Answer]) -> None:
            answer = answered.result()
            text = f"{answer.text}: {warning}" if warning and answer.done else answer.text
            with contextlib.suppress(RuntimeError):  # the screen is gone
                loop.call_soon_threadsafe(
                    self.say, clean(text), "warning" if warns or not answer.done else "information"
                )

        if self.runner is not None:
            self.runner.session.send(command).add_done_callback(show)

    async def action_quit(self) -> None:
        """Textual's own way to quit asks as well."""
        self.action_leave()

    # what goes wrong

    @property
    def was_on_screen(self) -> bool:
        """Whether the screen has been up."""
        return self._event_loop is not None

    @property
    def on_screen(self) -> bool:
        """Whether it is up now."""
        return self._event_loop is not None and self._event_loop.is_running()

    def signalled(self, number: int) -> None:
        """A signal has come, perhaps in the middle of something else: take it up in the event loop."""
        if self._event_loop is not None and self.on_screen:
            self._event_loop.call_soon_threadsafe(self._signalled, number)

    def _signalled(self, number: int) -> None:
        """End the run in order, give the terminal back at once; `operate` waits for the rest."""
        self.log(signal=number)
        if self.runner is not None and self.busy:
            self.runner.session.send(DrainRun())
        self.exit(self.outcome)

    def _fatal_error(self) -> None:
        """Textual's own report shows local variables, and those may hold a secret: tell only where it happened."""
        self.fault = reason()
        self._exit_renderables.append(Text(traceback.format_exc()))
        self._close_messages_no_wait()
