"""`wstui presets` lists, shows, validates and copies; a scenario error is exit status 2."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from wstui.cli.presets import presets as command
from wstui.scenario import presets
from wstui.scenario.file import load

BAD = 'foo = 1\n[messages]\nevery = 5\n[[stages]]\nname = "hold"\nover = "1s"\nclients = 1\n'


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory and an empty folder of own presets."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(presets, "own_folder", lambda: tmp_path / "own")
    monkeypatch.setattr("wstui.cli.presets.own_folder", lambda: tmp_path / "own")
    (tmp_path / "presets").mkdir()
    return tmp_path


def wstui(*arguments: str, status: int = 0) -> Result:
    result = CliRunner().invoke(command, arguments, env={"WS_URL": None, "AUTH_TOKEN": None, "COLUMNS": "80"})
    assert result.exit_code == status, result.output
    return result


def test_list_shows_what_can_be_run_and_why_something_cannot(home: Path) -> None:
    (home / "presets" / "bad.toml").write_text(BAD)
    (home / "presets" / "escape.toml").write_text(BAD.replace("foo", '"\\u001b[2J"'))
    lines = wstui("list").output.splitlines()
    assert lines[0].split() == ["NAME", "FROM", "PROTOCOL", "LOAD", "DESCRIPTION"]
    rows = {line.split()[0]: line for line in lines[1:]}
    assert list(rows)[:6] == ["bad", "escape", "quick", "medium", "stress", "progressive"]
    assert "100 clients, 0:40" in rows["quick"] and "shipped" in rows["quick"]
    assert "3 runs, up to 5 000 clients, 25:10" in rows["progressive"]
    assert "broken" in rows["bad"] and "foo" in rows["bad"]
    assert all(line.isprintable() for line in lines)


def test_show_prints_the_file_with_its_comments() -> None:
    assert wstui("show", "quick").output == presets.find("quick").read_text()


def test_show_never_prints_a_secret(home: Path) -> None:
    (home / "mine.toml").write_text('[auth]\nkind = "token"\ntoken = "hidden"\n' + BAD[BAD.index("[[") :])
    assert 'token = "${AUTH_TOKEN:-}"' in wstui("show", "mine.toml").output
    wstui("copy", "mine.toml", "copied.toml")
    assert "hidden" not in (home / "copied.toml").read_text()


def test_show_of_an_unknown_preset_names_the_nearest() -> None:
    result = wstui("show", "quik", status=2)
    assert result.stdout == "" and '"quick"' in result.stderr


def test_validate_tells_the_good_and_every_problem_of_the_bad(home: Path) -> None:
    (home / "bad.toml").write_text(BAD)
    result = wstui("validate", "quick", "bad.toml", "progressive", "nowhere", status=2)
    assert "ok, 100 clients, 0:40, 3 thresholds" in result.stdout
    assert "ok, a suite of quick, medium, stress" in result.stdout
    assert "bad.toml: 2 problems" in result.stderr and '"nowhere" is not a preset' in result.stderr
    assert max(map(len, result.stderr.splitlines())) <= 80
    assert "Traceback" not in result.output


def test_validate_lists_files_their_problems_and_notes_as_json(home: Path) -> None:
    (home / "bad.toml").write_text(BAD)
    (home / "mine.toml").write_text('[messages]\nexchange = "listen"\nevery = "1s"\n' + BAD[BAD.index("[[") :])
    result = wstui("validate", "quick", "bad.toml", "mine.toml", "--json", status=2)
    good, bad, mine = json.loads(result.stdout)
    assert good["ok"] and good["file"].endswith("quick.toml") and good["problems"] == [] and result.stderr == ""
    assert not bad["ok"] and len(bad["problems"]) == 2 and {"file", "key", "message"} <= bad["problems"][0].keys()
    assert any("messages.every has no effect" in note for note in mine["notes"])
    assert json.loads(wstui("validate", "quick", "--json").stdout)[0]["ok"]


def test_validate_passes_on_what_has_no_effect(home: Path) -> None:
    (home / "mine.toml").write_text('[messages]\nexchange = "listen"\nevery = "1s"\n' + BAD[BAD.index("[[") :])
    assert "note: messages.every has no effect" in wstui("validate", "mine.toml").output


def test_copy_puts_a_preset_among_the_own_ones_under_its_new_name(home: Path) -> None:
    assert wstui("copy", "quick", "mine").output == f"{home / 'own' / 'mine.toml'}\n"
    copied = load(home / "own" / "mine.toml", {})
    assert copied.name == "mine"
    assert copied == load(presets.find("quick"), {}).model_copy(update={"name": "mine"})
    assert "# Is the server up" in (home / "own" / "mine.toml").read_text()


def test_copy_without_a_destination_keeps_the_name(home: Path) -> None:
    wstui("copy", "stress")
    assert presets.find("stress") == home / "own" / "stress.toml"


def test_copy_takes_a_file_or_a_folder(home: Path) -> None:
    wstui("copy", "quick", "presets")
    wstui("copy", "quick", "some/where/else.toml")
    assert (home / "presets" / "quick.toml").is_file()
    assert load("some/where/else.toml", {}).name == "else"


def test_copy_replaces_a_file_only_when_forced(home: Path) -> None:
    (home / "mine.toml").write_text("precious")
    assert "--force" in wstui("copy", "quick", "./mine.toml", status=2).stderr
    assert (home / "mine.toml").read_text() == "precious"
    wstui("copy", "quick", "./mine.toml", "--force")
    assert load("mine.toml", {}).name == "mine"
