"""A scenario with other values: checked as a whole, with its origin and its references to the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from wstui.scenario.checks import findings
from wstui.scenario.env_refs import Reference, secret_values, value_at
from wstui.scenario.errors import Conflict, Key, Problem, ScenarioError, without_secrets
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
        conflicts = list(findings(changed))
        # A further version of a scenario may have other values where its file has those of before.
        places = _places(conflicts, scenario, data) if conflicts and references is None else {}
        problems = [
            _attributed(found.key, replace(found.problem(file), place=places.get(found.key, "")), blame)
            for found in conflicts
        ]
    if problems:
        raise ScenarioError(without_secrets(problem, scenario.origin.secrets) for problem in problems)
    return changed


def _places(conflicts: Sequence[Conflict], scenario: Scenario, data: dict[str, Any]) -> dict[Key, str]:
    """Return where conflicts are in the scenario's file, if that is known."""
    from wstui.scenario.toml_lines import lines_of, place_of

    if not scenario.origin.file or not scenario.origin.text:
        return {}
    lines = lines_of(scenario.origin.text)
    limits = {"thresholds": [threshold.model_dump() for threshold in scenario.thresholds]}
    # Limits from flags take the place of those in the file, and move what follows.
    moved = {
        found.key
        for found in conflicts
        if found.key[0] == "thresholds" and value_at(limits, found.key[:2]) != value_at(data, found.key[:2])
    }
    return {found.key: place_of(found.key, lines, data) for found in conflicts if found.key not in moved}


def _attributed(key: Key, problem: Problem, blame: Mapping[Key, RequestedValue]) -> Problem:
    for length in range(len(key), 0, -1):
        if request := blame.get(key[:length]):
            return request.problem(problem.message, problem.value, problem.nearest)
    return problem
