"""What real shells offer on tab: bash and zsh at a terminal, fish by its own `complete -C`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.report.example import good
from tests.report.test_store import record
from tests.terminal import on_pty, read_until

CASES = {
    "a command": ("wstui grafa", "wstui grafana"),
    "a preset": ("wstui run qui", "wstui run quick"),
    "a run by its id": ("wstui runs show 2", "wstui runs show 2 "),
    "a metric": ("wstui runs trend --metric respons", "wstui runs trend --metric response."),
    "a host in its list": ("wstui run quick --hosts gen1,ge", "wstui run quick --hosts gen1,gen"),
    "a path, where no preset is meant": ("wstui run ./mi", "wstui run ./mine.toml"),
}
"""What is typed before the tab, and what the line begins with after it."""
STARTS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], 'bind "set bell-style none"'),
    "zsh": (["zsh", "-f", "-i"], "unsetopt beep prompt_cr; autoload -U compinit; compinit -u -D"),
}
"""How a shell starts that reads no file of a user's, and what it needs before completions."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with three runs, two hosts of ssh and a preset."""
    folder = tmp_path_factory.mktemp("home")
    record(folder / "runs.db", *(good(seed=number) for number in range(3)))
    (folder / ".ssh").mkdir()
    (folder / ".ssh" / "config").write_text("Host gen1 gen2\n")
    (folder / "mine.toml").write_text('name = "mine"\n')
    return folder


def environment(home: Path) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "HOME": str(home), "WSTUI_STORE": f"{home}/runs.db", "TERM": "dumb", "LANG": "C.UTF-8"}


@pytest.mark.parametrize("shell", STARTS)
def test_a_shell_at_a_terminal_completes(shell: str, home: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    command, prepare = STARTS[shell]
    with on_pty(command, cwd=home, env=environment(home)) as (_, terminal):
        os.write(terminal, f"PS1='> '; {prepare}; eval \"$(wstui completion {shell})\"; echo rea''dy\n".encode())
        read_until(terminal, b"ready")
        for typed, completed in CASES.values():
            os.write(terminal, f"{typed}\t".encode())
            read_until(terminal, re.escape(completed.encode()))
            os.write(terminal, b"\x15\n")  # forget the line


def test_fish_completes(home: Path) -> None:
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    asked = "; echo; ".join(f"complete -C '{typed}'" for typed, _ in CASES.values())
    command = ["fish", "--no-config", "-c", f"wstui completion fish | source; {asked}"]
    done = subprocess.run(
        command, cwd=home, env=environment(home), capture_output=True, text=True, timeout=60, check=True
    )
    for (typed, completed), offered in zip(CASES.values(), done.stdout.split("\n\n"), strict=True):
        words = [line.partition("\t")[0] for line in offered.splitlines()]
        assert words and all(word.startswith(completed.split()[-1]) for word in words), (typed, words)
