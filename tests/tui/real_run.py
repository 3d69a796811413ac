"""`wstui` as an operator starts it, on a pseudo-terminal, against a server in this process: for tests of its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil

from tests.servers.server import Server, until
from tests.terminal import start_on_pty

CLIENTS = 20
LEFT = rb"\x1b\[\?1049l"
"""The alternate screen was left."""


class RunTerminal:
    """The master of a pseudo-terminal, read by the event loop unless it is frozen."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self.process = process
        self.seen = b""
        self.ends = False
        self._master = master
        self.thaw()

    def _read(self) -> None:
        try:
            self.seen += os.read(self._master, 1 << 16)
        except OSError:  # the other end has gone
            self.ends = True
            self.freeze()

    def freeze(self) -> None:
        """Nobody reads any more: writes to the terminal block once its buffer is full."""
        if self._master >= 0:
            asyncio.get_running_loop().remove_reader(self._master)

    def thaw(self) -> None:
        """Read again."""
        asyncio.get_running_loop().add_reader(self._master, self._read)

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self._master, keys.encode())

    def close(self) -> None:
        """Close the terminal, as who shuts its window does."""
        self.freeze()
        os.close(self._master)
        self._master = -1

    async def shows(self, pattern: bytes) -> None:
        """Wait until this has been written."""
        await until(lambda: re.search(pattern, self.seen, re.DOTALL) is not None)

    async def ended(self) -> tuple[int, str]:
        """Wait for the end: the exit status, and what was written after the alternate screen was left."""
        await until(lambda: self.process.poll() is not None)
        await until(lambda: self.ends)  # what was still in the terminal's buffer has been read
        assert re.search(LEFT, self.seen)
        after = re.split(LEFT, self.seen)[-1].decode("utf-8", "replace")
        return self.process.returncode, re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", after)

    def children(self) -> list[psutil.Process]:
        """Every process that the one with the screen has started; what the shell waits for is its parent."""
        (screen,) = psutil.Process(self.process.pid).children()
        return screen.children(recursive=True)


@contextlib.asynccontextmanager
async def real_run(server: Server, folder: Path, *options: str, program: str = "") -> AsyncIterator[RunTerminal]:
    """`wstui` in the middle of a run, kept in the store `runs.db` of the folder; `program` is run before it."""
    command = [sys.executable, "-c", f"{program}\nfrom wstui.cli import main; main()", "quick"]
    command += ["--url", server.url, "--clients", str(CLIENTS), "--ramp", "200ms", "--hold", "100s", "--every", "200ms"]
    command += ["--health", "off", "--no-probe", "--store", str(folder / "runs.db"), *options]
    environment = {**os.environ, "TERM": "xterm-256color", "HOME": str(folder)}
    process, master = start_on_pty(command, env=environment, cwd=folder)
    terminal = RunTerminal(process, master)
    try:
        await until(lambda: len(server.live) == CLIENTS)
        await terminal.shows(b"RUNNING")
        yield terminal
    finally:
        terminal.freeze()
        if process.poll() is None:
            for child in psutil.Process(process.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
            process.kill()
        process.wait()
        if terminal._master >= 0:
            os.close(master)
