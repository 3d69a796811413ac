"""The application: runs a session in a thread, shows it, handles what the screens ask for, and returns the outcome."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.binding import BindingType
from textual.filter import LineFilter
from textual.notifications import SeverityLevel
from textual.screen import Screen

from wstui.execution.run.commands import AbortRun, Answer, DrainRun, PauseRun
from wstui.scenario.model import Scenario
from wstui.tui import messages
from wstui.tui.bindings import key
from wstui.tui.dialogs.confirm import ConfirmDialog, launch_dialog, rerun_dialog
from wstui.tui.dialogs.dialog import Dialog
from wstui.tui.key_queue import KeyQueue
from wstui.tui.kit.format import clean, tilde
from wstui.tui.kit.key_row import KeyRow
from wstui.tui.palette import Commands, clashes, ids_of, key_shown, owners
from wstui.tui.run_thread import Runner
from wstui.tui.services import How, Launcher, Outcome, Services, Session, utc_now
from wstui.tui.settings import ASK_ABOVE, read_settings
from wstui.tui.start.start_screen import StartScreen
from wstui.tui.theme import DARK, LIGHT
from wstui.tui.theme_256 import ALL, DARK_256, LIGHT_256, IndexedColours, IndexedTheme, Shades

# Screens are imported when they are opened: together they take a fifth of the time to the first one.
_WATCH_S = 0.1
_DEMO = "a server that is started for it"
_DEAF_S = 1.0
"""How long keys do nothing after a dialog has closed by itself."""
_BUSY = "a run is going on: end it before the next one begins"


class WstuiApp(KeyQueue):
    """The terminal UI, from the choice of a preset, or the start of a session, to its result.

    Args:
        session: run in a thread of its own once the screen is up; None opens the start screen.
        launcher: what the start screen, the editor and the run history can start.
        presets: the operator's folder for saved presets.
        settings: the file with the operator's theme and keys.
        keymap: keys by binding id; they override the defaults and those in the file.
        clock: the time of day; tests freeze it.
        theme: the theme unless the settings name one.
    """

    CSS_PATH = "wstui.tcss"
    TITLE = "wstui"
    ENABLE_COMMAND_PALETTE = True
    COMMANDS = {Commands}  # noqa: RUF012
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (60, "-narrow"), (110, "-wide"), (180, "-huge")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-flat"), (16, "-short"), (32, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        key("question_mark", "help", "Help", "app.help", "This help", shown=True, display="?"),
        key("f1", "help", "Help", "app.help_f1", "This help, while you type", shown=True),
        key("ctrl+p", "command_palette", "Palette", "app.palette", "Command palette"),
        key("q,ctrl+q", "leave", "Quit", "app.quit", "Quit, asks during a run"),
        key("ctrl+c", "leave", "Quit", "app.interrupt", "Quit, asks during a run"),
    ]

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
        super().__init__()
        self.services = Services(launcher, clock, presets) if presets else Services(launcher, clock)
        self.runner = Runner(session) if session is not None else None
        self.opened = self.runner
        """The first run, if the terminal was opened with one."""
        self.fault = ""
        self._event_loop: asyncio.AbstractEventLoop | None = None
        self._leaving = False
        self._result_shown: Runner | None = None
        self._demo: Runner | None = None  # the one that brought its own server
        self._notice = ""  # what is wrong with the settings
        self._ask_above = ASK_ABOVE
        self._settings = settings
        self._palette_filter = IndexedColours()
        self._indexed = self.console.color_system == "256" and not self.no_color
        self.register_theme(DARK_256 if self._indexed else DARK)
        self.register_theme(LIGHT_256 if self._indexed else LIGHT)
        self._apply_settings(dict(keymap or {}), theme)

    def _apply_settings(self, keys: dict[str, str], theme: str) -> None:
        if self._settings is not None and self._settings.exists():
            own = read_settings(self._settings, ids_of((*owners(), WstuiApp)), self.available_themes)
            more = f"; and {len(own.problems) - 1} more" if len(own.problems) > 1 else ""
            self._notice = f"{own.problems[0]}{more}" if own.problems else ""
            theme, keys = own.theme or theme, {**own.keys, **keys}
            self._ask_above = own.ask_above
        self.theme = theme
        if keys:
            self._notice = self._notice or next(clashes(keys, (*owners(), WstuiApp)), "")
            self.set_keymap(keys)

    def on_mount(self) -> None:
        """Begin the run, or let the operator choose one."""
        self._event_loop = asyncio.get_running_loop()
        if self.runner is not None:
            self._begin(self.runner)
        else:
            self.push_screen(StartScreen(self.services))
        if self._notice:
            self.call_after_refresh(self.notify, self._notice, severity="warning")

    # how it looks

    @property
    def shades(self) -> Shades:
        """The palette entries that the screen may use; () if the terminal has all colours, or only its own 16."""
        if not self._indexed or self.native_ansi_color:
            return ()
        theme = self.current_theme
        return theme.shades if isinstance(theme, IndexedTheme) else ALL

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Add the filter that keeps a terminal of 256 colours to the theme's."""
        filters = super().get_line_filters()
        if not (shades := self.shades):
            return filters
        self._palette_filter.shades = shades
        return [*filters, self._palette_filter]

    def watch_theme(self, theme: str) -> None:
        """Say how to keep a theme."""
        if self.is_running and self._settings is not None:
            self.notify(f'to keep it: theme = "{theme}" in {tilde(self._settings)}')

    def push_screen(self, screen: Any, *args: Any, **options: Any) -> Any:
        """Give the screen the classes of the terminal's size before its first layout, so that it is laid out once."""
        if isinstance(screen, Screen):
            across = screen.HORIZONTAL_BREAKPOINTS or self.HORIZONTAL_BREAKPOINTS
            down = screen.VERTICAL_BREAKPOINTS or self.VERTICAL_BREAKPOINTS
            for length, points in ((self.size.width, across), (self.size.height, down)):
                screen.add_class([name for least, name in points if length >= least][-1], update=False)
        return super().push_screen(screen, *args, **options)

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        """Show a notice above the row of keys, where it covers no figure."""
        for screen in reversed(self.screen_stack):
            for keys in screen.query(KeyRow):
                keys.show_notice(message, severity)
                return

    def action_suspend_process(self) -> None:
        """Not offered: a stopped terminal would leave the load without an operator."""

    def action_help(self) -> None:
        """Show the keys that work on this screen."""
        from wstui.tui.dialogs.help import HelpDialog

        if not isinstance(self.screen, HelpDialog):
            bindings = list(self.screen.active_bindings.values())
            dialog = HelpDialog(bindings, lambda binding: key_shown(self, binding))
            self.push_screen(dialog, lambda manual: self.action_manual() if manual else None)

    # runs

    @property
    def busy(self) -> bool:
        """Whether a run is going on."""
        return self.runner is not None and not self.runner.done.is_set()

    @property
    def outcome(self) -> Outcome:
        """How the last run ended, as far as it has."""
        return self.runner.outcome if self.runner is not None else Outcome()

    @on(messages.Launch)
    def _ask_to_launch(self, wanted: messages.Launch) -> None:
        """Ask first if the load is large or goes to another machine."""
        begin = lambda: self._launch(wanted.scenarios, wanted.name, wanted.cooldown_s)  # noqa: E731
        self._ask(launch_dialog(wanted.scenarios, wanted.name, self._ask_above), begin)

    def _ask(self, dialog: ConfirmDialog | None, begin: Callable[[], None]) -> None:
        if dialog is None:
            begin()
        else:
            self.push_screen(dialog, lambda sure: begin() if sure else None)

    def _launch(self, scenarios: Sequence[Scenario], name: str, cooldown_s: float, *, probe_first: bool = True) -> None:
        if (launcher := self.services.launcher) is not None:
            self._try(lambda: launcher.launch(scenarios, name, cooldown_s, probe_first))

    @on(messages.LaunchDemo)
    def _launch_demo(self) -> None:
        if (launcher := self.services.launcher) is not None and launcher.demo is not None:
            self._try(launcher.demo)
            self._demo = self.runner

    def _try(self, make: Callable[[], Session]) -> None:
        if self.busy:
            self.notify(_BUSY, severity="warning")
            return
        try:
            runner = Runner(make())
        except Exception as error:
            self.notify(f"cannot be run: {error}", severity="error")
            return
        self._begin(runner)

    def _begin(self, runner: Runner) -> None:
        from wstui.tui.dashboard.dashboard_screen import Dashboard

        self.runner = runner
        self.push_screen(Dashboard(runner, self.services))
        self.run_worker(self._carry_out(runner), name="run", group="run", exclusive=True, exit_on_error=True)

    async def _carry_out(self, runner: Runner) -> None:
        """Start the run in its thread and notice its end, by a poll: that thread must not wait for this loop."""
        runner.start()
        while not runner.done.is_set():
            await asyncio.sleep(_WATCH_S)
        self._ended(runner)

    def _ended(self, runner: Runner) -> None:
        if self._leaving:
            self.exit(runner.outcome)
            return
        if not self.is_running:  # the screens are being taken down, this one perhaps in part
            return
        from wstui.tui.dashboard.dashboard_screen import Dashboard

        for screen in reversed(self.screen_stack):
            if isinstance(screen, Dashboard) and screen.is_mounted:  # a run may end before its screen has begun
                screen.poll(charts=True)
                screen.refresh_bindings()
        self._close_moot(messages.RunPolled(runner.session.status))
        if runner.outcome.refused is None or not self._ask_after_refusal(runner, *runner.outcome.refused):
            self._show_result_once()

    def _ask_after_refusal(self, runner: Runner, what: str, fix: str) -> bool:
        """Ask what to do about a first client that was refused; return whether there is a choice."""
        session = runner.session
        if self.services.launcher is None or runner is self._demo:
            return False
        from wstui.tui.dialogs.failed_start import FailedStartDialog, NextStep

        scenarios, name, cooldown_s = list(session.scenarios), session.name, session.cooldown_s

        def go_on(step: NextStep | None) -> None:
            self.action_open()
            if step == "edit":
                self._open_editor(messages.OpenEditor(scenarios[0]))
            elif step is not None:
                self._launch(scenarios, name, cooldown_s, probe_first=step == "again")

        self._result_shown = runner
        self.push_screen(FailedStartDialog(what, fix, editable=len(scenarios) == 1), go_on)
        return True

    @on(messages.RunPolled)
    def _close_moot(self, polled: messages.RunPolled) -> None:
        """Close dialogs whose question is over, with a word."""
        while self.screen_stack and isinstance(self.screen, Dialog) and (why := self.screen.moot(polled.status)):
            self.pop_screen()
            self.ignore_keys_for(_DEAF_S)  # what is being typed was meant for the dialog
            self.notify(f"closed: {why}", severity="warning")

    @on(messages.DashboardShown)
    def _show_result_once(self) -> None:
        """Show the result once by itself: at the end, or once the operator has read what covers the dashboard."""
        from wstui.tui.dashboard.dashboard_screen import Dashboard

        if self._result_shown is not self.runner and isinstance(self.screen, Dashboard):
            self.action_result()

    @on(messages.ShowResult)
    def action_result(self) -> None:
        """Show the result of the run that has ended."""
        from wstui.tui.dashboard.dashboard_screen import Dashboard
        from wstui.tui.result.result_screen import ResultScreen

        if self.runner is not None and not self.busy and isinstance(self.screen, Dashboard):
            self._result_shown = runner = self.runner
            self.push_screen(ResultScreen(self.services, runner.outcome, runner.session.status))

    # from screen to screen

    def action_manual(self) -> None:
        """Open the manual at the topic of this screen."""
        from wstui.manual.pages import Manual  # neither is needed for a start
        from wstui.tui.manual.manual_screen import ManualScreen

        if any(isinstance(screen, ManualScreen) for screen in self.screen_stack):
            return
        launcher = self.services.launcher
        manual = launcher.manual() if launcher is not None and launcher.manual is not None else Manual()
        topics = (getattr(screen, "manual_topic", "") for screen in reversed(self.screen_stack))
        self.push_screen(ManualScreen(manual, self.services.clock, next(filter(None, topics), "start")))

    @on(messages.OpenPresets)
    def action_open(self) -> None:
        if self.busy:
            self.notify("a run is going on: end it before you open another preset", severity="warning")
            return
        while len(self.screen_stack) > 1 and not isinstance(self.screen, StartScreen):
            self.pop_screen()
        if not isinstance(self.screen, StartScreen):
            self.push_screen(StartScreen(self.services))

    @on(messages.OpenEditor)
    def _open_editor(self, wanted: messages.OpenEditor) -> None:
        from wstui.tui.editor.editor_screen import Editor  # the model of its fields takes long to read

        self.push_screen(Editor(self.services, wanted.content, wanted.preset))

    @on(messages.OpenChecklist)
    def _open_checklist(self, wanted: messages.OpenChecklist) -> None:
        from wstui.tui.checklist.checklist_screen import ChecklistScreen

        self.push_screen(ChecklistScreen(self.services, wanted.scenarios, wanted.name, wanted.cooldown_s))

    @on(messages.AskExport)
    def _ask_export(self, wanted: messages.AskExport) -> None:
        from wstui.tui.dialogs.export import ExportDialog

        def written(path: Path | None) -> None:
            if path is not None:
                self.notify(f"written to {tilde(path.absolute())}")

        self.push_screen(ExportDialog(wanted.result, wanted.number), written)

    def action_runs(self) -> None:
        self._show_runs()

    @on(messages.CompareRuns)
    def _compare(self, wanted: messages.CompareRuns) -> None:
        self._show_runs((wanted.before, wanted.after))

    def _show_runs(self, marked: tuple[int, int] | None = None) -> None:
        if self.services.runs is None:
            return
        from wstui.tui.runs.runs_screen import RunsScreen

        open_before = next((screen for screen in self.screen_stack if isinstance(screen, RunsScreen)), None)
        if open_before is None:
            self.push_screen(RunsScreen(self.services, self.services.runs, marked))
            return
        while self.screen is not open_before:
            self.pop_screen()
        if marked is not None:
            open_before.compare(*marked)

    @on(messages.OpenStored)
    def _open_stored(self, wanted: messages.OpenStored) -> None:
        from wstui.tui.result.result_screen import ResultScreen

        if (runs := self.services.runs) is None:
            return
        try:
            outcome = Outcome(runs.result(wanted.run.id))
        except Exception as error:
            self.notify(str(error) or type(error).__name__, severity="error")
            return
        self.push_screen(ResultScreen(self.services, outcome, stored=wanted.run))

    def action_again(self) -> None:
        """Run what has ended once more, after asking."""
        if self.runner is None:
            return
        session = self.runner.session
        if self.runner is self._demo:
            self._ask_again(rerun_dialog([session.status.scenario], "the demo", to=_DEMO), self._launch_demo)
        else:
            self._ask_to_rerun(list(session.scenarios), session.name, session.cooldown_s)

    @on(messages.RerunStored)
    def _rerun_stored(self, wanted: messages.RerunStored) -> None:
        if (runs := self.services.runs) is None:
            return
        try:
            scenario = runs.scenario(wanted.run.id)
        except Exception as error:
            self.notify(
                f"cannot be run again: {(str(error) or type(error).__name__).splitlines()[0]}", severity="error"
            )
            return
        self._ask_to_rerun([scenario], scenario.name, 0.0)

    def _ask_to_rerun(self, scenarios: list[Scenario], name: str, cooldown_s: float) -> None:
        self._ask_again(rerun_dialog(scenarios, name), lambda: self._launch(scenarios, name, cooldown_s))

    def _ask_again(self, dialog: ConfirmDialog, launch: Callable[[], None]) -> None:
        def begin() -> None:
            self.action_open()
            launch()

        if self.busy:
            self.notify(_BUSY, severity="warning")
        else:
            self._ask(dialog, begin)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer no key for what is not possible."""
        if action == "open":
            return self.services.launcher is not None
        if action == "again":
            return self.services.launcher is not None and self.runner is not None and not self.busy
        return self.services.runs is not None if action == "runs" else True

    # the end

    def action_leave(self) -> None:
        """Quit; ask first while the run goes on."""
        from wstui.tui.dialogs.stop import StopDialog

        if self.runner is None or not self.busy:
            self.exit(self.outcome)
        elif not isinstance(self.screen, StopDialog):
            self.push_screen(StopDialog(self.runner.session.status, leaving=True), self._leave)

    def _leave(self, how: How | None) -> None:
        if how is not None:
            self._leaving = True
            self._steer(messages.Steer(DrainRun() if how == "drain" else AbortRun()))

    @on(messages.Steer)
    def _steer(self, wanted: messages.Steer) -> None:
        """Send a command to the run and show what became of it, with a warning if there is one."""
        loop = asyncio.get_running_loop()
        warns = bool(wanted.warning) or isinstance(wanted.command, (PauseRun, DrainRun, AbortRun))

        def show(answered: Future[Answer]) -> None:
            answer = answered.result()
            text = f"{answer.text}: {wanted.warning}" if wanted.warning and answer.done else answer.text
            severity: SeverityLevel = "warning" if warns or not answer.done else "information"
            with contextlib.suppress(RuntimeError):  # the screen is gone
                loop.call_soon_threadsafe(lambda: self.notify(clean(text), severity=severity))

        if self.runner is not None:
            self.runner.session.send(wanted.command).add_done_callback(show)

    async def action_quit(self) -> None:
        """Ask in Textual's own way to quit as well."""
        self.action_leave()

    @property
    def was_on_screen(self) -> bool:
        """Whether the screen has been up."""
        return self._event_loop is not None

    @property
    def on_screen(self) -> bool:
        """Whether the screen is up now."""
        return self._event_loop is not None and self._event_loop.is_running()

    def signalled(self, number: int) -> None:
        """Handle a signal in the event loop: it may arrive in the middle of anything."""
        if self._event_loop is not None and self.on_screen:
            self._event_loop.call_soon_threadsafe(self._signalled, number)

    def _signalled(self, number: int) -> None:
        """Drain the run and give the terminal back at once; `operate` waits for the rest."""
        self.log(signal=number)
        if self.runner is not None and self.busy:
            self.runner.session.send(DrainRun())
        self.exit(self.outcome)

    def _fatal_error(self) -> None:
        """Tell only where it happened: Textual's own report shows local variables, which may hold a secret."""
        self.fault = reason()
        self._exit_renderables.append(Text(traceback.format_exc()))
        self._close_messages_no_wait()


def reason() -> str:
    """Return the exception that is being handled, in one line."""
    return "".join(traceback.format_exception_only(sys.exception())).strip()
