"""A home with presets against a real server."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from wstui.execution.calibrate.sink.sink import Behaviour, Sink
from wstui.execution.calibrate.sink.sink_connection import SinkConnection

PRESETS = {
    "mine": '[load]\nclients = 4\nramp = "100ms"\nhold = "300ms"\n[messages]\nevery = "100ms"\n',
    "long": '[load]\nclients = 4\nramp = "100ms"\nhold = "100s"\n[messages]\nevery = "100ms"\n',
    "find": (
        '[breakpoint]\nof = "clients"\nstart = 2\nmost = 4\nprecision = "50%"\nramp = "100ms"\nsettle = "100ms"\n'
        'measure = "300ms"\n[messages]\nevery = "50ms"\n[[thresholds]]\nmetric = "failures.rate"\nlimit = "< 1%"\n'
    ),
}


@dataclass(frozen=True)
class Home:
    """Where an operator's presets and runs lie."""

    path: Path

    @property
    def presets(self) -> Path:
        """The operator's own."""
        return self.path / ".config" / "wstui" / "presets"

    @property
    def store(self) -> Path:
        """The kept runs."""
        return self.path / ".local" / "share" / "wstui" / "runs.db"

    def write(self, name: str, url: str) -> None:
        """One of the presets above, against a server that answers nothing but WebSockets."""
        text = f'description = "walk {name}"\n[target]\nurl = "{url}"\nhealth = "off"\n{PRESETS[name]}'
        (self.presets / f"{name}.toml").write_text(text)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty one."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    made = Home(tmp_path)
    made.presets.mkdir(parents=True)
    return made


@pytest.fixture
async def sink() -> AsyncIterator[tuple[Sink, str]]:
    """The built-in sink, and its URL."""
    made = Sink(Behaviour())
    server = await asyncio.get_running_loop().create_server(lambda: SinkConnection(made), "127.0.0.1", 0)
    yield made, f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws"
    server.close()
