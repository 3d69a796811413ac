"""Servers that nobody here wrote: on free ports of loopback, in processes of their own."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path


def free_ports(count: int) -> list[int]:
    """So many ports on which nobody listens."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


def listens(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def server_process(
    *command: str, environ: Mapping[str, str] | None = None, log: Path | None = None, folder: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A command while it serves; what it says goes to `log`. At the end it is killed."""
    with log.open("wb") if log else contextlib.nullcontext(subprocess.DEVNULL) as out:
        process = subprocess.Popen(command, env=environ, cwd=folder, stdout=out, stderr=out)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
