"""Queues commands and notes from any thread for the run's own loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, InvalidStateError

from wstui.execution.run.commands import ENDED, CommandAnswer, RunCommand

Queued = tuple[RunCommand, str, Future[CommandAnswer]]


class CommandQueue:
    """Every command is answered: by the run or, once the queue is closed, that the run has ended."""

    def __init__(self) -> None:
        self._commands: deque[Queued] = deque()
        self._notes: deque[tuple[str, str]] = deque()
        self._over = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._event = asyncio.Event()

    def open(self) -> None:
        """Wake the running loop from now on."""
        self._loop = asyncio.get_running_loop()

    def put(self, command: RunCommand, by: str) -> Future[CommandAnswer]:
        """Add a command; the future holds the answer."""
        future: Future[CommandAnswer] = Future()
        self._commands.append((command, by, future))
        if self._over:
            self._refuse_rest()
        else:
            self._wake_loop()
        return future

    def note(self, kind: str, text: str) -> None:
        """Add a mark for the timeline."""
        self._notes.append((kind, text))
        self._wake_loop()

    def close(self) -> None:
        """Answer every command, from now on too, that the run has ended."""
        self._over = True
        self._refuse_rest()

    def _refuse_rest(self) -> None:
        with contextlib.suppress(IndexError):  # two threads may empty it
            while True:
                set_answer(self._commands.popleft()[2], CommandAnswer(False, ENDED))

    def _wake_loop(self) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended: so has the run
                self._loop.call_soon_threadsafe(self._event.set)

    # -- on the run's loop -------------------------------------------------------------------------------------

    def notes(self) -> Iterator[tuple[str, str]]:
        while self._notes:
            yield self._notes.popleft()

    def commands(self) -> Iterator[Queued]:
        """Take the commands, including those that arrive meanwhile."""
        while self._commands:
            yield self._commands.popleft()

    def wake(self) -> None:
        self._event.set()

    async def wait(self, timeout_s: float) -> None:
        """Wait for a command, a note or `wake`."""
        self._event.clear()
        if not self._commands and not self._notes:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._event.wait(), timeout_s)


def set_answer(future: Future[CommandAnswer], answer: CommandAnswer) -> None:
    """Answer a command; its sender may have stopped waiting."""
    with contextlib.suppress(InvalidStateError):
        future.set_result(answer)
