"""What a kept run was asked to do, ready to be run again: results hold no secrets, so those come from elsewhere."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from wstui.execution.run.result import Result
from wstui.scenario.changes import remade
from wstui.scenario.errors import Key, Problem, ScenarioError
from wstui.scenario.handshake_checks import VARIABLES
from wstui.scenario.model import Scenario
from wstui.scenario.presets import open_preset
from wstui.scenario.secret_fields import masked
from wstui.scenario.secrets import MASK


def scenario_of(result: Result, environ: Mapping[str, str] | None = None) -> Scenario:
    """The preset of that name where it still asks for the same, else the scenario as it was run.

    Secrets are taken from the preset, or from AUTH_TOKEN and JWT_SECRET. Raises ScenarioError where one is missing.
    """
    environ = os.environ if environ is None else environ
    asked = result.scenario
    try:
        preset = open_preset(str(asked.get("name", "")), environ)
    except ScenarioError:
        preset = None
    if isinstance(preset, Scenario) and masked(preset) == asked:
        return preset
    empty: dict[Key, str] = {("auth", "token"): "${AUTH_TOKEN:-}"}  # a run that was made without one
    made = remade(Scenario(), _unmasked(asked, environ), {} if (asked.get("auth") or {}).get("token") else empty)
    assert isinstance(made, Scenario)
    return made


def _unmasked(asked: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """The scenario as plain data, with secrets in the places that were masked."""
    data = dict(asked)
    auth = dict(data.get("auth") or {})
    for name, variable in VARIABLES.items():
        if auth.get(name) == MASK:
            if not environ.get(variable):
                raise ScenarioError(Problem("", f"auth.{name}", f"was not kept: set {variable}, or run the preset"))
            auth[name] = environ[variable]
    data["auth"] = auth
    for name in data.keys() - {"name", "description", "auth"}:
        if MASK in str(data.get(name)):
            raise ScenarioError(Problem("", name, "held a secret, which was not kept: run the preset"))
    return data
