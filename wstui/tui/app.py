"""The application: settings, colours and notices, and who handles what the screens ask for."""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.binding import BindingType
from textual.message import Message
from textual.notifications import SeverityLevel
from textual.screen import Screen

from wstui.report.model.cell_text import tilde
from wstui.scenario.presets import own_folder
from wstui.tui import requests
from wstui.tui.bindings import key
from wstui.tui.key_queue import KeyQueue
from wstui.tui.kit.key_row import KeyRow
from wstui.tui.last_view import LastView, last_view, remember, view_of
from wstui.tui.navigation import Navigation
from wstui.tui.palette import Commands, clashes, ids_of, owners
from wstui.tui.run_lifecycle import RunLifecycle
from wstui.tui.services import Detachable, Launcher, Services, Session, utc_now
from wstui.tui.settings import Settings, read_settings
from wstui.tui.theme import DARK


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
        terminal: the terminal, if a run can outlive it.
        opening: what to open instead of the start screen.
        last_view: the file with what was last looked at.
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
        key("f3", "mouse", "Mouse", "app.mouse", "Give the mouse to the terminal to select text, or take it back"),
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
        terminal: Detachable | None = None,
        opening: Message | None = None,
        last_view: Path | None = None,
    ) -> None:
        super().__init__()
        self._opening = opening
        self.services = Services(launcher, clock, presets or own_folder(), terminal)
        self.fault = ""
        self._event_loop: asyncio.AbstractEventLoop | None = None
        self._notice = ""  # what is wrong with the settings
        self._own = Settings()
        self._last_view = last_view
        self._mouse_given = False
        self._settings = settings
        self._apply_settings(dict(keymap or {}), theme)
        self.navigation = Navigation(self, self.services)
        self.lifecycle = RunLifecycle(self, self.services, self.navigation, session, self._own)

    def _apply_settings(self, keys: dict[str, str], theme: str) -> None:
        if self._settings is not None and self._settings.exists():
            own = read_settings(self._settings, ids_of((*owners(), WstuiApp)), self.available_themes)
            more = f"; and {len(own.problems) - 1} more" if len(own.problems) > 1 else ""
            self._notice = f"{own.problems[0]}{more}" if own.problems else ""
            theme, keys = own.theme or theme, {**own.keys, **keys}
            self._own = own
        self.theme = theme
        if keys:
            self._notice = self._notice or next(clashes(keys, (*owners(), WstuiApp)), "")
            self.set_keymap(keys)

    def on_mount(self) -> None:
        """Begin the run, or let the operator choose one."""
        self._event_loop = asyncio.get_running_loop()
        if (runner := self.lifecycle.runner) is not None:
            self.lifecycle.begin(runner)
        elif self._opening is not None:
            self.post_message(self._opening)
        else:
            view = last_view(self._last_view) if self._last_view is not None and self._own.reopen else LastView()
            self.navigation.show_presets(view.preset)
            self.call_after_refresh(self.navigation.reopen, view)
        if self._notice:
            self.call_after_refresh(self.notify, self._notice, severity="warning")

    def watch_theme(self, theme: str) -> None:
        """Say how to keep a theme."""
        if self.is_running and self._settings is not None:
            self.notify(f'to keep it: theme = "{theme}" in {tilde(self._settings)}')

    def exit(self, *args: Any, **options: Any) -> None:
        """Remember what is looked at, and leave."""
        if self._last_view is not None and self.is_running:
            remember(view_of(self.screen_stack), self._last_view)
        super().exit(*args, **options)

    def action_mouse(self) -> None:
        driver, self._mouse_given = self._driver, not self._mouse_given
        name = "_disable_mouse_support" if self._mouse_given else "_enable_mouse_support"
        getattr(driver, name, lambda: None)()
        key = next(one.binding.key for one in self.screen.active_bindings.values() if one.binding.id == "app.mouse")
        given = f"the mouse selects text of the terminal; {key} takes it back"
        self.notify(given if self._mouse_given else "the mouse is for wstui again")

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

    # what the screens ask for

    @on(requests.OpenPresets)
    def action_open(self) -> None:
        if self.lifecycle.busy:
            self.notify("a run is in progress: end it before you open another preset", severity="warning")
        else:
            self.navigation.show_presets()

    @on(requests.OpenEditor)
    def _open_editor(self, wanted: requests.OpenEditor) -> None:
        self.navigation.open_editor(wanted)

    @on(requests.OpenChecklist)
    def _open_checklist(self, wanted: requests.OpenChecklist) -> None:
        self.navigation.open_checklist(wanted)

    @on(requests.OpenStored)
    def _open_stored(self, wanted: requests.OpenStored) -> None:
        self.navigation.open_stored(wanted.run)

    @on(requests.OpenReplay)
    def _open_replay(self, wanted: requests.OpenReplay) -> None:
        self.navigation.open_replay(wanted)

    @on(requests.CompareRuns)
    def _compare(self, wanted: requests.CompareRuns) -> None:
        self.navigation.show_runs((wanted.before, wanted.after))

    @on(requests.AskExport)
    def _ask_export(self, wanted: requests.AskExport) -> None:
        self.navigation.ask_export(wanted)

    @on(requests.Launch)
    def _launch(self, wanted: requests.Launch) -> None:
        self.lifecycle.ask_to_launch(wanted)

    @on(requests.LaunchDemo)
    def _launch_demo(self) -> None:
        self.lifecycle.launch_demo()

    @on(requests.RerunStored)
    def _rerun_stored(self, wanted: requests.RerunStored) -> None:
        self.lifecycle.rerun_stored(wanted.run)

    @on(requests.Steer)
    def _steer(self, wanted: requests.Steer) -> None:
        self.lifecycle.steer(wanted)

    @on(requests.RunPolled)
    def _close_obsolete(self, polled: requests.RunPolled) -> None:
        self.lifecycle.close_obsolete(polled.status)

    @on(requests.DashboardShown)
    def _show_result_once(self) -> None:
        self.lifecycle.show_result_once()

    @on(requests.ShowResult)
    def action_result(self) -> None:
        self.lifecycle.show_result()

    # what keys ask for on every screen

    def action_help(self) -> None:
        self.navigation.show_help()

    def action_manual(self) -> None:
        self.navigation.show_manual()

    def action_runs(self) -> None:
        self.navigation.show_runs()

    def action_again(self) -> None:
        self.lifecycle.run_again()

    def action_detach(self) -> None:
        self.lifecycle.detach()

    def action_leave(self) -> None:
        self.lifecycle.leave()

    async def action_quit(self) -> None:
        """Ask in Textual's own way to quit as well."""
        self.lifecycle.leave()

    def action_suspend_process(self) -> None:
        """Not offered: a stopped terminal would leave the load without an operator."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer no key for what is not possible."""
        if action == "open":
            return self.services.launcher is not None
        if action == "again":
            return self.lifecycle.can_run_again
        if action == "detach":
            return self.lifecycle.can_detach
        return self.services.runs is not None if action == "runs" else True

    # the terminal

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
        self.lifecycle.drain_and_exit()

    def _fatal_error(self) -> None:
        """Tell only where it happened: Textual's own report shows local variables, which may hold a secret."""
        self.fault = reason()
        self._exit_renderables.append(Text(traceback.format_exc()))
        self._close_messages_no_wait()


def reason() -> str:
    """Return the exception that is being handled, in one line."""
    return "".join(traceback.format_exception_only(sys.exception())).strip()
