"""A kept run can be run again, although results hold no secrets."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.tui import fake
from wstui.cli.tui_services import scenario_of
from wstui.execution.run.result import Result
from wstui.scenario.errors import ScenarioError
from wstui.scenario.model import Auth, Scenario, Stage, Target
from wstui.scenario.presets import open_preset
from wstui.scenario.secret_fields import masked


def kept(scenario: Scenario) -> Result:
    """What the store has of a run of it."""
    return msgspec.structs.replace(fake.result(), scenario=masked(scenario))


def plain(**changes: object) -> Scenario:
    scenario = Scenario(
        name="nobody-has-this",
        target=Target(url="ws://127.0.0.1:1/ws"),
        stages=[Stage(name="ramp", over=2.0, clients=7), Stage(name="hold", over=90.0)],
    )
    return scenario.model_copy(update=changes)


@pytest.mark.parametrize("name", ["quick", "breakpoint", "auth", "subscribe", "reconnect"])
def test_a_preset_that_still_asks_for_the_same_is_run_with_its_own_secrets(name: str) -> None:
    environ = {"AUTH_TOKEN": "tell-nobody", "JWT_SECRET": "tell-nobody-either"}
    preset = open_preset(name, environ)
    assert isinstance(preset, Scenario)
    assert scenario_of(kept(preset), environ) == preset


def test_a_run_whose_preset_is_gone_or_another_now_is_run_as_it_was() -> None:
    assert scenario_of(kept(plain()), {}) == plain()
    other = plain(name="quick")
    assert scenario_of(kept(other), {"WS_URL": "ws://elsewhere/ws"}) == other


def test_a_secret_that_was_not_kept_comes_from_the_environment_or_is_asked_for(tmp_path: Path) -> None:
    secret = plain(auth=Auth.model_validate({"kind": "token", "token": "tell-nobody"}))
    again = scenario_of(kept(secret), {"AUTH_TOKEN": "another"})
    assert again.auth.token.get_secret_value() == "another"
    with pytest.raises(ScenarioError, match=r"auth\.token: was not kept: set AUTH_TOKEN"):
        scenario_of(kept(secret), {})
    header = plain(target=Target(url="ws://127.0.0.1:1/ws", headers={"Authorization": "Bearer tell-nobody"}))
    with pytest.raises(ScenarioError, match="held a secret"):
        scenario_of(kept(header), {})
