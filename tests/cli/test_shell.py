"""Completion and `schema`: what a shell and an editor of files ask for."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

from tests.public_names import options_of
from tests.report.example import good
from tests.report.test_store import record
from wstui.cli import wstui
from wstui.scenario.file_refs import shipped_folder


def call(*arguments: str, environ: dict[str, str] | None = None) -> Result:
    result = CliRunner().invoke(wstui, list(arguments), env=environ, prog_name="wstui")
    assert result.exit_code == 0, result.output
    return result


def completed(*words: str, environ: dict[str, str] | None = None) -> list[str]:
    """Return what the last word may become, as bash asks."""
    asked = {
        "_WSTUI_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["wstui", *words]),
        "COMP_CWORD": str(len(words)),
    }
    lines = CliRunner().invoke(wstui, [], env={**asked, **(environ or {})}, prog_name="wstui").output.splitlines()
    return [line.partition(",")[2] for line in lines if line]


def test_commands_presets_and_metrics_are_completed() -> None:
    assert completed("ru") == ["run", "runs"]
    assert "quick" in completed("qui") and "quick" in completed("run", "qui")
    assert "response.p99" in completed("runs", "trend", "--metric", "response.p9")


def test_runs_are_completed_by_id_tag_and_preset(tmp_path: Path) -> None:
    store = tmp_path / "runs.db"
    record(store, good())
    assert completed("runs", "--store", str(store), "show", "") == ["last", "quick", "1"]
    assert completed("runs", "--store", str(tmp_path / "none.db"), "show", "") == []


def test_hosts_are_completed_within_their_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Host gen1 gen2\n  User x\nHost *.example\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert completed("run", "quick", "--hosts", "gen1,g") == ["gen1,gen1", "gen1,gen2"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_is_one(shell: str, tmp_path: Path) -> None:
    script = tmp_path / shell
    script.write_text(call("completion", shell).output)
    assert "_WSTUI_COMPLETE" in script.read_text()
    if program := shutil.which(shell):
        subprocess.run([program, "-n", str(script)], check=True, timeout=20)


@pytest.mark.parametrize("kind", ["scenario", "suite", "settings", "result"])
def test_each_schema_is_valid(kind: str) -> None:
    Draft202012Validator.check_schema(json.loads(call("schema", kind).output))


def test_settings_are_held_against_their_schema() -> None:
    validator = Draft202012Validator(json.loads(call("schema", "settings").output))
    sample = tomllib.loads('theme = "wstui-light"\nask_above = 5000\n[keys]\n"load.pause" = "f9"\n')
    assert not list(validator.iter_errors(sample))
    assert list(validator.iter_errors({"thme": "x"}))


def test_shipped_presets_and_their_copies_name_a_schema_that_lies_beside_them(tmp_path: Path) -> None:
    schema = shipped_folder() / "scenario.schema.json"
    assert schema.read_text() == call("schema", "scenario").output, "python -m tests.public_names"
    copied = Path(call("presets", "copy", "quick", f"{tmp_path}/mine.toml").output.strip())
    for path in (*shipped_folder().glob("*.toml"), copied):
        assert path.read_text().startswith("#:schema ./scenario.schema.json\n")
    assert (tmp_path / "scenario.schema.json").read_text() == schema.read_text()


def test_presets_are_listed_as_json() -> None:
    listed = {entry["name"]: entry for entry in json.loads(call("presets", "list", "--json").output)}
    assert listed["quick"]["clients"] == 100 and listed["quick"]["problem"] == ""
    assert {path.stem for path in shipped_folder().glob("*.toml")} <= set(listed)


LISTS_NOTHING = {
    "a screen, or what it shows is told by `wstui ctl RUN status`": ("attach", "replay"),
    "steers a run; its answer is a line": (
        "ctl abort", "ctl drain", "ctl next", "ctl note", "ctl pace", "ctl pause", "ctl ramp", "ctl redistribute",
        "ctl resume", "ctl span",
    ),
    "writes a file": ("new", "record", "presets copy", "runs export"),
    "prints a file, a script or a token": ("presets show", "completion", "token"),
    "prints JSON anyway": ("schema", "grafana"),
    "changes the store": ("runs delete", "runs tag"),
    "serves": ("server", "publisher"),
}  # fmt: skip
"""Why a command has no --json. A new one either has it or stands here."""


def test_every_command_that_lists_can_list_as_json() -> None:
    options = dict(options_of("", wstui))
    groups = {path.rpartition(" ")[0] for path in options}
    without = {path.strip() for path, found in options.items() if path not in groups and "--json" not in found}
    assert without == {name for names in LISTS_NOTHING.values() for name in names}


def test_loading_the_command_line_loads_no_screen() -> None:
    code = (
        "import sys, wstui.cli.completion, wstui.cli.doctor; print([m for m in sys.modules if m.startswith('textual')])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
