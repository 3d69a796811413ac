"""Change a few values of a scenario in a test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wstui.scenario.changes import checked
from wstui.scenario.model import Scenario


def revised(scenario: Scenario, values: Mapping[str, Any]) -> Scenario:
    """Return the scenario with other values by dotted key ("messages.every", "stages"), checked.

    Durations and sizes may be texts. What is not changed keeps its reference. The problems of a ScenarioError
    carry the key of each field.
    """
    data = scenario.model_dump(exclude_unset=True)
    for key, value in values.items():
        section, _, name = key.rpartition(".")
        table = data.setdefault(section, {}) if section else data
        table[name] = value
    return checked(scenario, data, {}, [])
