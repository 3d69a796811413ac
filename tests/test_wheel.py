"""What is installed: built from the checkout as pip builds it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
KINDS = {".py", ".md", ".toml", ".j2", ".css", ".js", ".json", ".sql", ".tcss", ".typed"}
MOST_BYTES = 3 << 20


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, as a file."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(ROOT)]
    if importlib.util.find_spec("hatchling"):  # without an environment of its own, which pip makes
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    if done.returncode and "No matching distribution found for hatchling" in done.stderr:
        pytest.skip("the build backend cannot be fetched here")
    assert done.returncode == 0, done.stderr
    (made,) = folder.glob("*.whl")
    return made


def test_the_wheel_has_the_code_the_presets_and_the_manual_and_nothing_else(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert {name.partition("/")[0] for name in names} == {"wstui"}
    tracked = subprocess.run(
        ["git", "ls-files", "wstui", "presets"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    expected = {f"wstui/{name}" if name.startswith("presets/") else name for name in tracked.stdout.split()}
    assert names - expected == set() and expected - names == set()
    assert {Path(name).suffix for name in names} <= KINDS
    assert wheel.stat().st_size < MOST_BYTES


def test_the_source_distribution_has_the_same_and_makes_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="hatchling is not installed")

    def build(kind: str, source: Path) -> Path:
        command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(tmp_path)]
        done = subprocess.run(command, cwd=source, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        (made,) = tmp_path.glob("*.whl" if kind == "wheel" else "*.tar.gz")
        return made

    with tarfile.open(build("sdist", ROOT)) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
        file.extractall(tmp_path / "source", filter="data")
    beside = {"README.md", "pyproject.toml", "PKG-INFO", ".gitignore"}
    tracked = subprocess.run(
        ["git", "ls-files", "wstui", "presets"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert names == {*tracked.stdout.split(), *beside}
    (source,) = (tmp_path / "source").iterdir()
    assert zipfile.ZipFile(build("wheel", source)).namelist() == zipfile.ZipFile(wheel).namelist()


def test_the_installed_command_finds_its_presets_and_its_manual(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    for arguments, told in ((["presets", "show", "quick"], "[target]"), (["manual", "start", "--plain"], "# ")):
        command = [sys.executable, "-m", "wstui", *arguments]
        environ = {"PYTHONPATH": str(tmp_path), "HOME": str(tmp_path), "PATH": ""}
        done = subprocess.run(
            command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0 and told in done.stdout, done.stderr


def test_a_plain_installation_brings_at_most_31_other_packages() -> None:
    """Follows what is installed here from the dependencies of the project, extras of others included."""
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    found, texts = set[tuple[str, str]](), [(text, "") for text in asked]
    while texts:
        text, extra = texts.pop()
        need = Requirement(text)
        if need.marker is not None and not need.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(need.name)
        for part in {(name, part) for part in ("", *need.extras)} - found:
            found.add(part)
            texts += [(inner, part[1]) for inner in distribution(name).requires or ()]
    names = sorted({name for name, _ in found})
    assert len(names) <= 31, names


LOADED = {
    "--help": ("pydantic", "textual", "asyncio", "websockets", "msgspec"),
    "presets list": ("pydantic", "textual", "asyncio", "websockets", "psutil", "uvloop"),
    "completion bash": ("pydantic", "textual", "asyncio", "websockets", "msgspec"),
    "manual start --plain": ("textual", "websockets", "uvloop"),
    "token --help": ("pydantic", "textual", "websockets"),
}
"""What a command that is called from scripts must not wait for."""


@pytest.mark.parametrize("command", LOADED)
def test_a_command_loads_no_more_than_it_needs(command: str) -> None:
    code = (
        "import sys\nfrom wstui.cli import wstui\n"
        f"wstui.main({command.split()!r}, prog_name='wstui', standalone_mode=False)\n"
        f"print([name for name in {LOADED[command]!r} if name in sys.modules], file=sys.stderr)"
    )
    # With a proxy or a variable that presets refer to, they are validated anew; one that comments mention is nothing.
    said = ("_proxy", "ws_url", "auth_token", "jwt_secret")
    environ = {name: value for name, value in os.environ.items() if not name.lower().endswith(said)} | {"CI": "true"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False, env=environ
    )
    assert done.stderr.splitlines()[-1:] == ["[]"], done.stderr


def test_the_first_screen_waits_for_nothing_that_only_a_run_or_another_screen_needs() -> None:
    code = (
        "import sys, wstui.cli.tui, wstui.cli.tui_services, wstui.tui.run_app\n"
        "print([name for name in sys.modules if name.startswith("
        "('plotext', 'psutil', 'websockets', 'uvloop', 'importlib.metadata', 'email', 'wstui.control', 'wstui.fleet',"
        " 'wstui.report.formats.console', 'wstui.report.analysis', 'wstui.tui.editor', 'wstui.tui.result',"
        " 'wstui.tui.runs', 'wstui.manual'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "[]\n", done.stdout + done.stderr
