"""Services that start and stop with an `async with` block, and child processes that never outlive their parent."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, InvalidStateError
from pathlib import Path
from typing import Self

from wstui.servers.parent_death import tethered

LINES_KEPT = 40
_PACKAGES = str(Path(__file__).resolve().parents[2])  # contains the package wstui
_POLL_S = 0.01
# A group of its own: Ctrl-C goes to the parent only, which then ends its children in order.
_OWN_GROUP = None if sys.platform == "win32" else 0


class ProcessFailed(RuntimeError):
    """A child process did not start, or ended early; the message names it and quotes its last output."""


class ChildProcess:
    """One child process, tied to the thread that calls `start` (see `parent_death`).

    A thread reads its output, so it works in any event loop and thread.
    """

    def __init__(
        self,
        name: str,
        argv: list[str],
        ready: str,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`ready` is a pattern that is searched in each line of the output; `environment` is added to ours."""
        self.name = name
        self.lines: deque[str] = deque(maxlen=LINES_KEPT)
        self._argv = argv
        self._ready_pattern = re.compile(ready)
        self._environment = environment or {}
        self._ready: Future[re.Match[str]] = Future()
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    @property
    def pid(self) -> int | None:
        """Return the process id, or None before `start`."""
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        """Return whether it has started and not ended."""
        return self._process is not None and self._process.poll() is None

    async def start(self, timeout: float) -> re.Match[str]:
        """Start it, wait up to `timeout` seconds until it is ready, and return the match of the ready pattern.

        Raises: ProcessFailed: it could not be started, ended, or was not ready in time (it is then ended).
        """
        try:
            # Not asyncio's: that needs a child watcher, which uvloop has in the main thread only.
            self._process = subprocess.Popen(  # noqa: ASYNC220
                tethered(self._argv),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self._environment},
                process_group=_OWN_GROUP,
                text=True,
                errors="replace",
            )
        except OSError as error:
            raise ProcessFailed(f"{self.name} could not be started: {error}") from error
        self._reader = threading.Thread(target=self._read, name=f"{self.name} output", daemon=True)
        self._reader.start()
        try:
            return await asyncio.wait_for(asyncio.wrap_future(self._ready), timeout)
        except TimeoutError:
            await self.stop(0.0)
            raise ProcessFailed(f"{self.name} was not ready within {timeout:g} s{self._last_output()}") from None
        except BaseException:
            await self.stop(0.0)
            raise

    async def stop(self, grace: float) -> None:
        """End it with SIGTERM, and with SIGKILL after `grace` seconds."""
        process = self._process
        if process is None:
            return
        if process.poll() is None and grace > 0:
            process.terminate()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    while process.poll() is None:
                        await asyncio.sleep(_POLL_S)
        if process.poll() is None:
            process.kill()
            process.wait()
        if self._reader is not None:
            # A grandchild may still hold the pipe; the reader is a daemon thread and need not end first.
            await asyncio.to_thread(self._reader.join, 1.0)

    def _read(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                self.lines.append(line.rstrip())
                if not self._ready.done() and (match := self._ready_pattern.search(line)):
                    with contextlib.suppress(InvalidStateError):  # cancelled meanwhile
                        self._ready.set_result(match)
        status = self._process.wait()
        if not self._ready.done():
            with contextlib.suppress(InvalidStateError):  # cancelled meanwhile
                self._ready.set_exception(
                    ProcessFailed(f"{self.name} ended at once with status {status}{self._last_output()}")
                )

    def _last_output(self) -> str:
        output = "\n  ".join(list(self.lines)[-5:])
        return f"; it said:\n  {output}" if output else " and said nothing"


def python_child(name: str, *arguments: str, ready: str, environment: Mapping[str, str] | None = None) -> ChildProcess:
    """Return a Python process that can import wstui; `arguments` are those of the interpreter."""
    # -P keeps the current directory out of sys.path, so name the checkout in case it isn't installed.
    path = os.pathsep.join(filter(None, (_PACKAGES, os.environ.get("PYTHONPATH"))))
    return ChildProcess(name, [sys.executable, "-P", *arguments], ready, {"PYTHONPATH": path, **(environment or {})})


class Service(ABC):
    """Starts on entering its context and stops on leaving it."""

    @abstractmethod
    async def start(self) -> None:
        """Start it, and wait until it is ready."""

    @abstractmethod
    async def stop(self) -> None:
        """Stop it."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.stop()
