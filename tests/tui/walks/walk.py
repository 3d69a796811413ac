"""A walk through `wstui` in a terminal of its own, from the start screen on."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.terminal import TmuxWindow
from wstui.tui.key_queue import KeyQueue

HELD = r"✓ PASSED|▲ LIMITED"
"""The verdict of a run that went well, on a busy machine too: that it could not send in time, it tells rightly."""
STATUS = "status [04]"
"""How the command of such a run ends."""
ALL_KEPT = "all 6 default thresholds kept|all default thresholds kept, but"
TRUE_COLOUR = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}


class Walk(TmuxWindow):
    """How `wstui` ended is the last line of the screen."""

    @classmethod
    async def begin(
        cls, home: Path, *, size: tuple[int, int] = (80, 24), colours: Mapping[str, str] = TRUE_COLOUR
    ) -> Self:
        """Start it, and wait for the start screen."""
        words = [f"{name}={value}" for name, value in {"HOME": str(home), "LANG": "C.UTF-8", **colours}.items()]
        # The shell's own variables come from the test's environment, which conftest.py has cleaned.
        command = shlex.join(["env", *words, sys.executable, "-m", "wstui"])
        at = cls(*size, f"{command}; echo status $?; exec sleep 600", home)
        try:
            await at.until(r"New .*Quit", r"─presets")
        except BaseException:
            at.close()
            raise
        return at

    async def choose(self, name: str) -> None:
        """On the start screen, filter the presets until one is left."""
        self.press("/")
        await self.until("Show presets that contain")
        self.type(f"walk {name}")
        await self.until("1 shown")
        self.press("Enter")
        await self.until(rf"› {name} ", without="Show presets")
        await asyncio.sleep(KeyQueue.BOUNCE_S)  # until then the product takes a second enter for a slip
