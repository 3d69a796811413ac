"""Requests of screens to the application: they post these, and it handles them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

from wstui.execution.run.commands import RunCommand
from wstui.execution.run.result import Result, SuiteResult
from wstui.execution.run.status import Status
from wstui.scenario.model import Scenario, Suite
from wstui.scenario.presets import PresetEntry

if TYPE_CHECKING:
    from wstui.report.store.pictures import Recording
    from wstui.report.store.store import StoredRun


@dataclass
class Launch(Message):
    """Run scenarios in order, with seconds of cooldown between them; ask first if the load is large or remote."""

    scenarios: list[Scenario]
    name: str
    cooldown_s: float = 0.0


@dataclass
class LaunchDemo(Message):
    """Run the demo, which brings its own server."""


@dataclass
class RerunStored(Message):
    """Run what a stored run ran, after asking."""

    run: StoredRun


@dataclass
class OpenChecklist(Message):
    """Check everything that a run of scenarios needs."""

    scenarios: list[Scenario]
    name: str
    cooldown_s: float = 0.0


@dataclass
class OpenEditor(Message):
    """Edit a scenario; `preset` is where it comes from, if it has a file."""

    content: Scenario | Suite
    preset: PresetEntry | None = None


@dataclass
class OpenStored(Message):
    """Show the result of a stored run."""

    run: StoredRun


@dataclass
class CompareRuns(Message):
    """Show two stored runs, compared."""

    before: int
    after: int


@dataclass
class OpenReplay(Message):
    """Show one or two stored runs as they were, each with what it is called."""

    runs: Sequence[tuple[str, Recording]]
    speed: float = 1.0


@dataclass
class AskExport(Message):
    """Ask where to write a result as a report; `number` is that of the stored run."""

    result: Result | SuiteResult
    number: int | None = None


@dataclass
class OpenPresets(Message):
    """Return to the start screen."""


@dataclass
class ShowResult(Message):
    """Show the result of the run that has ended."""


@dataclass
class Steer(Message):
    """Send a command to the run; `warning` is shown with what became of it."""

    command: RunCommand
    warning: str = ""


@dataclass
class RunPolled(Message):
    """The dashboard has read the run: dialogs that ask about something that is over are to be closed."""

    status: Status


@dataclass
class DashboardShown(Message):
    """The dashboard is the screen on top again."""
