"""What the terminal needs from outside: a run to watch and steer, and who starts, checks, stores and compares runs.

Protocols, so that the screens know neither how load is made nor where results lie; the commands wire them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from wstui.execution.run.commands import RunControl
from wstui.execution.run.result import Result, SuiteResult
from wstui.scenario.model import Scenario

if TYPE_CHECKING:
    from wstui.execution.preflight.checklist import Check
    from wstui.execution.preflight.probe import Probe


class Session(RunControl, Protocol):
    """A run, or a suite of runs, that can be watched, steered and carried out."""

    scenarios: Sequence[Scenario]
    """What is run, in order."""
    name: str
    """Of all of it."""
    cooldown_s: float
    """Seconds between two runs."""

    def execute(self) -> Result | SuiteResult:
        """Carry it out, block until it has ended and return what was measured.

        Called once, in a thread of its own, so that a stalled terminal never holds up the load. Any exception
        carries a text that an operator can act on.
        """
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a session in the terminal ended.

    `result` is what was measured (None when nothing was), `error` the reason why the run could not be carried
    out, `fault` what went wrong in the terminal itself. Texts are empty when there is nothing to say. `opened` is what
    came of the session that the terminal was opened with, where the operator has begun others since.
    """

    result: Result | SuiteResult | None = None
    error: str = ""
    fault: str = ""
    opened: Result | SuiteResult | None = None


class StoredRun(Protocol):
    """A run that was kept. `summary` is its result without timeline; `state` "running", "finished", "interrupted"."""

    @property
    def id(self) -> int:
        """Its number."""
        ...

    @property
    def name(self) -> str:
        """The scenario's name."""
        ...

    @property
    def started(self) -> str:
        """When, as ISO 8601 with offset."""
        ...

    @property
    def state(self) -> str:
        """Whether it came to its end."""
        ...

    @property
    def tags(self) -> tuple[str, ...]:
        """What the operator calls it."""
        ...

    @property
    def summary(self) -> Result:
        """Its figures."""
        ...


class Change(Protocol):
    """One metric of two runs; `better` is None where nothing changed or no direction is the better one."""

    @property
    def metric(self) -> str:
        """Its name."""
        ...

    @property
    def unit(self) -> str:
        """ms, %, /s or nothing."""
        ...

    @property
    def before(self) -> float | None:
        """The figure of A."""
        ...

    @property
    def after(self) -> float | None:
        """The figure of B."""
        ...

    @property
    def significant(self) -> bool:
        """Whether it is more than noise."""
        ...

    @property
    def better(self) -> bool | None:
        """Whether B is better than A."""
        ...


class Comparison(Protocol):
    """What changed from run A to run B, and what speaks against comparing them."""

    @property
    def changes(self) -> Sequence[Change]:
        """Metric by metric."""
        ...

    @property
    def warnings(self) -> Sequence[str]:
        """Why the two may not be comparable."""
        ...


class Runs(Protocol):
    """The runs that were kept. Every method may raise an exception whose text an operator can act on."""

    def newest(self, limit: int) -> Sequence[StoredRun]:
        """The newest runs first, at most `limit`."""
        ...

    def result(self, number: int) -> Result:
        """The whole result of a run, with its timeline."""
        ...

    def compare(self, before: int, after: int) -> Comparison:
        """Two runs, metric by metric."""
        ...

    def delete(self, numbers: Sequence[int]) -> None:
        """Delete runs."""
        ...

    def tag(self, number: int, tags: Sequence[str]) -> None:
        """Give a run these tags, and no others."""
        ...

    def scenario(self, number: int) -> Scenario:
        """What a run was asked to do, ready to be run again: its secrets come from where they came from then."""
        ...

    def command(self, number: int) -> str:
        """What shows a run without the terminal UI."""
        ...

    @property
    def place(self) -> str:
        """Where the runs lie."""
        ...


@dataclass(frozen=True, slots=True)
class Launcher:
    """What the start screen and the editor can set going. What is None is not offered.

    `launch` makes a session of scenarios in order, their common name, and the seconds of cooldown between them;
    nothing is started before its `execute`. `demo` makes one that brings its own server. `connect` opens one client
    all the way and fills in what it sees, step by step; it raises Unreachable when there is no way. `preflight` yields
    each check before a run of scenarios, with the seconds of pauses between them in all, as soon as it is known.
    `reports` are the files that are written when wstui ends, by their format.
    """

    launch: Callable[[Sequence[Scenario], str, float], Session]
    demo: Callable[[], Session] | None = None
    connect: Callable[[Scenario, Probe], Awaitable[None]] | None = None
    preflight: Callable[[Sequence[Scenario], float], AsyncIterator[Check]] | None = None
    runs: Runs | None = None
    reports: Mapping[str, str] = field(default_factory=dict)
