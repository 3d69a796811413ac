"""The main job in a true terminal: start the demo at 80×24, steer it, resize, stop it, read the summary."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator

import psutil
import pytest

from tests.cli.commands import gone, until

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


class Terminal:
    """A tmux session of its own server: keys in, the screen's text out."""

    def __init__(self, width: int, height: int, command: str) -> None:
        self._socket = f"wstui-test-{uuid.uuid4().hex[:8]}"
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", str(width), "-y", str(height), command)
        self._tmux("set-option", "-g", "remain-on-exit", "on")
        self._tmux("set-option", "-g", "status", "off")

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(["tmux", "-L", self._socket, *arguments], capture_output=True, text=True, check=False)
        return done.stdout

    def screen(self) -> str:
        return self._tmux("capture-pane", "-p")

    def history(self) -> str:
        return self._tmux("capture-pane", "-p", "-S", "-200")

    def press(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    def resize(self, width: int, height: int) -> None:
        self._tmux("resize-window", "-x", str(width), "-y", str(height))

    def pid(self) -> int:
        return int(self._tmux("display-message", "-p", "#{pane_pid}"))

    def shows(self, pattern: str) -> None:
        """Wait until the screen shows something."""
        try:
            until(lambda: re.search(pattern, self.screen()) is not None, f"the screen shows {pattern!r}")
        except AssertionError:
            raise AssertionError(f"never saw {pattern!r} in\n{self.screen()}") from None

    def close(self) -> None:
        self._tmux("kill-server")


@pytest.fixture
def terminal() -> Iterator[Callable[[int, int, str], Terminal]]:
    opened: list[Terminal] = []

    def open_terminal(width: int, height: int, command: str) -> Terminal:
        opened.append(Terminal(width, height, command))
        return opened[-1]

    yield open_terminal
    for one in opened:
        one.close()


DEMO = f"{sys.executable} -m wstui demo --ramp 1s --hold 120s --every 500ms --clients 20 --no-store; echo status $?"


def test_the_main_path_in_a_true_terminal(terminal: Callable[[int, int, str], Terminal]) -> None:
    at = terminal(80, 24, DEMO)
    at.shows("RUNNING")
    at.shows(r"20 / 20")
    at.shows(r"p99")
    processes = psutil.Process(at.pid()).children(recursive=True)
    assert len(processes) >= 4

    at.press("Space")
    at.shows("PAUSED")
    at.shows("clock held")
    at.press("Space")
    at.shows("RUNNING")

    at.press("+")
    at.shows(r"22 / 22")

    at.resize(120, 40)
    at.shows("this generator")
    at.shows(r"22 / 22")
    at.resize(80, 24)
    at.shows("RUNNING")

    at.press("a")
    at.shows("Keep running")
    at.press("Escape")
    at.shows("RUNNING")
    at.press("a")
    at.shows("Keep running")
    at.press("d")
    at.shows("DRAINED")
    at.resize(80, 60)  # findings of a busy machine may push the rest below the fold
    at.shows("response time")

    at.press("q")
    at.shows(r"status 130")
    assert "DRAINED  quick: ended early by the operator" in at.history()
    until(lambda: gone(processes), "every process of the demo is gone")


def test_a_lost_terminal_drains_and_leaves_nothing(terminal: Callable[[int, int, str], Terminal]) -> None:
    at = terminal(100, 30, DEMO)
    at.shows("RUNNING")
    at.shows(r"20 / 20")
    processes = psutil.Process(at.pid()).children(recursive=True)
    at.close()  # SIGHUP to everything in it
    until(lambda: gone(processes), "every process of the demo is gone")
