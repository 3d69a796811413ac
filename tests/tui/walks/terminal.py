"""`wstui` in a terminal of its own: a tmux server, keys in, the screen's text out."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shlex
import subprocess
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path

import psutil

from tests.servers.server import until
from wstui.tui.key_queue import KeyQueue

TRUE_COLOUR = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}


class Terminal:
    """A window in which `wstui` runs; how it ended is the last line of the screen."""

    def __init__(self, home: Path, size: tuple[int, int], colours: Mapping[str, str]) -> None:
        self._socket = f"wstui-walk-{uuid.uuid4().hex[:8]}"
        words = [f"{name}={value}" for name, value in {"HOME": str(home), "LANG": "C.UTF-8", **colours}.items()]
        # The shell's own variables come from the test's environment, which conftest.py has cleaned.
        command = shlex.join(["env", *words, sys.executable, "-m", "wstui"])
        width, height = map(str, size)
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", width, "-y", height, "-c", str(home),
                   f"{command}; echo status $?; exec sleep 600")  # fmt: skip
        self._tmux("set-option", "-g", "status", "off")
        self._tmux("set-option", "-sg", "escape-time", "0")

    @classmethod
    async def open(
        cls, home: Path, *, size: tuple[int, int] = (80, 24), colours: Mapping[str, str] = TRUE_COLOUR
    ) -> Terminal:
        """Start it, and wait for the start screen."""
        at = cls(home, size, colours)
        try:
            await at.until(r"New .*Quit", r"─presets")
        except BaseException:
            at.close()
            raise
        return at

    def _tmux(self, *words: str) -> str:
        return subprocess.run(["tmux", "-L", self._socket, *words], capture_output=True, text=True, check=False).stdout

    def screen(self, *, colours: bool = False) -> str:
        """What is to be seen, with its escape codes if wanted."""
        return self._tmux("capture-pane", "-p", *(["-e"] if colours else []))

    def press(self, *keys: str) -> None:
        """Press keys, by tmux's names for them."""
        self._tmux("send-keys", *keys)

    def type(self, text: str) -> None:
        """Type a text."""
        self._tmux("send-keys", "-l", text)

    async def until(self, *patterns: str, without: str = "\0") -> str:
        """Wait until the screen shows each of these at the same time, and no longer `without`; return it."""
        seen = ""

        def shown() -> bool:
            nonlocal seen
            seen = self.screen()
            assert "Traceback" not in seen, seen
            return without not in seen and all(re.search(pattern, seen) for pattern in patterns)

        try:
            await until(shown)
        except AssertionError as error:
            raise AssertionError(f"waited in vain for {patterns}: {error}\n{seen}") from None
        return seen

    async def choose(self, name: str) -> None:
        """On the start screen, filter the presets until one is left."""
        self.press("/")
        await self.until("Show presets that contain")
        self.type(f"walk {name}")
        await self.until("1 shown")
        self.press("Enter")
        await self.until(rf"› {name} ", without="Show presets")
        await asyncio.sleep(KeyQueue.BOUNCE_S)  # until then the product takes a second enter for a slip

    def processes(self) -> list[psutil.Process]:
        """Everything that runs in it."""
        return psutil.Process(int(self._tmux("display-message", "-p", "#{pane_pid}"))).children(recursive=True)

    def close(self) -> None:
        """Close the window, as who shuts it does: everything in it is told by SIGHUP."""
        with contextlib.suppress(OSError):
            self._tmux("kill-server")

    async def __aenter__(self) -> Terminal:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.close)
