"""What is found to be wrong between the fields of a scenario."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from wstui.scenario.errors import Key, Problem, dotted
from wstui.scenario.secrets import mask_text, masker


@dataclass(frozen=True, slots=True)
class Conflict:
    """A conflict at `key`; it cannot be judged while a value at `path` or under `rests_on` is itself broken."""

    key: Key
    message: str
    value: str = ""
    nearest: str = ""
    rests_on: tuple[Key, ...] = ()
    unset: bool = False  # a file that refers to the environment here is sound; only a run needs the value

    def problem(self, file: str) -> Problem:
        """The same for people, who see no secret that a value may hold in any field."""
        return Problem(file, dotted(self.key), mask_text(self.message), mask_text(self.value), self.nearest)


def without_secrets(problem: Problem, secrets: Iterable[str]) -> Problem:
    """The problem without the values of variables that sound like secrets, wherever they stand."""
    mask = masker(tuple(secrets))
    return replace(problem, message=mask(problem.message), value=mask(problem.value), nearest=mask(problem.nearest))
