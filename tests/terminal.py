"""Programs in a terminal of their own: in a window of tmux, whose screen is text, or on a bare pseudo-terminal."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import re
import select
import subprocess
import termios
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import psutil

PATIENCE_S = 90.0
_POLL_S = 0.03


class TmuxWindow:
    """A window of a tmux server of its own: keys in, the screen's text out. It stays when its program has ended."""

    def __init__(self, width: int, height: int, command: str, folder: Path | None = None) -> None:
        self._socket = f"wstui-test-{uuid.uuid4().hex[:8]}"
        within = ["-c", str(folder)] if folder else []
        size = ["-x", str(width), "-y", str(height)]
        self.tmux("-f", "/dev/null", "new-session", "-d", *size, *within, command)
        self.tmux("set-option", "-g", "remain-on-exit", "on")
        self.tmux("set-option", "-g", "status", "off")
        self.tmux("set-option", "-sg", "escape-time", "0")

    def tmux(self, *words: str) -> str:
        """Run a command of tmux; return what it prints."""
        return subprocess.run(["tmux", "-L", self._socket, *words], capture_output=True, text=True, check=False).stdout

    def screen(self, *, colours: bool = False) -> str:
        """What is to be seen, with its escape codes if wanted."""
        return self.tmux("capture-pane", "-p", *(["-e"] if colours else []))

    def history(self) -> str:
        """The same, and the lines that have scrolled away."""
        return self.tmux("capture-pane", "-p", "-S", "-200")

    def press(self, *keys: str) -> None:
        """Press keys, by tmux's names for them."""
        self.tmux("send-keys", *keys)

    def type(self, text: str) -> None:
        """Type a text."""
        self.tmux("send-keys", "-l", text)

    def resize(self, width: int, height: int) -> None:
        """Pull the window to another size."""
        self.tmux("resize-window", "-x", str(width), "-y", str(height))

    async def until(self, *patterns: str, without: str = "\0") -> str:
        """Wait until the screen shows each of these at the same time, and no longer `without`; return it."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            seen = await asyncio.to_thread(self.screen)
            assert "Traceback" not in seen, seen
            if without not in seen and all(re.search(pattern, seen) for pattern in patterns):
                return seen
            assert time.monotonic() < deadline, f"waited in vain for {patterns} without {without!r}\n{seen}"
            await asyncio.sleep(_POLL_S)

    def processes(self) -> list[psutil.Process]:
        """Everything that the program in it has started."""
        return psutil.Process(int(self.tmux("display-message", "-p", "#{pane_pid}"))).children(recursive=True)

    def close(self) -> None:
        """Close the window, as who shuts it does: everything in it is told by SIGHUP."""
        with contextlib.suppress(OSError):
            self.tmux("kill-server")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.close)


def start_on_pty(
    command: Sequence[str], *, size: tuple[int, int] = (80, 24), **settings: Any
) -> tuple[subprocess.Popen[bytes], int]:
    """Start a program on a pseudo-terminal: its process, and the number of the terminal's other end."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (size[1], size[0]))
    streams = {"stdin": slave, "stdout": slave, "stderr": slave, "start_new_session": True}
    process = subprocess.Popen(command, **{**streams, **settings})
    os.close(slave)
    return process, master


@contextlib.contextmanager
def on_pty(
    command: Sequence[str], *, size: tuple[int, int] = (80, 24), **settings: Any
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The same for a while: at the end it is killed."""
    process, master = start_on_pty(command, size=size, **settings)
    try:
        yield process, master
    finally:
        process.kill()
        process.wait()
        os.close(master)


def read_until(master: int, pattern: bytes) -> bytes:
    """Everything the terminal gets from now on, up to a pattern."""
    seen, end = b"", time.monotonic() + PATIENCE_S
    while not re.search(pattern, seen, re.DOTALL):
        if not select.select([master], [], [], max(end - time.monotonic(), 0.0))[0]:
            raise AssertionError(f"{pattern!r} never came: {seen[-3000:]!r}")
        try:
            seen += os.read(master, 65536)
        except OSError:
            raise AssertionError(f"{pattern!r} never came: {seen[-3000:]!r}") from None
    return seen
