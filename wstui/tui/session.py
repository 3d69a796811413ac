"""What the terminal needs of a run: its picture, its controls, and one blocking call that carries it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from wstui.execution.result import Result, SuiteResult
from wstui.execution.status import Steerable


class Session(Steerable, Protocol):
    """A run, or a suite of runs, that can be watched, steered and carried out."""

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
    out, `fault` what went wrong in the terminal itself. Texts are empty when there is nothing to say.
    """

    result: Result | SuiteResult | None = None
    error: str = ""
    fault: str = ""
