"""The README's Python example runs as it stands, and what it says of commands is true."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from wstui.odin.demo_system import DemoTarget

README = (Path(__file__).parent.parent / "README.md").read_text()


def block(name: str) -> str:
    """The fenced code between two marks."""
    marked = re.search(rf"<!-- {name} -->\n```\w+\n(.*?)```\n<!-- /{name} -->", README, re.DOTALL)
    assert marked, name
    return marked[1]


async def test_the_python_example_runs() -> None:
    async with DemoTarget(server_options=("--auth", "off")) as target:
        program = block("example").replace("ws://127.0.0.1:3001/ws", target.ws_url)
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "kept" in done.stdout


@pytest.mark.parametrize("command", re.findall(r"^\| `wstui (\w+)", README, re.MULTILINE))
def test_every_command_of_the_readme_has_help(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "wstui", command, "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Usage:" in done.stdout


def test_without_a_terminal_the_headless_command_is_named() -> None:
    for arguments, instead in ((["demo"], "wstui demo --headless"), ([], "wstui run PRESET")):
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
