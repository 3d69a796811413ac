"""Presets are found by name, the nearest folder first; what is broken is listed with its reason."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from platformdirs import user_cache_path

from wstui.scenario import presets
from wstui.scenario.errors import ScenarioError
from wstui.scenario.file import dumps, load, loads
from wstui.scenario.model import Scenario, Suite
from wstui.scenario.overrides import Overrides
from wstui.scenario.overview import SHIPPED, shipped_overviews
from wstui.scenario.presets import PresetEntry, available, find, members, open_preset

MINE = '[[stages]]\nname = "hold"\nover = "1s"\nclients = 1\n'


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory and an empty folder of own presets."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(presets, "own_folder", lambda: tmp_path / "own")
    for name in ("WS_URL", "AUTH_TOKEN", "JWT_SECRET", "MAX_CONNECTIONS", "TEST_DURATION", "MESSAGE_FREQUENCY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "presets").mkdir()
    (tmp_path / "own").mkdir()
    return tmp_path


def shipped(name: str) -> Scenario:
    scenario = load(find(name), {})
    assert isinstance(scenario, Scenario)
    return scenario


@pytest.mark.parametrize(
    ("name", "clients", "lengths", "every", "limits"),
    [
        (
            "quick",
            100,
            [10, 30],
            5,
            [("connect.success", ">= 100%"), ("connections.dropped", "<= 0"), ("response.mean", "< 5ms")],
        ),
        (
            "medium",
            1000,
            [30, 120],
            10,
            [("connect.success", "> 99%"), ("failures.rate", "< 1%"), ("response.mean", "< 10ms")],
        ),
        (
            "stress",
            5000,
            [60, 300],
            15,
            [("connect.success", "> 95%"), ("failures.rate", "< 5%"), ("response.mean", "< 20ms")],
        ),
    ],
)
def test_the_shipped_loads_are_what_they_promise(
    name: str, clients: int, lengths: list[float], every: float, limits: list[tuple[str, str]]
) -> None:
    scenario = shipped(name)
    assert scenario.peak_clients == clients
    assert [stage.over for stage in scenario.stages] == lengths
    assert scenario.messages.every == every
    assert [(threshold.metric, threshold.limit) for threshold in scenario.thresholds] == limits
    assert scenario.target.url == "ws://localhost:3001/ws"


def test_the_progressive_suite_takes_about_25_minutes() -> None:
    suite = load(find("progressive"), {})
    assert isinstance(suite, Suite)
    runs = members(suite, {})
    assert [run.name for run in runs] == ["quick", "medium", "stress"]
    assert sum(run.duration_s for run in runs) + 2 * suite.cooldown == pytest.approx(25 * 60, abs=30)


def test_every_shipped_preset_is_sound_says_what_it_asks_and_survives_saving() -> None:
    entries = available({})
    assert [entry.name for entry in entries][:4] == ["quick", "medium", "stress", "progressive"]
    for entry in entries:
        assert entry.origin == "shipped" and not entry.broken and entry.content is not None
        assert entry.description and len(entry.description) <= 60
        assert entry.path.read_text().startswith("#:schema ./scenario.schema.json\n# ")
        assert loads(dumps(entry.content), "", {}) == entry.content


def test_the_shipped_overviews_are_those_of_the_shipped_presets() -> None:
    entries = [replace(entry, known=None) for entry in available({})]
    found = shipped_overviews({entry.path: entry.overview for entry in entries if entry.overview})
    if os.environ.get("WRITE_OVERVIEWS"):
        SHIPPED.write_bytes(found)
    assert SHIPPED.read_bytes() == found, "a preset has changed: run this test with WRITE_OVERVIEWS=1"


def test_an_own_preset_is_remembered_until_it_changes_or_a_variable_has_a_say(home: Path) -> None:
    mine = home / "own" / "mine.toml"

    def listed(environ: dict[str, str]) -> PresetEntry:
        return next(entry for entry in available(environ) if entry.name == "mine")

    mine.write_text('description = "${SAID:-first}"\n' + MINE)
    assert listed({}).known is None
    assert (known := listed({}).known) is not None and (known.description, known.peak_clients) == ("first", 1)
    assert listed({"SAID": "second"}).description == "second"
    assert listed({"HTTPS_PROXY": "http://p:1"}).known is None
    assert listed({"DESCRIPTION": "1", "said": "1", "SAI": "1"}).known is not None  # words, but no references
    mine.write_text(mine.read_text() + "nonsense = 1\n")
    assert listed({}).broken
    mine.write_text('[messages]\nexchange = "echo"\nfeed = "lost.csv"\n' + MINE)
    for _ in range(2):
        assert listed({}).known is None  # another file has a say
    for damaged in (b"", b"[]", b'{"presets": {"x": 1}}', b"\xff"):
        (user_cache_path("wstui", appauthor=False) / "overviews.json").write_bytes(damaged)
        assert {entry.name for entry in available({})} >= {"mine", "quick"}


def test_the_nearest_folder_goes_first(home: Path) -> None:
    (home / "own" / "quick.toml").write_text('description = "own"\n' + MINE)
    assert find("quick") == home / "own" / "quick.toml"
    (home / "presets" / "quick.toml").write_text('description = "here"\n' + MINE)
    assert find("quick") == Path("presets/quick.toml")
    (entry,) = [entry for entry in available({}) if entry.name == "quick"]
    assert (entry.origin, entry.description) == ("here", "here")


def test_a_path_is_taken_as_it_is(home: Path) -> None:
    (home / "mine.toml").write_text(MINE)
    assert find("mine.toml") == Path("mine.toml")
    assert find("./mine.toml") == Path("mine.toml")
    with pytest.raises(ScenarioError, match="is not a file"):
        find("other.toml")


def test_an_unknown_name_is_told_the_nearest_and_what_there_is() -> None:
    with pytest.raises(ScenarioError) as caught:
        find("quik")
    text = str(caught.value)
    assert 'did you mean "quick"?' in text and "medium, stress, progressive" in text


@pytest.mark.parametrize("name", ["", "\0", "no such", "é"])
def test_odd_names_are_refused_in_a_sentence(name: str) -> None:
    with pytest.raises(ScenarioError):
        find(name)


def test_a_broken_preset_is_listed_with_its_reason_and_hides_nobody(home: Path) -> None:
    (home / "presets" / "toml.toml").write_text("name = ")
    (home / "presets" / "value.toml").write_text('description = "d"\nfoo = 1\n[messages]\nevery = 5\n')
    (home / "presets" / "signed.toml").write_text('[auth]\nkind = "jwt"\nsecret = "${JWT_SECRET}"\n' + MINE)
    (home / "presets" / "lost.toml").write_text('suite = ["nowhere"]\n')
    (home / "presets" / "bytes.toml").write_bytes(b"\xff")
    (home / "presets" / "folder.toml").mkdir()
    (home / "presets" / "notes.txt").write_text("no preset")
    listed = {entry.name: entry for entry in available({})}
    assert set(listed) >= {"toml", "value", "signed", "lost", "bytes", "quick", "progressive"}
    assert "folder" not in listed and "notes" not in listed
    assert "line 1" in listed["toml"].problem
    assert listed["value"].description == "d" and "more)" in listed["value"].problem
    assert "JWT_SECRET is not set" in listed["signed"].problem
    assert "nowhere" in listed["lost"].problem
    assert listed["bytes"].content is None
    assert not listed["quick"].broken
    assert not {e.name: e for e in available({"JWT_SECRET": "s"})}["signed"].broken


def test_opening_applies_flags_and_environment_even_where_the_file_lacks_a_variable(home: Path) -> None:
    (home / "presets" / "mine.toml").write_text('[target]\nurl = "${NOT_SET}"\n' + MINE)
    opened = open_preset("mine", {"MAX_CONNECTIONS": "7"}, Overrides(url="ws://given"))
    assert isinstance(opened, Scenario)
    assert (opened.target.url, opened.peak_clients, opened.name) == ("ws://given", 7, "mine")
    with pytest.raises(ScenarioError, match="NOT_SET is not set"):
        open_preset("mine", {})


def test_members_are_found_beside_the_suite_first(home: Path) -> None:
    (home / "elsewhere").mkdir()
    (home / "elsewhere" / "quick.toml").write_text('name = "beside"\n' + MINE)
    (home / "elsewhere" / "all.toml").write_text('suite = ["quick", "./quick.toml", "medium"]\n')
    suite = open_preset("elsewhere/all.toml", {})
    assert isinstance(suite, Suite)
    assert [run.name for run in members(suite, {})] == ["beside", "beside", "medium"]


def test_flags_reach_every_member() -> None:
    suite = open_preset("progressive", {})
    assert isinstance(suite, Suite)
    assert [run.peak_clients for run in members(suite, {}, Overrides(scale=0.01))] == [1, 10, 50]


def test_a_suite_in_a_suite_and_every_other_problem_is_told_at_once(home: Path) -> None:
    (home / "presets" / "bad.toml").write_text("foo = 1\n" + MINE)
    (home / "presets" / "all.toml").write_text('suite = ["progressive", "bad", "nowhere", "quick", "all"]\n')
    suite = load("presets/all.toml", {})
    assert isinstance(suite, Suite)
    with pytest.raises(ScenarioError) as caught:
        members(suite, {})
    assert [(problem.file, problem.key) for problem in caught.value.problems] == [
        ("presets/all.toml", "suite[0]"),
        ("presets/bad.toml", "foo"),
        ("presets/all.toml", "suite[2]"),
        ("presets/all.toml", "suite[4]"),
    ]
