"""The dashboard: a run while it goes on, on one screen, with every control on a key."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import Screen

from wstui.execution.run.client_watches import drawn
from wstui.execution.run.commands import WatchClient, refusal
from wstui.execution.run.recorded_scenario import to_scenario, was_steered
from wstui.execution.run.state import State
from wstui.execution.run.status import Status
from wstui.report.model.cell_text import tilde
from wstui.tui import requests
from wstui.tui.bindings import key
from wstui.tui.dashboard.errors_panel import Errors, SamplesDialog, matches
from wstui.tui.dashboard.panel import View
from wstui.tui.dashboard.picture import TRAITS, Picture
from wstui.tui.dashboard.run_summary import error_lines, summary, write_told
from wstui.tui.dashboard.status_line import outcome_badge
from wstui.tui.dashboard.steering import Steering
from wstui.tui.dashboard.steps_panel import StepKey, StepsPanel
from wstui.tui.dialogs.file_dialogs import SaveDialog
from wstui.tui.dialogs.filter import FilterDialog
from wstui.tui.kit.compact_view import LEAST, CompactView
from wstui.tui.kit.key_row import KeyRow
from wstui.tui.kit.list_table import ListTable
from wstui.tui.kit.row_widget import Line
from wstui.tui.run_thread import Runner
from wstui.tui.services import Services, Session

_PANELS = Binding.Group("Panels", compact=True)
REDRAW_S = 0.25
"""How often the figures are drawn, in seconds; charts follow when a new second was measured."""


class Dashboard(Screen[None]):
    """Draws `Status` as it comes; holds no state of the run itself."""

    manual_topic = "dashboard"
    VERTICAL_BREAKPOINTS = [(0, "-flat"), (16, "-low"), (20, "-short"), (32, "-tall")]  # noqa: RUF012
    AUTO_FOCUS = "Errors"

    BINDINGS: ClassVar[list[BindingType]] = [
        key("space", "load('pause')", "Pause", "load.pause", "Pause or resume sending", shown=True),
        key(
            "R", "load('redistribute')", "Redistribute", "load.redistribute", "Give lost load to those left", shown=True
        ),
        key("plus,equals_sign", "load('step', 1)", "More", "load.up", "10 % more clients", shown=True, display="+"),
        key("minus", "load('step', -1)", "Fewer", "load.down", "10 % fewer clients", shown=True, display="-"),
        key("t", "load('ramp')", "Ramp", "load.ramp", "Ramp to a number of clients", shown=True),
        key("ctrl+d", "app.detach", "Detach", "load.detach", "Leave the terminal, the run goes on", shown=True),
        key("a", "load('stop')", "Stop", "load.stop", "Drain or abort", shown=True),
        key("p", "load('pace')", "Pace", "load.pace", "Set the send interval of each client", shown=True),
        key(
            "right_square_bracket",
            "load('skip')",
            "Skip",
            "load.skip",
            "Next stage, or skip a cooldown",
            display="]",
            shown=True,
        ),
        key("escape", "back", "Back", "view.restore", "Clear the filter, restore the panels, or leave", shown=True),
        key("q", "app.leave", "Quit", "view.quit", "Quit, asks during a run", shown=True),
        key("slash", "filter", "Filter", "errors.filter", "Filter by kind or message", shown=True, display="/"),
        key("s", "save", "Save", "scenario.save", "Save as a TOML preset, as it was driven", shown=True),
        key("e", "edit", "Edit", "scenario.edit", "Edit the scenario", shown=True),
        key("h", "app.runs", "Runs", "scenario.runs", "Run history", shown=True),
        key("r", "result", "Result", "view.result", "The result, at the end", shown=True),
        key("o", "app.open", "Open", "scenario.open", "Open a preset", shown=True),
        key("f", "freeze", "Freeze", "view.freeze", "Freeze the view, the run goes on", shown=True),
        key("g", "scale", "Log/linear", "view.scale", "Log or linear axis", shown=True),
        key("w", "window", "Window", "view.window", "Window 1, 5, 15 min, all", shown=True),
        key("1", "maximise(1)", "Latency", "view.latency", "Maximise the latency", shown=True, group=_PANELS),
        key("2", "maximise(2)", "Messages", "view.messages", "Maximise the messages", shown=True, group=_PANELS),
        key("3", "maximise(3)", "Errors", "view.errors", "Maximise the errors", shown=True, group=_PANELS),
        key("4", "maximise(4)", "Limits", "view.limits", "Maximise limits and machines", shown=True, group=_PANELS),
        key("5", "maximise(5)", "Steps", "view.steps", "Maximise the steps of roles", shown=True, group=_PANELS),
        key("v", "step", "Step", "view.step", "Draw the latency of the next step, or of all messages", shown=True),
        key("tab", "app.focus_next", "Next panel", "view.next", "Next panel"),
        key("y", "copy", "Copy", "view.copy", "Copy the summary", shown=True),
        key("x", "export", "Export", "errors.export", "Export the errors as JSON lines", shown=True),
        key("n", "load('note')", "Note", "load.note", "Put a text on the timeline", shown=True),
        key("N", "load('span')", "Span", "load.span", "Begin a span on the timeline, or end it", shown=True),
        key("W", "watch_client", "Watch", "view.watch", "Watch one client: by number, or drawn at random", shown=True),
        key("colon", "command", "Command", "view.command", "Type a command, as of wstui ctl", shown=True, display=":"),
        key("c", "change", "Change", "view.change", "What changed at the last note or span", shown=True),
    ]

    def __init__(self, runner: Runner, services: Services, beside: Sequence[Session] = ()) -> None:
        """`beside` are shown beside the run."""
        super().__init__()
        self.runner, self.session, self.services = runner, runner.session, services
        self.view = View()
        self.pictures = [Picture(session, self.view) for session in (runner.session, *beside)]
        self.steering = Steering(self, runner.session)
        self._offered: tuple[State, bool, bool] | None = None

    def compose(self) -> ComposeResult:
        yield Horizontal(*self.pictures)
        yield CompactView(self._compact, least=(LEAST[0] * len(self.pictures), LEAST[1]))
        yield KeyRow()

    def on_mount(self) -> None:
        # The head of a chart stands in for the side panels if they do not fit, which only their layout tells.
        for side in self.query("#side"):
            self.watch(side, "show_vertical_scrollbar", self.on_resize, init=False)
        self.poll(charts=True)
        self.set_interval(REDRAW_S, self.poll)

    def on_screen_resume(self) -> None:
        """A result that came meanwhile is shown now."""
        self.call_after_refresh(self.post_message, requests.DashboardShown())

    def last_view(self) -> dict[str, object]:
        """Name a run that goes on when its screen is left."""
        pid = getattr(getattr(self.session, "hello", None), "pid", 0) or os.getpid()
        return {} if self.runner.done.is_set() else {"screen": "run", "pid": pid}

    def on_resize(self) -> None:
        self.call_after_refresh(self.redraw_charts)

    def poll(self, *, charts: bool = False) -> None:
        """Draw the latest picture; charts only if there is something new in them."""
        seen = [picture.session.status for picture in self.pictures]
        self.follow(seen[0])
        for picture, status, mode in zip(self.pictures, seen, self._modes(), strict=True):
            verdict = outcome_badge(self.runner.outcome) if self.runner.done.is_set() else None
            picture.show_head(status, self._clock(status), mode, verdict)
        if self.view.frozen and self.pictures[0].shown is not None:
            return
        for name, applies in TRAITS.items():
            self.set_class(any(map(applies, seen)), name)
        for picture, status in zip(self.pictures, seen, strict=True):
            picture.show(status, charts=charts)
        self.query_one(CompactView).redraw()

    def follow(self, status: Status) -> None:
        """Offer the keys that work now, and let dialogs close whose question is over."""
        if not self.is_active:  # perhaps a dialog is above it
            self.post_message(requests.RunPolled(status))
        offered = status.state, bool(status.generator.unreplaced_workers), bool(status.result.failures)
        if offered != self._offered:
            self._offered = offered
            self.refresh_bindings()

    def redraw_charts(self) -> None:
        for picture in self.pictures:
            picture.redraw_charts()

    def _compact(self, width: int) -> list[Line]:
        return [line for picture in self.pictures for line in picture.compact(width)]

    @property
    def _status(self) -> Status:
        return self.session.status

    def _clock(self, status: Status) -> datetime:
        return self.services.clock()

    def _modes(self) -> list[str]:
        """Return how each picture is looked at."""
        if self.view.frozen:
            return ["❄ VIEW FROZEN"]
        if not self.session.is_remote or self.runner.done.is_set():
            return [""]
        return ["⇄ READ-ONLY" if self.session.read_only else "⇄ ATTACHED"]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer no key for what is not possible: nothing can be steered once the run has ended."""
        if action == "load":
            return self.steering.possible(str(parameters[0]))
        if action == "result":
            return self.runner.done.is_set()
        if action == "step" or (action == "maximise" and parameters[0] == 5):
            return bool(self._status.scenario.roles or self._status.scenario.login)
        if action == "change":
            return any(mark.kind in ("note", "span") for mark in self._status.marks)
        if action == "back":
            can_leave = self._status.state.ended and self.services.launcher is not None
            return bool(self.view.pattern or self.view.maximised) or can_leave
        return True

    def hides(self, action: str) -> bool:
        """Return whether a key would be refused now."""
        if action == "app.open":
            return not self.runner.done.is_set()
        if action == "watch_client":
            return bool(refusal(WatchClient(0), self._status))
        if action == "filter":
            return not (self._status.result.failures or self.view.pattern)
        return action.startswith("load(") and self.steering.refused(action.split("'")[1])

    def label_of(self, action: str) -> str | None:
        """Return what a key does just now, if that changes."""
        return self.steering.label_of(action.split("'")[1]) if action.startswith("load(") else None

    def action_load(self, command: str, *arguments: int) -> None:
        getattr(self.steering, command)(*arguments)

    def action_freeze(self) -> None:
        """Hold the picture, or let it follow the run again."""
        self.view.frozen = not self.view.frozen
        over = self._status.state.ended
        held = "view frozen" if over else "view frozen: the run goes on"
        self.notify(held if self.view.frozen else "view shows the end of the run" if over else "view follows the run")
        self.poll(charts=True)

    def action_scale(self) -> None:
        self.view.log = not self.view.log
        self.notify(f"latency on a {'logarithmic' if self.view.log else 'linear'} axis")
        self.redraw_charts()

    def action_window(self) -> None:
        self.notify(f"charts show the {self.view.next_window()}")
        self.redraw_charts()

    def action_maximise(self, panel: int) -> None:
        self.view.maximised = 0 if self.view.maximised == panel else panel
        for number in (1, 2, 3, 4, 5):
            self.set_class(number == self.view.maximised, f"-max-{number}")
        self.query_one(StepsPanel if self.view.maximised == 5 else Errors).focus()
        self.refresh_bindings()

    def action_back(self) -> None:
        """One step back: clear the filter, then restore the panels, then leave a run that has ended."""
        if self.view.pattern:
            self._filter("")
            self.refresh_bindings()
        elif self.view.maximised:
            self.action_maximise(self.view.maximised)
        elif self._status.state.ended:
            self.app.post_message(requests.OpenPresets())

    def action_change(self) -> None:
        """Compare the interval before the last note or span with the one after it."""
        from wstui.tui.dialogs.steering_dialogs import ChangeDialog

        self.app.push_screen(ChangeDialog(self._status))

    def action_watch_client(self) -> None:
        """Watch the client of the error under the cursor, one of the role of the step there, or one drawn at random.

        Its number can be changed. From a step, the filter shows what this step sent or matched.
        """
        if why := refusal(WatchClient(0), self._status):
            self.notify(why, severity="warning")
            return
        from wstui.tui.dialogs.steering_dialogs import WatchDialog

        steps, step = self.query_one(StepsPanel), ""
        if steps.has_focus and steps.selected is not None:
            role, step = steps.selected.key
            client = drawn(self._status, role)
        else:
            seen = self.query_one(Errors).client
            client = drawn(self._status) if seen is None else seen
        self.app.push_screen(WatchDialog(client), lambda client: self._watch_client(client, step))

    def _watch_client(self, client: int | None, step: str = "") -> None:
        if client is not None:
            from wstui.tui.dashboard.watch_screen import WatchScreen

            self.app.push_screen(WatchScreen(self.session, client, self.services, step))

    def action_command(self) -> None:
        from wstui.tui.dashboard.steering import TypedCommands
        from wstui.tui.dialogs.command import CommandDialog, History

        typed = TypedCommands(self, self.session, self.steering, self._watch_client)
        self.app.push_screen(CommandDialog(History()), typed.carry_out)

    def action_copy(self) -> None:
        """The summary into the clipboard and into a file: not every terminal passes a clipboard on."""
        text = summary(self._status)
        self.app.copy_to_clipboard(text)
        write_told(self, self.services.clock(), "summary.txt", text, "summary copied, and ")

    def action_result(self) -> None:
        self.app.post_message(requests.ShowResult())

    def action_filter(self) -> None:
        self.app.push_screen(FilterDialog(self.view.pattern, self._filter))

    def _filter(self, pattern: str) -> int:
        self.view.pattern = pattern
        self.poll()
        self.refresh_bindings()
        return sum(matches(group, pattern) for group in self._status.result.failures)

    def action_step(self) -> None:
        """Draw the next step, and after the last one all messages again."""
        known = [None, *self.query_one(StepsPanel).steps()]
        here = known.index(self.view.step) if self.view.step in known else 0
        self._draw_step(known[(here + 1) % len(known)])

    def _draw_step(self, step: StepKey | None) -> None:
        self.view.step = step
        for picture in self.pictures:
            picture.show_steps()
        self.redraw_charts()

    @on(ListTable.Chosen)
    def _opened(self, event: ListTable.Chosen) -> None:
        if isinstance(event.table, StepsPanel) and (line := event.table.selected) is not None:
            if line.step is None:
                event.table.action_fold()
            else:
                self._draw_step(None if self.view.step == line.key else line.key)
        if isinstance(event.table, Errors) and event.table.selected is not None:
            self.app.push_screen(SamplesDialog(event.table.selected))

    def action_export(self) -> None:
        groups = [g for g in self._status.result.failures if matches(g, self.view.pattern)]
        if not groups:
            self.notify("no errors to export", severity="warning")
        else:
            write_told(self, self.services.clock(), "errors.jsonl", error_lines(groups), f"{len(groups)} groups ")

    def action_edit(self) -> None:
        """Open the scenario in the editor; the run keeps what it began with."""
        self.post_message(requests.OpenEditor(self._status.scenario))

    def action_save(self) -> None:
        """Ask where to save the scenario, with the load as it was driven."""
        status = self._status
        scenario = to_scenario(status)
        stages = len(scenario.stages)
        what = f": {stages} stages, the load as it was driven" if was_steered(status) else ""

        def saved(path: Path | None) -> None:
            if path is not None:
                self.notify(f"saved to {tilde(path)}{what}")

        self.app.push_screen(SaveDialog(scenario, self.services.presets), saved)
