"""Moves between the screens that are not a run in progress: presets, editor, checklist, results, history, manual.

Screens are imported when they are opened: together they take a fifth of the time to the first one.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from wstui.report.model.cell_text import tilde
from wstui.tui import requests
from wstui.tui.key_queue import KeyQueue
from wstui.tui.last_view import LastView
from wstui.tui.palette import key_shown
from wstui.tui.services import Services, SessionOutcome
from wstui.tui.start.start_screen import StartScreen

if TYPE_CHECKING:
    from wstui.report.store.store import StoredRun


class Navigation:
    """Opens screens on an application's stack."""

    def __init__(self, app: KeyQueue, services: Services) -> None:
        self._app = app
        self._services = services

    def show_presets(self, preset: str = "") -> None:
        """Go back to the start screen, or open it on a preset."""
        app = self._app
        while len(app.screen_stack) > 1 and not isinstance(app.screen, StartScreen):
            app.pop_screen()
        if not isinstance(app.screen, StartScreen):
            app.push_screen(StartScreen(self._services, preset))

    def reopen(self, view: LastView) -> None:
        """Open what was last looked at, if it is still there."""
        runs = self._services.runs
        start = self._app.screen
        if view.screen == "editor" and isinstance(start, StartScreen) and start.last_view() == {"preset": view.preset}:
            start.action_edit()
        if runs is None or not view.runs:
            return
        with contextlib.suppress(Exception):  # it was deleted, or can't be read now
            if view.screen == "runs":
                self.show_runs(at=view.runs[0])
            elif view.screen == "result":
                self.open_stored(next(run for run in runs.newest(-1) if run.id == view.runs[0]))
            elif view.screen == "replay":
                played = [(f"run {number}", runs.recording(number)) for number in view.runs]
                self.open_replay(requests.OpenReplay(played))

    def open_editor(self, wanted: requests.OpenEditor) -> None:
        from wstui.tui.editor.editor_screen import Editor

        self._app.push_screen(Editor(self._services, wanted.content, wanted.preset))

    def open_checklist(self, wanted: requests.OpenChecklist) -> None:
        from wstui.tui.checklist.checklist_screen import ChecklistScreen

        self._app.push_screen(ChecklistScreen(self._services, wanted.scenarios, wanted.name, wanted.cooldown_s))

    def ask_export(self, wanted: requests.AskExport) -> None:
        from wstui.tui.dialogs.file_dialogs import ExportDialog

        def written(path: Path | None) -> None:
            if path is not None:
                self._app.notify(f"written to {tilde(path.absolute())}")

        self._app.push_screen(ExportDialog(wanted.result, wanted.number), written)

    def show_runs(self, marked: tuple[int, int] | None = None, at: int = 0) -> None:
        """Go back to the run history, or open it, with two runs compared if they are marked, or on run `at`."""
        if self._services.runs is None:
            return
        from wstui.tui.runs.runs_screen import RunsScreen

        app = self._app
        open_before = next((screen for screen in app.screen_stack if isinstance(screen, RunsScreen)), None)
        if open_before is None:
            app.push_screen(RunsScreen(self._services, self._services.runs, marked, at))
            return
        while app.screen is not open_before:
            app.pop_screen()
        if marked is not None:
            open_before.compare(*marked)

    def open_stored(self, run: StoredRun) -> None:
        """Show the result of a stored run."""
        from wstui.tui.result.result_screen import ResultScreen

        if (runs := self._services.runs) is None:
            return
        try:
            outcome = SessionOutcome(runs.result(run.id))
        except Exception as error:
            self._app.notify(str(error) or type(error).__name__, severity="error")
            return
        self._app.push_screen(ResultScreen(self._services, outcome, stored=run))

    def open_replay(self, wanted: requests.OpenReplay) -> None:
        """Show stored runs as they were. A picture that can't be read is named."""
        from wstui.tui.replay.replay_screen import Replay

        try:
            screen = Replay(self._services, wanted.runs, wanted.speed)
        except ValueError as error:
            self._app.notify(str(error), severity="error")
            return
        self._app.push_screen(screen)

    def show_help(self) -> None:
        """Show the keys that work on this screen, and from there the manual."""
        from wstui.tui.dialogs.help import HelpDialog

        app = self._app
        if not isinstance(app.screen, HelpDialog):
            bindings = list(app.screen.active_bindings.values())
            dialog = HelpDialog(bindings, lambda binding: key_shown(app, binding))
            app.push_screen(dialog, lambda manual: self.show_manual() if manual else None)

    def show_manual(self) -> None:
        """Open the manual at the topic of this screen."""
        from wstui.manual.pages import Manual
        from wstui.tui.manual.manual_screen import ManualScreen

        app, launcher = self._app, self._services.launcher
        if any(isinstance(screen, ManualScreen) for screen in app.screen_stack):
            return
        manual = launcher.manual() if launcher is not None and launcher.manual is not None else Manual()
        topics = (getattr(screen, "manual_topic", "") for screen in reversed(app.screen_stack))
        app.push_screen(ManualScreen(manual, self._services.clock, next(filter(None, topics), "start")))
