"""The sink as a child process."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec

from wstui.execution.calibrate.sink.message_log import SinkLog
from wstui.servers.child_process import ChildProcess

START_TIMEOUT_S = 60.0
STOP_GRACE_S = 2.0
_PACKAGES = str(Path(__file__).resolve().parents[4])  # where the package wstui lies


class SinkProcess:
    """`async with SinkProcess("--mode", "echo") as sink: … sink.url`; the options are those of the program.

    It ends with this object, or with the thread that entered the context. Raises ProcessFailed if it can't start.
    """

    def __init__(self, *options: str, core: int | None = None) -> None:
        """`core` is the only processor that it may run on."""
        pinned = () if core is None else ("--core", str(core))
        self.url = ""
        self._process = ChildProcess(
            "the sink",
            [sys.executable, "-P", "-m", "wstui.execution.calibrate.sink", "--port", "0", *options, *pinned],
            ready=r"^ready (ws://\S+)",
            environment={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, (_PACKAGES, os.environ.get("PYTHONPATH")))),
            },
        )

    @property
    def pid(self) -> int:
        """Return its process id."""
        assert self._process.pid is not None
        return self._process.pid

    async def summary(self) -> dict[str, Any]:
        """Return its counts, clocks and CPU time so far."""
        summary: dict[str, Any] = msgspec.json.decode(await self._get("/log"))
        return summary

    async def messages(self) -> SinkLog:
        """Return its whole log so far."""
        return SinkLog.decode(await self._get("/messages"))

    async def _get(self, path: str) -> bytes:
        address = urlsplit(self.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(b"GET %b HTTP/1.1\r\nHost: sink\r\n\r\n" % path.encode())
        answer = await reader.read()
        writer.close()
        return answer.partition(b"\r\n\r\n")[2]

    async def __aenter__(self) -> Self:
        self.url = (await self._process.start(START_TIMEOUT_S))[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._process.stop(STOP_GRACE_S)
