"""The keys of the dashboard: each sends a command to the run or changes how it is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.binding import Binding, BindingType
from textual.screen import Screen

from wstui.execution.run.commands import (
    PauseRun,
    RampTo,
    Redistribute,
    ResumeRun,
    RunCommand,
    SetInterval,
    SkipStage,
    is_last_stage,
    refusal,
    unsteered,
)
from wstui.execution.run.limits import shortage
from wstui.execution.run.recorded_scenario import to_scenario, was_steered
from wstui.execution.run.status import State, Status
from wstui.tui.bindings import key
from wstui.tui.dashboard.errors_panel import Errors, matches
from wstui.tui.dashboard.nudge import Steps
from wstui.tui.dashboard.view_state import View
from wstui.tui.dialogs.filter import FilterDialog
from wstui.tui.dialogs.ramp_dialog import PaceDialog, RampDialog, SkipDialog
from wstui.tui.dialogs.samples import SamplesDialog
from wstui.tui.dialogs.save import SaveDialog
from wstui.tui.dialogs.stop import How, StopDialog
from wstui.tui.kit.format import tilde
from wstui.tui.kit.run_summary import error_lines, summary, write_beside
from wstui.tui.kit.table import ListTable
from wstui.tui.run_thread import Runner
from wstui.tui.time_series import TimeSeries

if TYPE_CHECKING:
    from pathlib import Path

    from wstui.tui.app import WstuiApp

_PANELS = Binding.Group("Panels", compact=True)
_STEERING = {"toggle_pause", "step", "ramp", "pace", "skip", "stop"}
_SENT_BY: dict[str, RunCommand] = {
    "step": RampTo(0),
    "ramp": RampTo(0),
    "pace": SetInterval(0.0),
    "skip": SkipStage(),
}


class Controls(Screen[None]):
    """Bindings and actions; what is drawn is the dashboard's."""

    BINDINGS: ClassVar[list[BindingType]] = [
        key("space", "toggle_pause", "Pause", "load.pause", "Pause or resume sending", shown=True),
        key("R", "redistribute", "Redistribute", "load.redistribute", "Give lost load to those left", shown=True),
        key("plus,equals_sign", "step(1)", "More", "load.up", "10 % more clients", shown=True, display="+"),
        key("minus", "step(-1)", "Fewer", "load.down", "10 % fewer clients", shown=True, display="-"),
        key("t", "ramp", "Ramp", "load.ramp", "Ramp to a number of clients", shown=True),
        key("a", "stop", "Stop", "load.stop", "Drain or abort", shown=True),
        key("p", "pace", "Pace", "load.pace", "Set the send interval of each client", shown=True),
        key(
            "right_square_bracket",
            "skip",
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
        key("tab", "app.focus_next", "Next panel", "view.next", "Next panel"),
        key("y", "copy", "Copy", "view.copy", "Copy the summary", shown=True),
        key("x", "export", "Export", "errors.export", "Export the errors as JSON lines"),
    ]

    def __init__(self, runner: Runner) -> None:
        super().__init__()
        self.runner = runner
        self.session = runner.session
        self.view = View()
        self.history = TimeSeries()
        self._steps = Steps()

    @property
    def owner(self) -> WstuiApp:
        """The application, as what it is."""
        return cast("WstuiApp", self.app)

    def poll(self, *, charts: bool = False) -> None:
        """Draw the latest picture."""
        raise NotImplementedError

    def redraw_charts(self) -> None:
        """Draw the charts again."""
        raise NotImplementedError

    @property
    def _status(self) -> Status:
        return self.session.status

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Nothing can be steered once the run has ended."""
        if action in _STEERING and self._status.state.ended:
            return False
        if action == "result":
            return self.runner.done.is_set()
        if action == "back":
            status, view = self._status, self.view
            return bool(view.pattern or view.maximised) or (status.state.ended and self.owner.launcher is not None)
        if action == "redistribute":
            return self._status.generator.unreplaced_workers > 0 and not self._status.state.ended
        return True

    def hides(self, action: str) -> bool:
        """Whether a key would be refused now: it is not offered, and says why when it is pressed all the same."""
        name = action.split("(")[0]
        if name == "app.open":
            return self.owner.busy
        if name == "toggle_pause":
            return bool(unsteered(self._status))
        command = _SENT_BY.get(name)
        return command is not None and bool(refusal(command, self._status))

    def label_of(self, action: str) -> str | None:
        """What a key does just now, where that changes."""
        if action == "toggle_pause":
            return "Resume" if self._status.state is State.PAUSED else "Pause"
        return None

    # load

    def action_toggle_pause(self) -> None:
        """Pause, or go on."""
        command = ResumeRun() if self._status.state is State.PAUSED else PauseRun()
        if self._may(command):
            self.owner.steer(command)
        self.refresh_bindings()

    def action_step(self, sign: int) -> None:
        """Ten percent more or fewer clients."""
        if self._may(_SENT_BY["step"]):
            before, clients, over_s = self._steps.next(self._status, sign)
            self._ramp_to(before, clients, over_s)

    def action_ramp(self) -> None:
        """Ask for a number of clients."""
        if self._may(_SENT_BY["ramp"]):
            self.app.push_screen(RampDialog(self._status), self._ramp)

    def _ramp(self, answer: tuple[int, float] | None) -> None:
        if answer is not None and self._may(RampTo(*answer)):
            self._steps.forget()
            self._ramp_to(self._status.target_clients, *answer)

    def _ramp_to(self, before: int, clients: int, over_s: float) -> None:
        lacking = shortage(clients, self._status.counters.open, self._status.generator) if clients > before else ""
        self.owner.steer(RampTo(clients, over_s), warning=lacking)

    def action_pace(self) -> None:
        """Ask for an interval."""
        if self._may(_SENT_BY["pace"]):
            self.app.push_screen(PaceDialog(self._status), self._pace)

    def _pace(self, every_s: float | None) -> None:
        if every_s is not None and self._may(SetInterval(every_s)):
            self.owner.steer(SetInterval(every_s))

    def action_redistribute(self) -> None:
        """Start new workers for the clients of lost ones."""
        self.owner.steer(Redistribute())

    def action_skip(self) -> None:
        """End the current stage or cooldown; ask first if nothing comes after it."""
        status, command = self._status, SkipStage()
        if not self._may(command):
            return
        if status.state is State.COOLDOWN or not is_last_stage(status):
            self.owner.steer(command)
            return

        def skip(sure: bool | None) -> None:
            if sure and self._may(command):
                self.owner.steer(command)

        self.app.push_screen(SkipDialog(status), skip)

    def action_stop(self) -> None:
        """Ask how to end the run."""
        self.app.push_screen(StopDialog(self._status), self._stop)

    def _stop(self, how: How | None) -> None:
        if how is not None:
            self.owner.stop(how)

    def _may(self, command: RunCommand) -> bool:
        """Whether a command can be carried out now; says why not."""
        why = refusal(command, self._status)
        if why:
            self.owner.say(why, "warning")
        return not why

    # view

    def action_freeze(self) -> None:
        """Hold the picture, or let it follow the run again."""
        self.view.frozen = not self.view.frozen
        over = self._status.state.ended
        held = "view frozen" if over else "view frozen: the run goes on"
        self.owner.say(
            held if self.view.frozen else "view shows the end of the run" if over else "view follows the run"
        )
        self.poll(charts=True)

    def action_scale(self) -> None:
        """Logarithmic or linear latency."""
        self.view.log = not self.view.log
        self.owner.say(f"latency on a {'logarithmic' if self.view.log else 'linear'} axis")
        self.redraw_charts()

    def action_window(self) -> None:
        """The next span of time."""
        self.owner.say(f"charts show the {self.view.next_window()}")
        self.redraw_charts()

    def action_maximise(self, panel: int) -> None:
        """One panel alone, or all again."""
        self.view.maximised = 0 if self.view.maximised == panel else panel
        for number in (1, 2, 3, 4):
            self.set_class(number == self.view.maximised, f"-max-{number}")
        self.refresh_bindings()

    def action_back(self) -> None:
        """One step back: clear the filter, then restore the panels, then leave a run that has ended."""
        if self.view.pattern:
            self._filter("")
            self.refresh_bindings()
        elif self.view.maximised:
            self.action_maximise(self.view.maximised)
        elif self._status.state.ended:
            self.owner.action_open()

    def action_copy(self) -> None:
        """The summary into the clipboard and into a file: not every terminal passes a clipboard on."""
        text = summary(self._status)
        self.app.copy_to_clipboard(text)
        self._write("summary", ".txt", text, "summary copied, and written to {}")

    def action_result(self) -> None:
        """Back to the result."""
        self.owner.show_result()

    # errors, scenario

    def action_filter(self) -> None:
        """Ask for words."""
        self.app.push_screen(FilterDialog(self.view.pattern, self._filter))

    def _filter(self, pattern: str) -> int:
        self.view.pattern = pattern
        self.poll()
        self.refresh_bindings()
        return sum(matches(group, pattern) for group in self._status.failures)

    def on_table_chosen(self, event: ListTable.Chosen) -> None:
        """Show the samples."""
        if isinstance(event.table, Errors) and event.table.chosen is not None:
            self.app.push_screen(SamplesDialog(event.table.chosen))

    def action_export(self) -> None:
        """The errors as JSON lines."""
        groups = [g for g in self._status.failures if matches(g, self.view.pattern)]
        if not groups:
            self.owner.say("no errors to export", "warning")
            return
        self._write("errors", ".jsonl", error_lines(groups), f"{len(groups)} groups written to {{}}")

    def _write(self, what: str, suffix: str, text: str, done: str) -> None:
        moment = self.owner.clock().strftime("%Y%m%d-%H%M%S")
        try:
            path = write_beside(f"wstui-{what}-{moment}{suffix}", text)
        except OSError as error:
            self.owner.say(f"cannot be written: {error.strerror or error}", "error")
            return
        self.owner.say(done.format(tilde(path)))

    def action_edit(self) -> None:
        """Open the scenario in the editor; the run keeps what it began with."""
        self.owner.edit(self._status.scenario)

    def action_save(self) -> None:
        """Ask where to save the scenario, with the load as it was driven."""
        status = self._status
        scenario = to_scenario(status)
        stages = len(scenario.stages)
        what = f": {stages} stages, the load as it was driven" if was_steered(status) else ""

        def saved(path: Path | None) -> None:
            if path is not None:
                self.owner.say(f"saved to {tilde(path)}{what}")

        self.app.push_screen(SaveDialog(scenario, self.owner.presets), saved)
