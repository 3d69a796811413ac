"""What the tests of protocols share: an aiohttp application on a free port, and the worst failure of a run."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.load.leading import Workers

web = pytest.importorskip("aiohttp.web", reason="aiohttp is not installed")


@contextlib.asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """The URL of an application while it is served, without a path."""
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def target(protocol: str, **options: str) -> str:
    """The lines of [target] that name a protocol with its options, written as in TOML."""
    lines = "".join(f"{name} = {value}\n" for name, value in options.items())
    return f'protocol = "{protocol}"\n[target.options]\n{lines}'


def failure(workers: Workers) -> tuple[str, str]:
    """The kind and the words of what failed most often."""
    group = max(workers.failures, key=lambda group: group.count)
    return group.kind, group.message
