"""The main job in a true terminal: start the demo at 80×24, steer it, resize, stop it, read the summary."""

from __future__ import annotations

import shutil
import sys

import pytest

from tests.cli.commands import gone
from tests.servers.server import until
from tests.terminal import TmuxWindow

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


DEMO = f"{sys.executable} -m wstui demo --ramp 1s --hold 120s --every 500ms --clients 20 --no-store; echo status $?"


async def test_the_main_path_in_a_true_terminal() -> None:
    async with TmuxWindow(80, 24, DEMO) as at:
        await at.until("RUNNING")
        await at.until(r"20 / 20")
        await at.until(r"p99")
        processes = at.processes()
        assert len(processes) >= 4

        at.press("Space")
        await at.until("PAUSED")
        await at.until("clock held")
        at.press("Space")
        await at.until("RUNNING")

        at.press("+")
        await at.until(r"22 / 22")

        at.resize(120, 40)
        await at.until("this generator")
        await at.until(r"22 / 22")
        at.resize(80, 24)
        await at.until("RUNNING")

        at.press("a")
        await at.until("Keep running")
        at.press("Escape")
        await at.until("RUNNING")
        at.press("a")
        await at.until("Keep running")
        at.press("d")
        await at.until("DRAINED")
        at.resize(80, 60)  # findings of a busy machine may push the rest below the fold
        await at.until("response time")

        at.press("q")
        await at.until(r"status 130")
        assert "DRAINED  quick: ended early by the operator" in at.history()
        await until(lambda: gone(processes))


async def test_a_lost_terminal_drains_and_leaves_nothing() -> None:
    async with TmuxWindow(100, 30, DEMO) as at:
        await at.until("RUNNING")
        await at.until(r"20 / 20")
        processes = at.processes()
        at.close()  # SIGHUP to everything in it
        await until(lambda: gone(processes))
