"""The sink as a child process."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

import msgspec

from wstui.execution.calibrate.sink.message_log import SinkLog
from wstui.servers.child_process import Service, python_child

START_TIMEOUT_S = 60.0
STOP_GRACE_S = 2.0


class SinkProcess(Service):
    """`async with SinkProcess("--mode", "echo") as sink: … sink.url`; the options are those of the program.

    It ends with this object, or with the thread that entered the context. Raises ProcessFailed if it can't start.
    """

    def __init__(self, *options: str, core: int | None = None, port: int = 0) -> None:
        """`core` is the only processor that it may run on; `port` is a free one if 0."""
        pinned = () if core is None else ("--core", str(core))
        self.url = ""
        program = ("-m", "wstui.execution.calibrate.sink", "--port", str(port), *options, *pinned)
        self._process = python_child("the sink", *program, ready=r"^ready (ws://\S+)")

    @property
    def pid(self) -> int:
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

    async def start(self) -> None:
        """Start it, and wait until it is ready."""
        self.url = (await self._process.start(START_TIMEOUT_S))[1]

    async def stop(self) -> None:
        await self._process.stop(STOP_GRACE_S)
