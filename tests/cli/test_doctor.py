from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.terminal import TmuxWindow
from wstui.cli.doctor import doctor

SECRETS = {
    "AUTH_TOKEN": "s3cret-token-value",
    "JWT_SECRET": "s3cret-key-value",
    "WS_URL": "ws://user:s3cret-word@example/ws?token=s3cret-query",
    "HTTPS_PROXY": "http://user:s3cret-proxy@proxy:3128",
    "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Bearer%20s3cret-bearer",
    "WSTUI_REMOTE_WRITE_HEADERS": "Authorization=Basic%20s3cret-basic",
    "SSH_TTY": "/dev/pts/s3cret",
}


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("TERM", "COLORTERM", "NO_COLOR", "FORCE_COLOR", "TMUX", "WSTUI_STORE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def told(**environ: str) -> str:
    done = CliRunner().invoke(doctor, [], env={**SECRETS, **environ})
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize(
    ("environ", "colours"),
    [
        ({"TERM": "xterm-256color"}, "256"),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "16 million"),
        ({"TERM": "linux"}, "16"),
        ({"TERM": "dumb", "CI": "true"}, "none"),
        ({"CI": "true", "GITHUB_ACTIONS": "true"}, "none: TERM is not set"),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, "none: NO_COLOR is set"),
    ],
)
def test_it_names_the_colours_of_a_terminal_and_no_secret(environ: dict[str, str], colours: str) -> None:
    text = told(**environ)
    assert f"  colours        {colours}\n" in text and "s3cret" not in text
    assert "not a terminal, not a terminal" in text


def test_text_and_json_have_the_same_facts() -> None:
    found = json.loads(CliRunner().invoke(doctor, ["--json"], env=SECRETS).output)
    assert "s3cret" not in json.dumps(found)
    assert set(found) == {"versions", "extras", "terminal", "machine", "engine", "paths", "advice"}
    text = told()
    for title, facts in found.items():
        assert f"\n{title}\n" in f"\n{text}" and all(f"\n  {name} " in text for name in facts if title != "advice")


def test_a_path_is_told_without_the_name_of_the_user(tmp_path: Path) -> None:
    assert str(tmp_path) not in told() and "~/.local/share/wstui/runs.db" in told()


def test_what_a_terminal_calls_itself_cannot_reach_into_it() -> None:
    text = told(TERM="x\x1b[31m", TERM_PROGRAM="x\x1b]0;title\x07")
    assert "\x1b" not in text and "\x07" not in text and "TERM_PROGRAM   x\\x1b]0;title\\x07" in text


def test_extras_are_those_of_the_project() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].keys() - {"dev"}
    assert set(json.loads(CliRunner().invoke(doctor, ["--json"]).output)["extras"]) == extras


@pytest.mark.parametrize("home", ["", "/", "/nonexistent", "relative"])
def test_an_odd_home_is_none_of_its_troubles(home: str) -> None:
    assert "run store" in told(HOME=home, TERM="dumb")


@pytest.mark.skipif(
    os.getuid() != 0 or shutil.which("setpriv") is None, reason="only root can become a user without a home"
)
@pytest.mark.parametrize("command", ["doctor", "runs list", "presets list"])
def test_a_user_without_a_home_is_told_to_name_one(command: str) -> None:
    user = ["setpriv", "--reuid", "54321", "--clear-groups", sys.executable, "-m", "wstui", *command.split()]
    environ = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(user, env=environ, cwd="/", capture_output=True, text=True, timeout=60, check=False)
    if "Permission denied" in done.stderr or "No module named" in done.stderr:
        pytest.skip("another user can't read this checkout")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1) and "set HOME" in done.stderr


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
async def test_inside_tmux_it_says_so_and_how_to_copy(tmp_path: Path) -> None:
    words = [f"{name}={value}" for name, value in {**SECRETS, "HOME": str(tmp_path), "LANG": "C.UTF-8"}.items()]
    command = shlex.join(["env", "-u", "COLUMNS", "-u", "LINES", *words, sys.executable, "-m", "wstui", "doctor"])
    async with TmuxWindow(110, 60, f"{command}; exec sleep 60") as at:
        text = await at.until("advice", "set -g set-clipboard on")
    assert "terminal, terminal" in text and "110x60" in text and "TMUX           yes" in text
    assert "colours        256" in text and "set -g set-clipboard on" in text and "s3cret" not in text
