"""Fork workers off a process that has imported everything: a started one spends most of its time importing."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).resolve().parents[1]
_SIZE = 4
_MOST = 1 << 17
"""Bytes of an environment, at most."""


class _Pipe(asyncio.StreamReaderProtocol):
    """Reads a pipe; `closed` is done once its other end is closed, and its own with it."""

    def __init__(self) -> None:
        self.reader = asyncio.StreamReader()
        self.closed = asyncio.get_running_loop().create_future()
        super().__init__(self.reader)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if not self.closed.done():
            self.closed.set_result(None)


class Forked:
    """What `asyncio.create_subprocess_exec` returns, as far as a transport uses it."""

    def __init__(self, pid: int, stdin: asyncio.StreamWriter, pipes: list[_Pipe]) -> None:
        self.pid, self.stdin = pid, stdin
        self.stdout, self.stderr, self._status = (pipe.reader for pipe in pipes)
        self.returncode: int | None = None
        self._closed = [pipe.closed for pipe in pipes]

    async def wait(self) -> int:
        """Return the exit status, or minus the signal that ended it."""
        with contextlib.suppress(asyncio.IncompleteReadError):
            self.returncode = int.from_bytes(await self._status.readexactly(_SIZE), "big", signed=True)
        await asyncio.wait(self._closed)
        return self.returncode or 0

    def kill(self) -> None:
        """End it at once."""
        os.kill(self.pid, signal.SIGKILL)


class _Asyncio(types.ModuleType):
    """The module `asyncio`, with another way to start a worker."""

    def __init__(self, zygote: socket.socket) -> None:
        super().__init__("asyncio")
        self._zygote = zygote

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def create_subprocess_exec(self, *command: str, **settings: Any) -> Any:
        if command[1:] != ("-m", "wstui.load"):
            return await asyncio.create_subprocess_exec(*command, **settings)
        near, far = socket.socketpair()
        pipes = [os.pipe() for _ in range(3)]
        given = [far.fileno(), *(write for _, write in pipes)]
        surroundings = json.dumps([dict(settings["env"]), str(Path.cwd())])
        socket.send_fds(self._zygote, [surroundings.encode()], given)
        far.close()
        loop, opened = asyncio.get_running_loop(), []
        for read, write in pipes:
            os.close(write)
            _, pipe = await loop.connect_read_pipe(_Pipe, os.fdopen(read, "rb", 0))
            opened.append(pipe)
        pid = int.from_bytes(await opened[2].reader.readexactly(_SIZE), "big")
        _, writer = await asyncio.open_connection(sock=near)
        return Forked(pid, writer, opened)


@functools.cache
def _zygote() -> socket.socket:
    """Start the process that forks, once, and return the line to it; it ends when the line is closed."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    zygote = subprocess.Popen([sys.executable, "-m", "tests.forked_workers"], stdin=far.fileno(), cwd=ROOT)
    far.close()

    def end() -> None:
        near.close()
        zygote.wait(10)

    atexit.register(end)
    return near


@contextlib.contextmanager
def forked() -> Iterator[None]:
    """Fork every worker that is started on this machine; it runs the `main` of `wstui.load` as ever."""
    with mock.patch("wstui.fleet.local.asyncio", _Asyncio(_zygote())):
        yield


def _serve() -> None:
    """Fork a watcher and its worker for each request, until the other side is gone."""
    import uvloop  # noqa: F401

    from wstui.load import __main__ as worker

    main = worker.main
    line = socket.socket(fileno=os.dup(0))
    signal.signal(signal.SIGCHLD, _reap)
    while True:
        message, descriptors, _, _ = socket.recv_fds(line, _MOST, 4)
        if not message:
            return
        if os.fork() == 0:
            line.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            environ, folder = json.loads(message)
            os.environ.clear()
            os.environ.update(environ)
            os.chdir(folder)
            _watch(main, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _reap(*_: object) -> None:
    """Wait for the watchers that have ended: the time they took counts as that of their parent."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _watch(main: Any, descriptors: list[int]) -> None:
    *streams, told = descriptors
    pid = os.fork()
    if pid == 0:
        os.close(told)
        for number, descriptor in enumerate(streams):
            os.dup2(descriptor, number)
            os.close(descriptor)
        status = 1
        try:
            main()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(status)
    for descriptor in (0, *streams):
        os.close(descriptor)
    os.write(told, pid.to_bytes(_SIZE, "big"))
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(OSError):
        os.write(told, os.waitstatus_to_exitcode(status).to_bytes(_SIZE, "big", signed=True))
    os._exit(0)


if __name__ == "__main__":
    _serve()
