"""Public names do not change by accident, and old ones are answered with the new ones."""

from __future__ import annotations

import ast
import json

import pytest
from click.testing import CliRunner

from tests.manual.examples import ROOT
from tests.public_names import FILE, public_names
from wstui.cli import main, wstui
from wstui.scenario.errors import ScenarioError
from wstui.scenario.file import loads
from wstui.scenario.validation_errors import RENAMED_FLAGS, RENAMED_KEYS


def test_public_names_are_those_that_were_promised() -> None:
    known = json.loads(FILE.read_text())
    found = json.loads(json.dumps(public_names()))
    assert found == known, "a name that people and scripts rely on: if it must change, run python -m tests.public_names"


@pytest.mark.parametrize("old", RENAMED_KEYS)
def test_an_old_key_is_answered_with_the_new_one(old: str) -> None:
    table, _, name = old.rpartition(".")
    with pytest.raises(ScenarioError) as caught:
        loads(f"[{table}]\n{name} = 2\n", "old.toml")
    assert f"{old}: is called {RENAMED_KEYS[old]} now" in str(caught.value)


@pytest.mark.parametrize("old", RENAMED_FLAGS)
def test_an_old_option_is_answered_with_the_new_one(
    old: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["wstui", "run", "quick", old, "2"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert f"{old} is called {RENAMED_FLAGS[old]} now" in capsys.readouterr().err


def test_the_changelog_lists_what_was_renamed() -> None:
    page = (ROOT / "wstui" / "manual" / "changelog.md").read_text()
    for old, new in RENAMED_FLAGS.items():
        assert f"| `{old}` | `{new}` |" in page


@pytest.mark.parametrize(("word", "meant"), [("rnu", "run"), ("preset", "presets"), ("runss", "runs")])
def test_a_mistyped_command_is_answered_with_the_nearest(word: str, meant: str) -> None:
    result = CliRunner().invoke(wstui, [word])
    assert result.exit_code == 2 and f"Did you mean '{meant}'?" in result.stderr


def test_a_mistyped_preset_is_not_taken_for_a_command() -> None:
    result = CliRunner().invoke(wstui, ["run", "quik"])
    assert result.exit_code == 2 and '"quik" is not a preset' in result.stderr and "quick" in result.stderr


def test_a_class_name_stands_for_one_thing() -> None:
    homes: dict[str, list[str]] = {}
    for file in sorted((ROOT / "wstui").rglob("*.py")):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(str(file.relative_to(ROOT)))
    assert {name: files for name, files in homes.items() if len(files) > 1} == {}


def test_a_file_name_stands_for_one_thing() -> None:
    homes: dict[str, list[str]] = {}
    for file in sorted((ROOT / "wstui").rglob("*.py")):
        if file.parent.name != "cli" and not file.name.startswith("__"):
            homes.setdefault(file.name, []).append(str(file.relative_to(ROOT)))
    assert {name: files for name, files in homes.items() if len(files) > 1} == {}
