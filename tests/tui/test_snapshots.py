"""Screens as pictures, at each breakpoint. After a wanted change: `pytest tests/tui --snapshot-update`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tests.tui import editing, fake, fake_store
from wstui.tui.app import WstuiApp


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_dashboard_looks_as_it_did(size: tuple[int, int], snap_compare: Any) -> None:
    session = fake.FakeSession()
    try:
        assert snap_compare(WstuiApp(session, clock=lambda: fake.NOW), terminal_size=size)
    finally:
        session.ended.set()


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize(
    "keys", [(), ("e",), ("e", "ctrl+d"), ("c",)], ids=["start", "editor", "one_connection", "checklist"]
)
def test_what_comes_before_a_run_looks_as_it_did(
    keys: tuple[str, ...], size: tuple[int, int], home: Path, snap_compare: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wstui.tui.editor.editor_screen.this_host", lambda: editing.HOST)
    monkeypatch.setattr("wstui.scenario.presets.shipped_folder", lambda: fake_store.shipped_presets(home / "shipped"))
    monkeypatch.setenv("TZ", "UTC")
    launches = fake_store.FakeLaunches()
    launcher = launches.launcher(fake_store.FakeRuns())
    app = WstuiApp(launcher=launcher, clock=lambda: fake.NOW, presets=home)

    async def ready(pilot: Pilot[Any]) -> None:
        await pilot.press(*keys)
        await pilot.pause()
        for typed in app.screen.query(Input):
            typed.cursor_blink = False
        await pilot.pause(0.4)  # the file is written out when nothing was typed for a while

    assert snap_compare(app, run_before=ready, terminal_size=size)
