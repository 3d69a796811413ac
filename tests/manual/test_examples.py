"""The examples of README and manual run as they stand."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from tests.bench import mistakes
from tests.conversations.chat import Chat
from tests.manual.examples import FILES, block, examples
from tests.servers.server import serving
from wstui.cli import wstui
from wstui.odin.demo_system import DemoTarget
from wstui.scenario.file import load
from wstui.scenario.model import Scenario, Suite
from wstui.tui.app import WstuiApp
from wstui.tui.palette import ids_of, owners
from wstui.tui.settings import read_settings

STAGES = '[[stages]]\nname = "hold"\nover = "10s"\nclients = 5\n'
FEED = "name,user,password,room\nann,a,x,1\nbob,b,y,2\n"


async def test_the_python_example_runs() -> None:
    async with DemoTarget(server_options=("--auth", "off")) as target:
        program = block("example").replace("ws://127.0.0.1:3001/ws", target.ws_url)
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "kept" in done.stdout


@pytest.mark.parametrize("name", sorted(set(examples("toml")) - {"config"}))
def test_the_scenario_examples_can_be_read(name: str, tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text(FEED)
    text = block(name)
    # a fragment is what is added to a scenario that has stages
    needs = {"stages", "suite", "breakpoint", "load"}.isdisjoint(tomllib.loads(text))
    (tmp_path / "example.toml").write_text(text + "\n" + STAGES * needs)
    content = load(tmp_path / "example.toml")
    assert isinstance(content, Suite if name == "suite" else Scenario)


def _wstui(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "wstui", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=folder)


@pytest.mark.parametrize("name", ["tutorial", "side-by-side", "script"])
def test_the_first_conversation_passes_check_and_run(name: str, tmp_path: Path) -> None:
    server = Chat()
    with serving(server):
        text = block(name).replace("ws://localhost:9000/socket", server.url)
        for written, shorter in (
            ('hold = "29s"', 'hold = "2s"'),
            ('hold = "5s"', 'hold = "2s"'),
            ('"hold": "5s"', '"hold": "2s"'),
        ):
            text = text.replace(written, shorter)
        file = tmp_path / ("chat.py" if name == "script" else "chat.toml")
        file.write_text(text)
        scripts = ["--allow-scripts"] if name == "script" else []
        checked = _wstui("check", file.name, *scripts, folder=tmp_path)
        done = _wstui("run", file.name, "--trace", "1", "--allow-limited", *scripts, folder=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert done.returncode == 0 and "auth_ok" in done.stdout + done.stderr, done.stdout + done.stderr
    assert server.kinds()["say"] > 50


async def test_a_small_run_shows_what_load_scripts_get_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mistakes, "ROUNDS", 20)
    said, true = await mistakes.ours()
    assert said[2:] == true[2:] and int(true[4]) < mistakes.CLIENTS, "answers, lost, connected"
    wrong = await mistakes.scripted(any_message=True)
    assert wrong[3:] == ["0", "20"] and float(wrong[0]) < float(true[0])


def test_the_example_of_settings_is_taken_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(block("config"))
    settings = read_settings(tmp_path / "config.toml", ids_of((*owners(), WstuiApp)), {"wstui-light": None})
    assert not settings.problems
    assert (settings.theme, settings.ask_above, settings.keys) == ("wstui-light", 1000, {"load.pause": "f9"})


def _command_lines() -> list[str]:
    """Every `wstui …` in shell blocks and in code spans; the changelog names what is gone."""
    found = []
    for file in FILES:
        if file.stem == "changelog":
            continue
        text = file.read_text()
        for fenced in re.findall(r"```(?:sh|yaml)\n(.*?)```", text, re.DOTALL):
            found += re.findall(r"(?:^|bin/|\$\(|&& |\s)(wstui [^&|#\n)]*)", fenced)
        found += re.findall(r"`(wstui [^`\n]*)`", text)
    return sorted({line.strip() for line in found})


@pytest.mark.parametrize("line", _command_lines())
def test_every_command_line_names_commands_and_options_that_exist(line: str) -> None:
    words = [word.rstrip(",") for word in shlex.split(line)[1:]]
    command: click.Command = wstui
    with click.Context(wstui) as context:
        while words and isinstance(command, click.Group):
            if words[0].startswith("[") or (found := command.get_command(context, words[0])) is None:
                found = wstui.get_command(context, "open") if command is wstui else None
                assert found is not None or words[0] in ("…", "TOPIC"), line
                command = found or click.Command("none")
                break
            command, words = found, words[1:]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    asked = {word.split("=")[0] for word in words if word.startswith("-") and word not in ("-", "--help")}
    assert asked <= known, line


def test_without_a_terminal_the_headless_command_is_named() -> None:
    for arguments, instead in (
        (["demo"], "wstui demo --headless"),
        (["demo", "million"], "wstui demo million --headless"),
        ([], "wstui run PRESET"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "wstui", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=os.environ,
            check=False,
        )
        assert done.returncode == 2
        assert instead in done.stderr


def test_the_readme_has_the_two_commands() -> None:
    assert block("run").strip().endswith("wstui demo")
    assert block("test").strip().endswith("python -m tests")
