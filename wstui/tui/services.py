"""Services for screens: the clock, the operator's presets, and what can start, check, store and compare runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from wstui.execution.run.commands import RunControl
from wstui.execution.run.result import Result, SuiteResult
from wstui.scenario.model import Scenario
from wstui.scenario.presets import own_folder

if TYPE_CHECKING:
    from wstui.execution.preflight.checklist import Check
    from wstui.execution.preflight.detection import Detection
    from wstui.execution.preflight.probe import Probe
    from wstui.manual.pages import Manual
    from wstui.report.analysis.compare import Comparison
    from wstui.report.analysis.trend import Trend
    from wstui.report.store.pictures import Recording
    from wstui.report.store.store import StoredRun

How = Literal["drain", "abort"]
"""How a run is stopped."""


class Session(RunControl, Protocol):
    """A run, or a suite of runs, that can be watched, steered and carried out."""

    scenarios: Sequence[Scenario]
    """The scenarios, in order."""
    cooldown_s: float
    """Seconds between two runs."""
    is_remote: bool
    """Whether it goes on in another process, which closing this terminal does not end."""
    read_only: bool
    """Whether it can only be watched."""

    def execute(self) -> Result | SuiteResult:
        """Carry it out, block until it has ended and return what was measured.

        Called once, in a thread of its own, so that a stalled terminal never holds up the load. Any exception
        carries a text that an operator can act on.
        """
        ...


@dataclass(frozen=True, slots=True)
class SessionOutcome:
    """How a session in the terminal ended.

    `result` is what was measured (None when nothing was), `error` the reason why the run could not be carried
    out, `fault` what went wrong in the terminal itself. Texts are empty when there is nothing to say. `refused` is what
    happened to the first client, and the remedy, if the run has not begun because of it. `opened` is what came of the
    session that the terminal was opened with, if the operator has begun others since.
    """

    result: Result | SuiteResult | None = None
    error: str = ""
    fault: str = ""
    refused: tuple[str, str] | None = None
    opened: Result | SuiteResult | None = None


class Detachable(Protocol):
    """A terminal that a run can outlive."""

    def refusal(self) -> str:
        """Return why the run can't be left alone, or ""."""
        ...

    def leave(self) -> None:
        """Give the terminal back to the shell, and go on without one."""
        ...


class Runs(Protocol):
    """The run store. Every method may raise an exception whose text an operator can act on."""

    @property
    def place(self) -> str:
        """The file of the store."""
        ...

    def newest(self, limit: int) -> Sequence[StoredRun]:
        """Return at most `limit` runs, the newest first."""
        ...

    def result(self, number: int) -> Result:
        """Return the whole result of a run, with its timeline."""
        ...

    def recording(self, number: int) -> Recording:
        """Return a run second by second."""
        ...

    def compare(self, before: int, after: int) -> Comparison: ...

    def trend(self, preset: str, metric: str) -> Trend:
        """Return a metric over the last runs of a preset."""
        ...

    def delete(self, numbers: Sequence[int]) -> None: ...

    def tag(self, number: int, tags: Sequence[str]) -> None:
        """Replace the tags of a run."""
        ...

    def scenario(self, number: int) -> Scenario:
        """Return what a run ran; its secrets come from where they came from then."""
        ...

    def command(self, number: int) -> str:
        """Return the shell command that shows a run."""
        ...


@dataclass(frozen=True, slots=True)
class Launcher:
    """Actions of the start screen and the editor. Those that are None are not offered.

    `launch` makes a session of scenarios in order, their common name, the seconds of cooldown between them, and
    whether one client is tried first; nothing is started before its `execute`. `demo` makes one that brings its own
    server. `connect` opens one client all the way and fills in what it sees, step by step, or raises Unreachable.
    `look` guesses what the server at a URL speaks, or raises Unreachable. `preflight` yields each check before a run of
    scenarios, with the seconds of pauses between them, as soon as it is known. `reports` are the files that are written
    when wstui ends, by their format. `manual` makes the pages of the manual.
    """

    launch: Callable[[Sequence[Scenario], str, float, bool], Session]
    demo: Callable[[], Session] | None = None
    connect: Callable[[Scenario, Probe], Awaitable[None]] | None = None
    preflight: Callable[[Sequence[Scenario], float], AsyncIterator[Check]] | None = None
    runs: Runs | None = None
    reports: Mapping[str, str] = field(default_factory=dict)
    manual: Callable[[], Manual] | None = None
    look: Callable[[str], Awaitable[Detection]] | None = None


def utc_now() -> datetime:
    """Return the time of day that title bars show."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Services:
    """Given to every screen: what it may ask for besides posting messages."""

    launcher: Launcher | None = None
    clock: Callable[[], datetime] = utc_now
    presets: Path = field(default_factory=own_folder)
    """The folder that presets are saved to."""
    terminal: Detachable | None = None

    @property
    def runs(self) -> Runs | None:
        """The run store, unless it is switched off."""
        return self.launcher.runs if self.launcher is not None else None
