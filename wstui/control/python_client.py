"""The Python client of a run that goes on in another process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from wstui.control.condition import WaitCondition
from wstui.control.remote_run import RemoteRun
from wstui.control.remote_run import attach as attach_to
from wstui.execution.run import commands
from wstui.execution.run.result import Result, SuiteResult
from wstui.execution.run.status import Status
from wstui.scenario.units import parse_duration

Made = TypeVar("Made")


class CommandRefused(Exception):
    """The run did not carry a command out; the text says why."""


class AttachedRun:
    """A run that goes on elsewhere. What steers it waits for the answer and returns it, or raises CommandRefused.

    Closing it, or leaving its `with` block, ends nothing but the connection. `async with` gives the same methods as
    coroutines.
    """

    def __init__(self, run: RemoteRun) -> None:
        self._run = run

    @property
    def id(self) -> str:
        return self._run.hello.run

    @property
    def status(self) -> Status:
        """The latest picture of the run, four times a second."""
        return self._run.status

    def pause(self) -> str:
        """Stop sends, ramps and the plan's clock."""
        return self.send(commands.PauseRun())

    def resume(self) -> str:
        """Continue after a pause."""
        return self.send(commands.ResumeRun())

    def ramp(self, clients: int, over: float | str = 0.0) -> str:
        """Bring the number of clients to `clients`, `over` seconds or a duration such as "30s"."""
        return self.send(commands.RampTo(clients, _seconds(over)))

    def pace(self, every: float | str) -> str:
        """Make each client send every so often; 0 sends as soon as the reply is there."""
        return self.send(commands.SetInterval(_seconds(every)))

    def skip(self) -> str:
        """End the current stage, or the cooldown of a suite."""
        return self.send(commands.SkipStage())

    def drain(self) -> str:
        """End the run: wait for replies in flight, then close every connection."""
        return self.send(commands.DrainRun())

    def abort(self) -> str:
        """End the run at once."""
        return self.send(commands.AbortRun())

    def note(self, text: str) -> str:
        """Put a text on the timeline."""
        return self.send(commands.AddNote(text))

    def begin_span(self, text: str) -> str:
        """Mark the beginning of something that lasts, such as a deployment."""
        return self.send(commands.BeginSpan(text))

    def end_span(self) -> str:
        """Mark its end."""
        return self.send(commands.EndSpan())

    def send(self, command: commands.RunCommand) -> str:
        answer = self._run.send(command).result()
        if not answer.done:
            raise CommandRefused(answer.text)
        return answer.text

    def wait(self, until: str, timeout: float | str | None = None, *, window: float | str = 10.0) -> bool:
        """Wait until a condition such as "response.p99 > 200ms" holds over the last `window` seconds.

        `window` 0 judges the whole run. False when the time is up or the run ends before.
        """
        condition = WaitCondition(until, _seconds(window))
        return self._run.await_status(condition.is_met, None if timeout is None else _seconds(timeout))

    def result(self) -> Result | SuiteResult:
        """Wait for the end of the run and return its result. Raises ConnectionLost."""
        return self._run.execute()

    def close(self) -> None:
        self._run.close()

    def __enter__(self) -> AttachedRun:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> AsyncAttachedRun:
        return AsyncAttachedRun(self)

    async def __aexit__(self, *_: object) -> None:
        self.close()


class AsyncAttachedRun:
    """`AttachedRun` with coroutines."""

    def __init__(self, run: AttachedRun) -> None:
        self._run = run

    @property
    def id(self) -> str:
        return self._run.id

    @property
    def status(self) -> Status:
        return self._run.status

    async def pause(self) -> str:
        return await self._call(self._run.pause)

    async def resume(self) -> str:
        return await self._call(self._run.resume)

    async def ramp(self, clients: int, over: float | str = 0.0) -> str:
        return await self._call(self._run.ramp, clients, over)

    async def pace(self, every: float | str) -> str:
        return await self._call(self._run.pace, every)

    async def skip(self) -> str:
        return await self._call(self._run.skip)

    async def drain(self) -> str:
        return await self._call(self._run.drain)

    async def abort(self) -> str:
        return await self._call(self._run.abort)

    async def note(self, text: str) -> str:
        return await self._call(self._run.note, text)

    async def begin_span(self, text: str) -> str:
        return await self._call(self._run.begin_span, text)

    async def end_span(self) -> str:
        return await self._call(self._run.end_span)

    async def wait(self, until: str, timeout: float | str | None = None, *, window: float | str = 10.0) -> bool:
        return await self._call(lambda: self._run.wait(until, timeout, window=window))

    async def result(self) -> Result | SuiteResult:
        return await self._call(self._run.result)

    @staticmethod
    async def _call(method: Callable[..., Made], *arguments: Any) -> Made:
        return await asyncio.to_thread(method, *arguments)


def attach(run: str = "", *, name: str = "python", read_only: bool = False) -> AttachedRun:
    """Attach to a run that goes on in another process.

    with wstui.attach("last") as run:
        run.ramp(5000, over="30s")
        run.wait("response.p99 > 200ms", timeout="5m")

    `run` is an id (`wstui runs list`), the beginning of one, a preset's name, "last", or HOST:RUN through ssh; "" is
    the only one there is. `name` is written on the timeline with each command. Raises NoSuchRun, ConnectionLost.
    """
    return AttachedRun(attach_to(run, name, read_only=read_only))


def _seconds(given: float | str) -> float:
    return parse_duration(given) if isinstance(given, str) else float(given)
