"""Runs the application without a terminal, and reads its screen."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from textual.pilot import Pilot

from tests.tui import fake
from wstui.execution.status import Status
from wstui.tui.app import WstuiApp
from wstui.tui.session import Outcome


def shown(app: WstuiApp) -> str:
    """The screen as text."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


async def until(condition: Callable[[], bool], pilot: Pilot[Any]) -> None:
    """Wait until something is so."""
    for _ in range(300):
        if condition():
            return
        await pilot.pause(0.03)
    raise AssertionError("the condition never came true:\n" + shown(pilot.app))  # type: ignore[arg-type]


@asynccontextmanager
async def running(
    status: Status | None = None, size: tuple[int, int] = (80, 24), **options: Any
) -> AsyncIterator[tuple[WstuiApp, Pilot[Outcome], fake.FakeSession]]:
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
