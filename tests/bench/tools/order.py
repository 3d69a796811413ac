"""What every load tester is asked for, and what it says afterwards."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Order:
    """The load that is asked for."""

    url: str
    clients: int
    every_s: float
    seconds: float
    ramp_s: float
    folder: Path
    talks: bool = False
    """Log in, then number each message, and take only the answer with its number for its answer."""


@dataclass(frozen=True)
class Report:
    """What a tool says afterwards: latencies in ms where it has them, and in words what went wrong."""

    latency: Mapping[str, float | None] = field(default_factory=dict)
    said: str = ""


@dataclass(frozen=True)
class Tool:
    """A load tester: `find` gives the program or None, `command` writes its files and says how to start it."""

    name: str
    find: Callable[[], str | None]
    version: Callable[[str], str]
    command: Callable[[str, Order], list[str]]
    report: Callable[[Path, str], Report]
    environment: dict[str, str] = field(default_factory=dict)


def on_path(name: str) -> Callable[[], str | None]:
    return lambda: shutil.which(name)


def says(*arguments: str) -> Callable[[str], str]:
    """The first version number that a program tells."""

    def ask(program: str) -> str:
        answer = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
        found = re.search(r"\d+\.\d+(\.\d+)*", answer.stdout + answer.stderr)
        return found.group() if found else "?"

    return ask
