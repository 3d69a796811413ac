"""The application: carries out a session, shows it, passes the operator's commands on, and returns the outcome."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen

from wstui.scenario.errors import ScenarioError
from wstui.scenario.model import Scenario
from wstui.scenario.presets import PresetEntry, own_folder
from wstui.tui.ending import wait_for
from wstui.tui.keymap import key, read_keymap
from wstui.tui.runner import Runner
from wstui.tui.screens.controls import Controls
from wstui.tui.screens.dashboard import Dashboard
from wstui.tui.screens.dialog import Dialog
from wstui.tui.screens.editor import Editor
from wstui.tui.screens.help import HelpDialog
from wstui.tui.screens.result import ResultScreen
from wstui.tui.screens.runs import RunsScreen
from wstui.tui.screens.start import StartScreen
from wstui.tui.screens.stop import How, StopDialog
from wstui.tui.session import Launcher, Outcome, Session
from wstui.tui.theme import DARK, LIGHT
from wstui.tui.widgets.errors import Errors
from wstui.tui.widgets.keys import Keys
from wstui.tui.widgets.table import Table

_SIGNALS = ("SIGTERM", "SIGHUP", "SIGINT")
_WATCH_S = 0.1
_KEY_NAMES = {"enter": "enter", "ctrl+q": "q", "ctrl+p": "ctrl+p"}


def utc_now() -> datetime:
    """The time of day that the status line shows."""
    return datetime.now(UTC)


_KEYED = (Controls, Table, Errors, Dialog, StopDialog, ResultScreen, StartScreen, Editor, RunsScreen)


class WstuiApp(App[Outcome]):
    """The terminal, from the choice of a preset, or the start of a session, to its result.

    Args:
        session: what is carried out, in a thread of its own, from the moment the screen is up; None: the start screen.
        launcher: what the start screen, the editor and the list of runs can set going.
        presets: the operator's folder for saved presets.
        keymap: keys by binding id, in place of the usual ones.
        notice: said at the start, in the row of keys.
        clock: the time of day; tests freeze it.
    """

    CSS_PATH = "wstui.tcss"
    TITLE = "wstui"
    ENABLE_COMMAND_PALETTE = True
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
        keymap: Mapping[str, str] | None = None,
        notice: str = "",
        clock: Callable[[], datetime] = utc_now,
        theme: str = DARK.name,
    ) -> None:
        super().__init__()
        self.runner = Runner(session) if session is not None else None
        self.launcher = launcher
        self.clock = clock
        self.presets = presets or own_folder()
        self.fault = ""
        self._notice = notice
        self._leaving = False
        self._told: Runner | None = None
        self._launched: tuple[list[Scenario], str, float] | None = None
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        self.theme = theme
        if keymap:
            self.set_keymap(keymap)

    def on_mount(self) -> None:
        """Begin the run, or let the operator choose one."""
        self._handle_signals()
        if self.runner is not None:
            self._begin(self.runner)
        else:
            self.push_screen(StartScreen())
        if self._notice:
            self.call_after_refresh(self.say, self._notice, "warning")

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
        return None if self.runner is None or self.busy else _badge(self.outcome)

    def launch(self, scenarios: list[Scenario], name: str, cooldown_s: float = 0.0) -> None:
        """Begin to run scenarios in order."""
        if self.launcher is None:
            return
        launcher = self.launcher
        if self._try(lambda: launcher.launch(scenarios, name, cooldown_s)):
            self._launched = (scenarios, name, cooldown_s)

    def begin_demo(self) -> None:
        """Begin a run that brings its own server."""
        if self.launcher is not None and self.launcher.demo is not None and self._try(self.launcher.demo):
            self._launched = None

    def _try(self, make: Callable[[], Session]) -> bool:
        if self.busy:
            self.say("a run is going on: end it before the next one begins", "warning")
            return False
        try:
            runner = Runner(make())
        except Exception as error:
            self.say(f"cannot be run: {error}", "error")
            return False
        self._begin(runner)
        return True

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
        for screen in reversed(self.screen_stack):
            if isinstance(screen, Dashboard):
                screen.poll(charts=True)
                screen.refresh_bindings()
        while isinstance(self.screen, Dialog) and self.screen.STEERS:
            self.pop_screen()
        self.tell_result()

    def tell_result(self) -> None:
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

    def edit(self, scenario: Scenario, preset: PresetEntry | None = None) -> None:
        """Open the editor."""
        self.push_screen(Editor(scenario, preset))

    def action_runs(self) -> None:
        """The runs that were kept."""
        if self.launcher is not None and self.launcher.runs is not None and not isinstance(self.screen, RunsScreen):
            self.push_screen(RunsScreen(self.launcher.runs))

    def action_again(self) -> None:
        """The run that has ended once more."""
        if self._launched is not None and not self.busy:
            launched = self._launched
            self.action_open()
            self.launch(*launched)

    def say(self, text: str, severity: str = "information") -> None:
        """A notice in the row of keys: it covers no figure."""
        for screen in reversed(self.screen_stack):
            for keys in screen.query(Keys):
                keys.say(text, severity)
                return

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What is not offered has no key."""
        if action == "open":
            return self.launcher is not None
        if action == "again":
            return self._launched is not None and not self.busy
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
        if self.runner is None:
            return
        if how == "drain":
            self.runner.session.drain()
            self.say("draining: replies in flight are awaited, then every connection is closed with 1000", "warning")
        else:
            self.runner.session.abort()
            self.say("aborting: every connection is dropped", "warning")

    async def action_quit(self) -> None:
        """Textual's own way to quit asks as well."""
        self.action_leave()

    def action_suspend_process(self) -> None:
        """Not offered: a stopped terminal would leave the load without an operator."""

    def action_help(self) -> None:
        """The keys that work on this screen."""
        if isinstance(self.screen, HelpDialog):
            return
        bindings = list(self.screen.active_bindings.values())
        self.push_screen(HelpDialog(bindings, self.key_shown))

    def key_shown(self, binding: Binding) -> str:
        """A key as the footer, the help and the palette show it."""
        return _KEY_NAMES.get(binding.key) or self.get_key_display(binding)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Every key that works now, and the theme."""
        seen: set[str] = set()
        for active in screen.active_bindings.values():
            binding = active.binding
            if not binding.id or not active.enabled or binding.action in seen or binding.id == "app.interrupt":
                continue
            seen.add(binding.action)
            node, action = active.node, binding.action
            yield SystemCommand(
                binding.description or binding.tooltip,
                f"{binding.tooltip}  ({self.key_shown(binding)})",
                lambda node=node, action=action: self.call_later(self.run_action, action, node),
            )
        yield SystemCommand("Theme", "Choose other colours", self.action_change_theme)

    # what goes wrong

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for name in _SIGNALS:
            number = getattr(signal, name, None)
            if number is not None:
                with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                    loop.add_signal_handler(number, self._signalled, number)

    def _signalled(self, number: int) -> None:
        """End the run in order, give the terminal back at once; `operate` waits for the rest."""
        self.log(signal=number)
        if self.runner is not None and self.busy:
            self.runner.session.drain()
        self.exit(self.outcome)

    def _fatal_error(self) -> None:
        """Textual's own report shows local variables, and those may hold a secret: tell only where it happened."""
        self.fault = _reason()
        self._exit_renderables.append(Text(traceback.format_exc()))
        self._close_messages_no_wait()


