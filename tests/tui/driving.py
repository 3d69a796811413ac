"""Runs the application without a terminal, and reads its screen."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from textual.app import App
from textual.css.query import NoMatches
from textual.pilot import Pilot

from tests.tui import fake, fake_store
from wstui.execution.run.status import Status
from wstui.tui.app import WstuiApp
from wstui.tui.services import SessionOutcome
from wstui.tui.start.preset_list import PresetDetails, PresetTable

PATIENCE_S = 60.0


def shown(app: App[Any]) -> str:
    """The screen as text."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


def shows(app: WstuiApp, text: str) -> bool:
    """Whether the screen shows a text."""
    return text in shown(app)


async def until(condition: Callable[[], bool], pilot: Pilot[Any]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE_S
    crashed: asyncio.Event = pilot.app._exception_event
    while time.monotonic() < deadline and not crashed.is_set():
        with contextlib.suppress(NoMatches):  # a screen that is still on its way
            if condition():
                return
        await asyncio.sleep(0.03)  # `pilot.pause` would ask every widget whether it is idle, each time
    raise AssertionError("the condition never came true:\n" + shown(pilot.app))


@asynccontextmanager
async def running(
    status: Status | None = None, size: tuple[int, int] = (80, 24), **options: Any
) -> AsyncIterator[tuple[WstuiApp, Pilot[SessionOutcome], fake.FakeSession]]:
    """The application with a made-up run; the run ends with the block."""
    session = fake.FakeSession(status, options.pop("outcome", None))
    app = WstuiApp(session, clock=lambda: fake.NOW, **options)
    try:
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            yield app, pilot, session
    finally:
        session.ended.set()


async def resized(pilot: Pilot[Any], *sizes: tuple[int, int]) -> AsyncIterator[tuple[int, int]]:
    """One size after the other."""
    for size in sizes:
        await pilot.resize_terminal(*size)
        await pilot.pause()
        yield size


@asynccontextmanager
async def started(
    home: Path, size: tuple[int, int] = (120, 40), *, runs: bool = True, settled: bool = True
) -> AsyncIterator[tuple[WstuiApp, Pilot[Any], fake_store.FakeLaunches, fake_store.FakeRuns]]:
    launches, kept = fake_store.FakeLaunches(), fake_store.FakeRuns()
    app = WstuiApp(launcher=launches.launcher(kept if runs else None), clock=lambda: fake.NOW, presets=home)
    try:
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            if settled:
                await until(lambda: app.screen.query_one(PresetDetails).is_ready, pilot)
                await pilot.pause()
            yield app, pilot, launches, kept
    finally:
        launches.end()


async def go_to(app: WstuiApp, pilot: Pilot[Any], name: str) -> None:
    table = app.screen.query_one(PresetTable)
    table.action_move([choice.name for choice in table.items].index(name) - table.items.index(table.selected))  # type: ignore[arg-type]
    await pilot.pause()
