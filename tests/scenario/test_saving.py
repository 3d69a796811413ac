"""What is saved loads equal, holds references where it came with them, and never a secret."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.search import FEW
from wstui.scenario.errors import PresetExistsError, ScenarioError
from wstui.scenario.file import dumps, load, loads, save
from wstui.scenario.model import Auth, Fleet, Messages, Scenario, Stage, Suite, Target, Threshold
from wstui.scenario.threshold import METRICS, Limit, parse_metric
from wstui.scenario.toml_dump import written
from wstui.scenario.units import LONGEST_S

durations = st.floats(min_value=0, max_value=LONGEST_S)
waits = st.floats(min_value=0, max_value=LONGEST_S, exclude_min=True)
texts = st.text(st.characters(codec="utf-8")) | st.sampled_from(["${", "$${A}", "${A:-b}", 'a"b\\', "é\n\t\x00"])
latin = st.text(st.characters(codec="latin-1", exclude_categories=("C", "Z"))) | st.sampled_from(["${A}", "$$"])
lines = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z"))) | st.sampled_from(["${A}", "$$"])
tokens = st.from_regex(r"[a-z0-9!#$-]{1,8}", fullmatch=True)
names = st.from_regex(r"[a-z0-9.-]{1,8}", fullmatch=True)
hosts = st.from_regex(r"[a-z0-9][a-z0-9-]{0,5}(\.[a-z]{2})?", fullmatch=True)
urls = st.builds("{}://{}:{}/{}".format, st.sampled_from(["ws", "wss"]), hosts, st.integers(1, 65535), names)


@st.composite
def limits(draw: st.DrawFn) -> dict[str, Any]:
    metric = draw(st.sampled_from(METRICS))
    value = draw(st.floats(min_value=0.001, max_value=99.0))
    return {"metric": metric, "limit": str(Limit(draw(st.sampled_from((">", "<="))), value, parse_metric(metric).unit))}


targets = st.builds(
    Target,
    url=urls,
    ready=st.sampled_from(["welcome", "open"]),
    welcome=texts,
    settle=durations,
    connect_timeout=waits,
    max_size=st.integers(0, 1 << 40),
    headers=st.dictionaries(st.from_regex(r"x-[a-b.]{1,5}", fullmatch=True), latin, max_size=3),
    subprotocols=st.lists(tokens, max_size=2, unique=True),
    compression=st.booleans(),
)
stage_lists = st.lists(
    st.builds(Stage, name=lines.filter(bool), over=durations.filter(bool), clients=st.none() | st.integers(1, 10**7)),
    min_size=1,
    max_size=4,
    unique_by=lambda stage: stage.name,
).map(lambda stages: [stages[0].model_copy(update={"clients": stages[0].clients or 1}), *stages[1:]])
scenarios = st.builds(
    Scenario,
    name=lines,
    description=texts,
    target=targets,
    auth=st.builds(Auth, ttl=durations)
    | st.builds(Auth, kind=st.just("token"), token=st.just("a.token"), ttl=durations),
    stages=stage_lists,
    messages=st.builds(
        Messages,
        exchange=st.sampled_from(["odin", "echo", "ping"]),
        every=durations,
        timeout=waits,
        size=st.integers(0, 1 << 40),
        text=st.booleans(),
    ),
    thresholds=st.lists(
        st.builds(
            lambda limit, after, fail: Threshold(**limit, after=after, abort_on_fail=fail),
            limits(),
            durations,
            st.booleans(),
        ),
        max_size=3,
    ),
    fleet=st.builds(
        Fleet,
        workers=st.integers(0, 1024),
        local_addresses=st.lists(st.ip_addresses().map(str), max_size=2),
        hosts=st.lists(st.sampled_from(["host1", "host2:4", "user@host3", "[::1]:2"]), max_size=3, unique=True),
        python=st.sampled_from(["", "/opt/wstui/bin/python"]),
    ),
)


@FEW
@given(scenarios)
def test_any_scenario_loads_equal_from_its_text(scenario: Scenario) -> None:
    assert loads(dumps(scenario), "", {"AUTH_TOKEN": "a.token"}) == scenario


@given(
    st.builds(Suite, name=lines, description=texts, suite=st.lists(lines.filter(bool), min_size=1), cooldown=durations)
)
def test_any_suite_loads_equal_from_its_text(suite: Suite) -> None:
    assert loads(dumps(suite), "", {}) == suite


def test_json_data_of_a_scenario_reads_back_equal() -> None:
    scenario = Scenario(stages=[Stage(name="hold", over=0.1, clients=3)], messages=Messages(every=1 / 3, size=2048))
    assert Scenario.model_validate(scenario.model_dump(mode="json")) == scenario


def test_a_listener_has_no_pace_to_write() -> None:
    scenario = Scenario(stages=[Stage(name="hold", over=1, clients=1)], messages=Messages(exchange="listen"))
    assert tomllib.loads(dumps(scenario))["messages"] == {"exchange": "listen"}


WITH_REFERENCES = """
name = "mine"
[target]
url = "${WS_URL:-ws://localhost:3001/ws}"
[target.headers]
Authorization = "Bearer ${API_TOKEN}"
[auth]
kind = "token"
token = "${AUTH_TOKEN:-}"
[[stages]]
name = "hold"
over = "${LENGTH:-30s}"
clients = "${MAX_CONNECTIONS:-100}"
[messages]
every = "5s"
"""
ENVIRONMENT = {"API_TOKEN": "hidden", "AUTH_TOKEN": "hidden-too"}


def opened(text: str = WITH_REFERENCES) -> Scenario:
    scenario = loads(text, "", ENVIRONMENT)
    assert isinstance(scenario, Scenario)
    return scenario


def test_references_are_written_back_where_the_value_is_still_theirs() -> None:
    data = tomllib.loads(dumps(opened()))
    assert data["target"]["url"] == "${WS_URL:-ws://localhost:3001/ws}"
    assert data["target"]["headers"] == {"Authorization": "Bearer ${API_TOKEN}"}
    assert data["auth"]["token"] == "${AUTH_TOKEN:-}"
    assert data["stages"] == [{"name": "hold", "over": "${LENGTH:-30s}", "clients": "${MAX_CONNECTIONS:-100}"}]
    assert loads(dumps(opened()), "", ENVIRONMENT) == opened()


def test_a_changed_value_is_written_instead_of_its_reference_and_the_others_stay() -> None:
    scenario = opened()
    changed = scenario.model_copy(update={"stages": [Stage(name="hold", over=30, clients=7)]})
    data = tomllib.loads(dumps(changed))
    assert data["stages"] == [{"name": "hold", "over": "${LENGTH:-30s}", "clients": 7}]
    assert data["target"]["url"] == "${WS_URL:-ws://localhost:3001/ws}"


def test_the_short_form_keeps_its_references() -> None:
    text = '[load]\nclients = "${MAX_CONNECTIONS:-100}"\nramp = "${RAMP:-1s}"\nhold = "1s"\n'
    data = tomllib.loads(written(opened(text)))
    assert data["stages"][0] == {"name": "ramp", "over": "${RAMP:-1s}", "clients": "${MAX_CONNECTIONS:-100}"}
    assert dumps(opened(text)) == text


SECRETS = """
[target]
url = "ws://user:hidden@h/ws?token=hidden&room=1"
health = "http://user:hidden@h/"
[target.headers]
Cookie = "session=hidden"
X-Api-Key = "${KEY:-hidden}"
[auth]
token = "hidden"
secret = "${JWT_SECRET:-hidden}"
[[stages]]
name = "hold"
over = "1s"
clients = 1
"""


def test_no_secret_is_ever_written() -> None:
    text = dumps(opened(SECRETS))
    assert "hidden" not in text
    data = tomllib.loads(text)
    assert data["auth"] == {"token": "${AUTH_TOKEN:-}", "secret": "${JWT_SECRET:-}"}
    assert data["target"]["url"] == "ws://user:${WS_PASSWORD:-}@h/ws?token=${AUTH_TOKEN:-}&room=1"
    assert data["target"]["headers"] == {"Cookie": "${COOKIE:-}", "X-Api-Key": "${X_API_KEY:-}"}
    assert isinstance(loads(text, "", {}), Scenario)


def test_a_token_in_the_url_that_is_another_one_has_a_name_of_its_own() -> None:
    text = dumps(opened(SECRETS.replace("token=hidden", "token=hidden-too")))
    assert "hidden" not in text
    data = tomllib.loads(text)
    assert data["auth"]["token"] == "${AUTH_TOKEN:-}"
    assert data["target"]["url"] == "ws://user:${WS_PASSWORD:-}@h/ws?token=${WS_TOKEN:-}&room=1"


def test_a_scenario_rebuilt_from_plain_data_still_writes_no_secret() -> None:
    assert "hidden" not in dumps(Scenario.model_validate(opened(SECRETS).model_dump()))


def test_saving_writes_a_new_file_with_its_folders_and_loads_equal(tmp_path: Path) -> None:
    path = save(opened(), tmp_path / "a" / "b" / "mine.toml")
    assert load(path, ENVIRONMENT) == opened()
    assert [entry.name for entry in path.parent.iterdir()] == ["mine.toml"]


def test_a_file_that_is_there_is_kept_unless_told_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("precious")
    with pytest.raises(PresetExistsError, match="is there already"):
        save(opened(), path)
    assert path.read_text() == "precious"
    save(opened(), path, overwrite=True)
    assert load(path, ENVIRONMENT) == opened()


def test_a_replaced_file_keeps_its_mode_and_a_link_stays_a_link(tmp_path: Path) -> None:
    path, link = tmp_path / "mine.toml", tmp_path / "link.toml"
    path.write_text("")
    path.chmod(0o640)
    link.symlink_to(path)
    save(opened(), link, overwrite=True)
    assert link.is_symlink() and load(path, ENVIRONMENT) == opened()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_failed_save_leaves_the_old_file_and_no_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("precious")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(ScenarioError, match="No space left"):
        save(opened(), path, overwrite=True)
    assert path.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["file/x.toml", "nul\0.toml"])
def test_where_nothing_can_be_written_the_reason_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ScenarioError, match="cannot be written"):
        save(opened(), tmp_path / name)
