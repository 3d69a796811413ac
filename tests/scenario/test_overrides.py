"""Flags go before the environment, the environment before the preset, the preset before the defaults."""

from __future__ import annotations

from typing import Any

import pytest

from tests.scenario.revising import revised
from wstui.scenario.errors import Problem, ScenarioError
from wstui.scenario.file import dumps, loads
from wstui.scenario.model import Scenario
from wstui.scenario.overrides import Overrides, apply

TEXT = """
name = "mine"
[target]
url = "${WS_URL:-ws://preset}"
[auth]
kind = "token"
token = "${AUTH_TOKEN:-}"
[[stages]]
name = "ramp"
over = "10s"
clients = 100
[[stages]]
name = "hold"
over = "30s"
[[stages]]
name = "spike"
over = "5s"
clients = 250
[[stages]]
name = "cooldown"
over = "5s"
clients = 0
[messages]
every = "5s"
[[thresholds]]
metric = "connect.success"
limit = ">= 100%"
[[thresholds]]
metric = "response.mean"
limit = "< 5ms"
"""


def preset(text: str = TEXT, **environ: str) -> Scenario:
    scenario = loads(text, "mine.toml", environ, complete=False)
    assert isinstance(scenario, Scenario)
    return scenario


def problems(environ: dict[str, str], flags: dict[str, Any], text: str = TEXT) -> list[Problem]:
    with pytest.raises(ScenarioError) as caught:
        apply(preset(text), environ, Overrides(**flags))
    return list(caught.value.problems)


def test_nothing_asked_for_changes_nothing() -> None:
    empty = Overrides(url=None, clients=None, thresholds=(), insecure=False, no_thresholds=False)
    assert apply(preset(), {"WS_URL": "", "MAX_CONNECTIONS": " "}, empty) == preset()


def test_each_source_goes_before_the_next() -> None:
    environ = {"WS_URL": "ws://environment", "MESSAGE_FREQUENCY": "250", "TEST_DURATION": "90000"}
    assert apply(preset(), {}).target.url == "ws://preset"
    asked = apply(preset(), environ)
    assert (asked.target.url, asked.messages.every, asked.stages[1].over) == ("ws://environment", 0.25, 90.0)
    asked = apply(preset(), environ, Overrides(url="ws://flag", every="1s", hold="2m"))
    assert (asked.target.url, asked.messages.every, asked.stages[1].over) == ("ws://flag", 1.0, 120.0)


def test_clients_set_the_peak_and_the_other_stages_keep_their_proportion() -> None:
    def clients(environ: dict[str, str], flags: dict[str, Any]) -> list[int | None]:
        return [stage.clients for stage in apply(preset(), environ, Overrides(**flags)).stages]

    assert clients({}, {"clients": 1000}) == [400, None, 1000, 0]
    assert clients({"MAX_CONNECTIONS": "500"}, {}) == [200, None, 500, 0]
    assert clients({"MAX_CONNECTIONS": "500"}, {"clients": 25}) == [10, None, 25, 0]
    assert clients({}, {"scale": 0.1}) == [10, None, 25, 0]
    assert clients({}, {"clients": 1}) == [1, None, 1, 0]
    assert clients({}, {"clients": 500, "scale": 2.0}) == [400, None, 1000, 0]


def test_every_flag_finds_its_place() -> None:
    asked = apply(
        preset(),
        {},
        Overrides(
            ramp=1.5,
            timeout="3s",
            exchange="echo",
            ready="open",
            health="off",
            workers=0,
            local_addresses=("127.0.0.1", "127.0.0.2"),
            insecure=True,
            every="0s",
        ),
    )
    assert asked.stages[0].over == 1.5
    assert (asked.messages.timeout, asked.messages.exchange, asked.messages.every) == (3.0, "echo", 0.0)
    assert (asked.target.ready, asked.target.health, asked.target.insecure) == ("open", "off", True)
    assert (asked.fleet.workers, asked.fleet.local_addresses) == (0, ["127.0.0.1", "127.0.0.2"])


def test_a_token_on_the_command_line_is_used_as_one() -> None:
    text = TEXT.replace('kind = "token"', 'kind = "none"')
    assert apply(preset(text), {"AUTH_TOKEN": "ambient"}).auth.token.get_secret_value() == ""
    asked = apply(preset(text), {}, Overrides(token="given")).auth
    assert (asked.kind, asked.token.get_secret_value()) == ("token", "given")
    assert apply(preset(), {"AUTH_TOKEN": "ambient"}).auth.token.get_secret_value() == "ambient"


