"""What editors of TOML make of the schema: taplo's linter, and the language server that VS Code's extension runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from wstui.scenario.file_refs import shipped_folder
from wstui.scenario.scenario_schema import json_schema

MINE = """#:schema ./scenario.schema.json
name = "mine"
wrong = 1
[target]
ready = "open"

[messages]
every = "1s"

[[roles]]
name = "x"

[[thresholds]]
metric = "response.p99"

"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    shutil.copy(shipped_folder() / "scenario.schema.json", tmp_path)
    (tmp_path / "mine.toml").write_text(MINE)
    return tmp_path / "mine.toml"


def test_taplo_takes_every_shipped_preset_and_names_a_mistake(mine: Path) -> None:
    taplo = shutil.which("taplo", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if taplo is None:
        pytest.skip("taplo is not installed")
    for folder, status in ((shipped_folder(), 0), (mine.parent, 1)):
        done = subprocess.run([taplo, "lint"], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == status, done.stderr
    assert "('wrong' was unexpected)" in done.stderr


def test_an_editor_completes_and_explains_each_key(mine: Path) -> None:
    command = ["node", str(Path(__file__).with_name("editor.cjs")), taplo_server(), str(mine)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    shown = json.loads(done.stdout)
    assert any("('wrong' was unexpected)" in problem for problem in shown["problems"])
    tables = {name: table["properties"] for name, table in json_schema()["$defs"].items()}
    # taplo explains the keys of [[tables]] in completions only, and other keys under the pointer as well.
    for line, table, written in (
        ("5", "Target", "ready"),
        ("8", "Messages", "every"),
        ("11", "Role", "name"),
        ("14", "Threshold", "metric"),
    ):
        assert {*shown["keys"][line]} == {*shown["explained"][line]} == tables[table].keys() - {written}, table
    assert shown["hovers"]["4"] == tables["Target"]["ready"]["anyOf"][0]["description"]
    assert shown["hovers"]["7"] == tables["Messages"]["every"]["description"]


def taplo_server() -> str:
    """Return the folder of the npm package @taplo/lsp, installed globally."""
    if not (npm := shutil.which("npm")) or not shutil.which("node"):
        pytest.skip("node and npm are not installed")
    root = subprocess.run([npm, "root", "--global"], capture_output=True, text=True, check=False).stdout.strip()
    if not (found := Path(root, "@taplo/lsp")).is_dir():
        pytest.skip("the npm package @taplo/lsp is not installed globally")
    return str(found)
