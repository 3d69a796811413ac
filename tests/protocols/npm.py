"""Packages of npm that are installed globally, and servers of theirs in a process of node."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest


@functools.cache
def root() -> str:
    """Where npm has what is installed globally, or "" without npm."""
    if not (npm := shutil.which("npm")) or not shutil.which("node"):
        return ""
    return subprocess.run([npm, "root", "--global"], capture_output=True, text=True, check=False).stdout.strip()


def modules(*names: str) -> str:
    """Return where the packages are; skip the test where they are not."""
    if not root() or not all(Path(root(), name).is_dir() for name in names):
        pytest.skip(f"the npm packages {', '.join(names)} are not installed globally")
    return root()


class Node:
    """A server in node: the URL that it says first, and its log, one JSON document for each line that it is sent."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self._process = process
        self.url = url

    async def log(self) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(b"\n")
        found: dict[str, Any] = json.loads(await self._process.stdout.readline())
        return found


@contextlib.asynccontextmanager
async def serving(script: str, *names: str, told: str = "") -> AsyncIterator[Node]:
    """A script of this folder while it serves, which may be told something; it ends with its input."""
    command = ["node", str(Path(__file__).with_name(script)), modules(*names), *([told] if told else [])]
    process = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    try:
        yield Node(process, (await process.stdout.readline()).decode().strip())
    finally:
        process.stdin.close()
        process.terminate()
        await process.wait()