def test_signing_takes_its_secret_from_the_environment_where_the_preset_has_none() -> None:
    asked = apply(preset(), {"JWT_SECRET": "s"}, Overrides(auth="jwt")).auth
    assert (asked.kind, asked.secret.get_secret_value()) == ("jwt", "s")
    (problem,) = problems({}, {"auth": "jwt"})
    assert problem.key == "auth.secret" and "JWT_SECRET" in problem.message


def test_a_conflict_in_the_preset_may_be_healed_by_a_flag() -> None:
    text = TEXT.replace('kind = "token"', 'kind = "jwt"')
    assert apply(preset(text), {}, Overrides(auth="none")).auth.kind == "none"


def test_thresholds_on_the_same_metric_are_replaced_and_others_added() -> None:
    def limits(flags: dict[str, Any]) -> list[tuple[str, str]]:
        return [(threshold.metric, threshold.limit) for threshold in apply(preset(), {}, Overrides(**flags)).thresholds]

    assert limits({"thresholds": ["response.mean < 9ms", "response.p99 < 20ms"]}) == [
        ("connect.success", ">= 100%"),
        ("response.mean", "< 9ms"),
        ("response.p99", "< 20ms"),
    ]
    assert limits({"no_thresholds": True}) == []
    assert limits({"no_thresholds": True, "thresholds": ["failures.rate < 1%"]}) == [("failures.rate", "< 1%")]


def test_what_is_wrong_is_told_by_flag_and_variable_all_at_once() -> None:
    found = problems(
        {"MAX_CONNECTIONS": "many", "TEST_DURATION": "30s"},
        {
            "url": "http://u:hidden@h",
            "every": "5",
            "exchange": "orden",
            "thresholds": ["respons.p99 < 20ms"],
            "local_addresses": ["x"],
            "scale": -1,
        },
    )
    assert {(problem.file, problem.key) for problem in found} == {
        ("environment", "MAX_CONNECTIONS"),
        ("environment", "TEST_DURATION"),
        ("command line", "--url"),
        ("command line", "--every"),
        ("command line", "--exchange"),
        ("command line", "--threshold"),
        ("command line", "--local-address"),
        ("command line", "--scale"),
    }
    text = str(ScenarioError(found))
    assert "hidden" not in text
    assert 'write "5s" or "5ms"' in text and '"odin"' in text and '"response.p99"' in text


@pytest.mark.parametrize("flags", [{"clients": 0}, {"clients": -5}, {"clients": 10**8}, {"scale": float("nan")}])
def test_a_load_of_nobody_or_of_everybody_is_refused(flags: dict[str, Any]) -> None:
    assert problems({}, flags)[0].file == "command line"


def test_a_length_for_a_stage_that_is_not_there_names_the_stages() -> None:
    text = TEXT.replace('name = "hold"', 'name = "plateau"')
    (problem,) = problems({"TEST_DURATION": "1000"}, {}, text)
    assert problem.key == "TEST_DURATION"
    assert '"ramp", "plateau", "spike", "cooldown"' in problem.message


def test_an_unknown_flag_is_a_programming_error() -> None:
    with pytest.raises(TypeError, match="user"):
        Overrides(users=5)  # type: ignore[call-arg]


def test_references_survive_and_what_flags_changed_is_written() -> None:
    asked = apply(preset(), {"AUTH_TOKEN": "hidden"}, Overrides(clients=500))
    text = dumps(asked)
    assert 'url = "${WS_URL:-ws://preset}"' in text and "clients = 500" in text
    assert 'token = "${AUTH_TOKEN:-}"' in text and "hidden" not in text


def test_a_form_changes_fields_by_key_and_keeps_references() -> None:
    changed = revised(preset(), {"messages.every": "250ms", "fleet.workers": 2, "name": "other"})
    assert (changed.messages.every, changed.fleet.workers, changed.name) == (0.25, 2, "other")
    assert 'url = "${WS_URL:-ws://preset}"' in dumps(changed)


def test_a_form_is_told_its_problems_by_key() -> None:
    with pytest.raises(ScenarioError) as caught:
        revised(preset(), {"messages.every": "5", "target.ready": "opn", "thresholds": [{"metric": "x", "limit": ""}]})
    assert [problem.key for problem in caught.value.problems] == [
        "target.ready",
        "messages.every",
        "thresholds[0].metric",
        "thresholds[0].limit",
    ]
