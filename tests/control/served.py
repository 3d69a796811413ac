"""A made-up run on a control socket of its own."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.tui.fake import FakeSession
from wstui.control.run_server import ControlServer
from wstui.execution.run.commands import CommandAnswer, RunCommand

PATIENCE_S = 30.0


class SteeredSession(FakeSession):
    """Remembers who sent each command."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.senders: list[str] = []

    def send(self, command: RunCommand, *, by: str = "operator") -> Future[CommandAnswer]:
        self.senders.append(by)
        return super().send(command)


@contextmanager
def served(run: FakeSession | None = None, numbers: tuple[int, ...] = ()) -> Iterator[ControlServer]:
    server = ControlServer(run or FakeSession(), numbers=lambda: numbers)
    server.start()
    assert server.problem == ""
    try:
        yield server
    finally:
        server.close(None)


class Raw:
    """A client that writes what it likes."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect(path)
        self.lines = self.socket.makefile("rb")

    def write(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read(self) -> dict[str, Any]:
        """Return the next line; {} at the end."""
        try:
            return json.loads(self.lines.readline() or b"{}")  # type: ignore[no-any-return]
        except ConnectionResetError:
            return {}

    def until(self, kind: str) -> dict[str, Any]:
        while (line := self.read()) and line["type"] != kind:
            pass
        return line

    def close(self) -> None:
        self.lines.close()
        self.socket.close()

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def mode(path: str | Path) -> int:
    return Path(path).stat().st_mode & 0o777