def _badge(outcome: Outcome) -> tuple[str, str]:
    if outcome.result is None:
        return ("✗ ERROR", "badge-bad")
    verdict = outcome.result.verdict
    if verdict.aborted:
        return ("■ ABORTED", "badge-warn")
    return ("✓ PASSED", "badge-ok") if verdict.passed else ("✗ FAILED", "badge-bad")


def _keymap() -> tuple[dict[str, str], str]:
    """The operator's own keys, and what is wrong with the file that names them."""
    try:
        return read_keymap(own_folder().with_name("keys.toml"), KEYED), ""
    except ScenarioError as error:
        return {}, f"the usual keys are used: {error.problems[0]}"


def _reason() -> str:
    """The exception that is being handled, in one line."""
    return "".join(traceback.format_exception_only(sys.exception())).strip()


KEYED = frozenset(
    binding.id
    for owner in (*_KEYED, WstuiApp)
    for binding in owner.BINDINGS
    if isinstance(binding, Binding) and binding.id is not None
)
"""The ids of all keys that can be remapped."""


def operate(
    session: Session | None = None,
    *,
    launcher: Launcher | None = None,
    presets: Path | None = None,
    theme: str = DARK.name,
) -> Outcome:
    """Open the terminal, on a session or on the start screen, and return what was measured last, come what may.

    The terminal is restored before this waits for a run that is still draining; ctrl+c or SIGTERM then abort it.
    """
    keymap, notice = _keymap()
    app = WstuiApp(session, launcher=launcher, presets=presets, keymap=keymap, notice=notice, theme=theme)
    fault = ""
    try:
        app.run()
    except KeyboardInterrupt:
        pass  # the screen has gone already: the run is drained below
    except Exception:
        fault = _reason()
        traceback.print_exc()
    fault = app.fault or fault
    runner = app.runner
    if runner is not None and runner.started and not runner.done.is_set():
        runner.session.drain()
        wait_for(runner)
    return replace(app.outcome, fault=fault)
