"""A scenario with other values: checked as a whole, with its origin and its references to the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from wstui.scenario.checks import findings
from wstui.scenario.env_refs import Reference, secret_values, value_at
from wstui.scenario.errors import Key, Problem, ScenarioError, without_secrets
from wstui.scenario.model import Scenario, Suite
from wstui.scenario.validation_errors import diagnose


@dataclass(frozen=True, slots=True)
class RequestedValue:
    """A value set by something other than the file."""

    value: Any = field(repr=False)
    source: str  # command line or environment
    name: str  # --clients, MAX_CONNECTIONS

    def problem(self, message: str, value: str = "", nearest: str = "") -> Problem:
        """Return a problem that names what asked for the value."""
        return Problem(self.source, self.name, message, value, nearest)


def remade(content: Scenario | Suite, data: dict[str, Any], references: Mapping[Key, str]) -> Scenario | Suite:
    """Return what `data` describes, checked, as a further version of `content`.

    `references` are the texts, by place, that stand for its values. Raises ScenarioError.
    """
    made: Scenario | Suite
    if isinstance(content, Scenario):
        made = checked(content, data, {}, [], references)
    else:
        try:
            made = Suite.model_validate(data)
        except ValidationError as error:
            raise ScenarioError(diagnose(error, content.origin.file, Suite).values()) from None
    values = made.model_dump()
    known = {key: Reference(raw, value_at(values, key)) for key, raw in references.items()}
    secrets = [value for raw in references.values() for value in secret_values(raw, os.environ)]
    made._origin = replace(content.origin, references=known, secrets=(*content.origin.secrets, *secrets))
    return made


def checked(
    scenario: Scenario,
    data: dict[str, Any],
    blame: Mapping[Key, RequestedValue],
    problems: list[Problem],
    references: Mapping[Key, str] | None = None,
) -> Scenario:
    """Return the scenario that `data` describes; problems are attributed to the requests by the key they set."""
    file = scenario.origin.file
    try:
        changed = Scenario.model_validate(data)
    except ValidationError as error:
        found = diagnose(error, file, Scenario)
        found_all = [*problems, *(_attributed(key, problem, blame) for key, problem in found.items())]
        raise ScenarioError(without_secrets(problem, scenario.origin.secrets) for problem in found_all) from None
    changed._origin = scenario._origin
    if references is not None:
        known = {key: Reference(raw, None) for key, raw in references.items()}
        changed._origin = replace(scenario._origin, references=known)
    if not problems:
        problems = [_attributed(finding.key, finding.problem(file), blame) for finding in findings(changed)]
    if problems:
        raise ScenarioError(without_secrets(problem, scenario.origin.secrets) for problem in problems)
    return changed


def _attributed(key: Key, problem: Problem, blame: Mapping[Key, RequestedValue]) -> Problem:
    for length in range(len(key), 0, -1):
        if request := blame.get(key[:length]):
            return request.problem(problem.message, problem.value, problem.nearest)
    return problem
